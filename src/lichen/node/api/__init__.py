"""What programs of the same user may call, and how their calls are served."""
