"""The commands, a module for each kind; they are imported when one of them runs."""
