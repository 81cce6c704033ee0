"""The brain: what peers decide to exchange. It is told events and answers with effects."""
