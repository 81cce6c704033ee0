"""Models as arrays: a million peers at once, one rule each, numpy and (if there) numba."""
