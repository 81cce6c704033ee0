"""Chaining many messages in a process of its own, beside the one that keeps them."""
