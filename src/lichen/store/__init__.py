"""The store: what is kept on disk, in SQLite, by one writer thread. See README.md."""
