"""Sockets, and what flows through them: doors, links, the local network, runs, blobs."""
