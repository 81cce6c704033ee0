"""Checking what came, on more cores than one."""
