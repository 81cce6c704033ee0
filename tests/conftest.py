"""Tests read English, whatever the machine speaks: the command line chooses when it is imported."""

import os

os.environ["LICHEN_LANGUAGE"] = "en"
