"""Checking signatures behind: what waits, who does it, what follows from what is found."""
