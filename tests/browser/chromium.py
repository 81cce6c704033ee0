"""Find the browser that the tests look through, or install Debian's if nobody has one.

Looked for: what ``LICHEN_CHROMIUM`` names, then Chromium or Chrome under their usual names. A
machine without one gets Debian's, where we may install it; elsewhere this says what to do.
"""

import os
import shutil
import subprocess
import sys

VARIABLE = "LICHEN_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-core", "fonts-noto-color-emoji", "fonts-droid-fallback")
INSTALL_S_MAX = 540


def find_browser() -> str | None:
    """Return the path of a browser, None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return next((path for path in map(shutil.which, NAMES) if path), None)


def install() -> None:
    """Install Debian's Chromium, and fonts for the scripts that people write in."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (("update",), ("install", "-y", "--no-install-recommends", *PACKAGES)):
        subprocess.run(
            ["apt-get", "-q", *step],
            env=environment,
            stdout=sys.stderr,
            check=True,
            timeout=INSTALL_S_MAX,
        )


def main() -> int:
    """See to it that there is a browser; 1 if that cannot be done from here."""
    if find_browser():
        return 0
    if os.environ.get(VARIABLE):
        print(f"{VARIABLE} names no program: {os.environ[VARIABLE]}", file=sys.stderr)
        return 1
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing Chromium with apt-get", flush=True)
        install()
        if find_browser():
            return 0
    print(
        "The browser tests need Chromium, and none is here. Install it (Debian: apt install"
        f" chromium), or name one in {VARIABLE}.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
