"""It runs in virtual time, or makes up what a real run needs: the laboratory."""
