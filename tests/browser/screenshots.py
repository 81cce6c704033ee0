"""``make screenshots``: every page of a peer in a made-up village, light and dark, wide and narrow.

They go to ``build/screenshots``; the two in the README go to ``docs/screenshots``, small enough to
live in the repository.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent / "js")]

from places import CLOSED_PLACES, PLACES, path_of  # noqa: E402 (found by the line above)
from village import Village, settle_village  # noqa: E402
from windows import WebPeer, Window, open_browser  # noqa: E402

TARGET = ROOT / "build" / "screenshots"
SHOWN = ROOT / "docs" / "screenshots"
SHOWN_NAMES = ("home-1280-light", "thread-1280-dark")
SHOWN_BYTES_MAX = 150_000
HEIGHT_MAX = 2400
SHOWN_HEIGHT = 1100
WIDTHS = (1280, 360)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> int:
    """Take every picture, and make the README's small."""
    TARGET.mkdir(parents=True, exist_ok=True)
    SHOWN.mkdir(parents=True, exist_ok=True)
    started: list[WebPeer] = []
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:

        def start(**settings: Any) -> WebPeer:
            peer = WebPeer(Path(folder) / f"peer-{len(started)}", **settings)
            started.append(peer)
            return peer.start()

        try:
            _take_all(browser, settle_village(start, Path(folder)), start())
        finally:
            for peer in started:
                peer.kill()
    for name in SHOWN_NAMES:
        data = shrink((TARGET / f"{name}.png").read_bytes())
        assert len(data) <= SHOWN_BYTES_MAX, f"{name} takes {len(data)} bytes"
        (SHOWN / f"{name}.png").write_bytes(data)
    print(f"{len(list(TARGET.glob('*.png')))} pictures in {TARGET}")
    return 0


def _take_all(browser: Browser, village: Village, newcomer: WebPeer) -> None:
    for theme in THEMES:
        window = Window(browser, village.peer, color_scheme=theme)
        for name, path in CLOSED_PLACES.items():
            _take(window, name, path, theme)
        window.come_in()
        for name, place in PLACES.items():
            _take(window, name, path_of(place, village), theme)
        window.close()
        window = Window(browser, newcomer, color_scheme=theme).come_in()
        for name, path in (("welcome", "/welcome"), ("people-empty", "/people")):
            _take(window, name, path, theme)
        if theme == THEMES[-1]:
            window.go("/welcome")
            window.page.get_by_role("button", name="Go home").click()
        window.close()
    for theme in THEMES:
        window = Window(browser, newcomer, color_scheme=theme).come_in()
        for name, path in (("home-empty", "/"), ("network-empty", "/network")):
            _take(window, name, path, theme)
        window.close()


def _take(window: Window, name: str, path: str, theme: str) -> None:
    """Take a picture of a page in each width, whole unless it is very long."""
    for width in WIDTHS:
        window.page.set_viewport_size({"width": width, "height": 900})
        window.go(path)
        window.page.wait_for_load_state("load")
        height = int(window.page.evaluate("document.documentElement.scrollHeight"))
        window.page.set_viewport_size({"width": width, "height": min(height, HEIGHT_MAX)})
        window.page.screenshot(path=TARGET / f"{name}-{width}-{theme}.png")


def shrink(data: bytes) -> bytes:
    """Return a picture with a palette instead of colours, as small as PNG gets."""
    with Image.open(BytesIO(data)) as image:
        top = image.crop((0, 0, image.width, min(image.height, SHOWN_HEIGHT)))
        reduced = top.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    out = BytesIO()
    reduced.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
