"""Experiments that a person runs: what they are called, what can be set, what comes out."""
