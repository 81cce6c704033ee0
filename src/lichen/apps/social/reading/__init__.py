"""What pages and programs read from the views, for one viewer: values, no words."""
