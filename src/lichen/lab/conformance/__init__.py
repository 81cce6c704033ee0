"""Recordings of real brains, played again: the same events give the same effects everywhere."""
