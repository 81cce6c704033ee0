"""It runs for real: sockets, timers, keys, the local API."""
