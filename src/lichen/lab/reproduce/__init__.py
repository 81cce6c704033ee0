"""Published tables, computed again: paper, ours, tolerance, pass."""
