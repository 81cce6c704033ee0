"""Worlds of many peers under a virtual clock."""
