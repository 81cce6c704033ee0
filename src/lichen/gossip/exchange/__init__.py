"""Feeds between peers: what is wanted, what is noted, who sends, and how the own feed recovers."""
