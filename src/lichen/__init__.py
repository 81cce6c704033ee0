"""Lichen: a Secure Scuttlebutt peer."""

__version__ = "0.1.0"
