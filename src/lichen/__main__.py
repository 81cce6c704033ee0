"""``python -m lichen`` is the command ``lichen``."""

from lichen.cli.main import main

main()
