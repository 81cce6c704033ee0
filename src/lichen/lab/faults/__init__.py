"""What goes wrong in a world: as values, drawn from a seed, shrunk when they break something."""
