"""What strangers wrote, made fit for a page."""
