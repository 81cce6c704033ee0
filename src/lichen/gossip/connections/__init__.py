"""Connections: whom to dial, what a peer may call, what is on its way to it, when it is dropped."""
