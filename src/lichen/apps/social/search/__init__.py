"""Full-text search: its words, its language, its view, its answers."""
