"""Showing a page in the person's browser, where there is one to show it in."""

import os
import sys
import webbrowser
from pathlib import Path


def has_screen() -> bool:
    """Tell whether a browser would get a window; one in the terminal would take it over."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_file(file: Path) -> bool:
    """Open a file in the browser; tell whether one was found. May take a while."""
    if not has_screen():
        return False
    try:
        return webbrowser.open(file.as_uri())
    except (webbrowser.Error, OSError):
        return False
