"""The social app: posts and threads, who is called what, whom one follows."""
