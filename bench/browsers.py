"""Live updates: from a press of the button in one browser until the other browser shows it.

Two peers that follow each other, each with its own Chromium. One publishes by the form, the other
has home open; both times are of the browsers' clocks, which are the machine's. And twenty open
pages on which nothing happens: what they cost the peer.
"""

import shutil
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from figures import Row, cpu_s, memory_mib, percentile
from lichen_peer import LichenPeer
from pages import WITH_WEB
from peers import wait_until
from playwright.sync_api import Page, Playwright, sync_playwright
from visitor import Visitor

ROUNDS = 35
WARM_UP = 5
PAUSES_MS = (310, 520, 430, 610, 370)
"""Between a page that is loaded and the press: the line of live updates is open by then."""
SEEN_MS_MAX = 20_000
OPEN_PAGES = 20
CALM_S = 3.0
IDLE_S = 25.0
HOME_WATCHES = ("web.state", "social.fresh?after=0", "social.near", "web.sync")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NOTE_SUBMIT = """
addEventListener("submit", () => {
  sessionStorage.setItem("pressed", performance.timeOrigin + performance.now());
}, true);
"""
NOTE_SEEN = """
addEventListener("DOMContentLoaded", () => {
  const fresh = document.querySelector(".fresh");
  if (!fresh) return;
  new MutationObserver(() => {
    if (!fresh.hidden && !window.seen) window.seen = performance.timeOrigin + performance.now();
  }).observe(fresh, { attributes: true, attributeFilter: ["hidden"] });
});
"""


def measure_seen(reader: LichenPeer, folder: Path) -> list[Row]:
    """Return how long what one publishes takes to be seen by the other, who is ``reader``."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = LichenPeer(folder / "writer", hops=1, serving=WITH_WEB).start()
    try:
        writer.follow(reader.feed)
        reader.follow(writer.feed)
        writer.connect(reader.address)
        wait_until(lambda: reader.received(writer.feed) == 1)
        wait_until(lambda: writer.received(reader.feed) == reader.received(reader.feed))
        with sync_playwright() as playwright:
            writing = _open_browser(playwright, writer, NOTE_SUBMIT)
            reading = _open_browser(playwright, reader, NOTE_SEEN)
            measured = [_time_round(writing, reading, number) for number in range(ROUNDS)]
    finally:
        writer.kill()
    counted = measured[WARM_UP:]
    figures = {
        "rounds": len(counted),
        "median_ms": statistics.median(counted),
        "p99_ms": percentile(counted, 0.99),
        "min_ms": min(counted),
    }
    bench = "published in one browser, visible in another"
    return [Row(bench, "lichen -> lichen", figures, "target: median_ms <= 100")]


def _open_browser(playwright: Playwright, peer: LichenPeer, script: str) -> Page:
    """Open a browser that is let in, with a script that runs in each of its pages."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("Two browsers are needed. Install Chromium: apt-get install chromium")
    browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
    page = browser.new_page()
    page.add_init_script(script)
    page.goto(peer.open_web())
    return page


def _time_round(writing: Page, reading: Page, number: int) -> float:
    """Publish once; return the milliseconds until it was seen."""
    for page, path in ((reading, "/"), (writing, "/write")):
        page.goto(f"{_origin(page)}{path}")
    writing.fill("#text", f"message {number} in a quiet moment")
    writing.wait_for_timeout(PAUSES_MS[number % len(PAUSES_MS)])
    writing.click('button[value="publish"]')
    reading.wait_for_selector(".fresh", timeout=SEEN_MS_MAX)
    seen, pressed = reading.evaluate("seen"), writing.evaluate("sessionStorage.pressed")
    return float(seen) - float(pressed)


def _origin(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def measure_open_pages(peer: LichenPeer) -> list[Row]:
    """Return what a peer uses while pages are open and nothing happens."""
    rows = [_idle(peer, "no page")]
    with ExitStack() as lines:
        for _ in range(OPEN_PAGES):
            line = lines.enter_context(Visitor(peer.open_web()))
            line.listen("/live?" + urlencode([("watch", name) for name in HOME_WATCHES]))
        rows.append(_idle(peer, f"{OPEN_PAGES} pages", "target: cpu_percent <= 1"))
    return rows


def _idle(peer: LichenPeer, subject: str, note: str = "") -> Row:
    time.sleep(CALM_S)
    before = cpu_s(peer.pid)
    time.sleep(IDLE_S)
    figures = {
        "cpu_percent": (cpu_s(peer.pid) - before) / IDLE_S * 100,
        "memory_mib": memory_mib(peer.pid),
    }
    return Row("open pages on which nothing happens", subject, figures, note)
