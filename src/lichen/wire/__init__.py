"""How peers talk: bytes in, events and bytes out. No sockets, clocks or randomness."""
