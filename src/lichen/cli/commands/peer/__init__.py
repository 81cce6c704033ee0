"""Being a peer: running it, showing what it hears, whom it meets, its pages."""
