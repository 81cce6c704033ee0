"""Keeping: a data directory is checked, healed, copied away and put back."""
