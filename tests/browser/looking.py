"""Looking through the page that is open: axe finds nothing, nothing is wider than the window.

A page is loaded once and looked at wide and narrow, light and dark.
"""

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page
from windows import NARROW, WIDE

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
RUN_AXE = """async (rules) => {
  const only = rules ? { runOnly: { type: "rule", values: rules } } : {};
  const result = await axe.run(document, { resultTypes: ["violations"], ...only });
  return {
    violations: result.violations.map(
      ({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 200))}`),
    contrasts: result.passes.find(({ id }) => id === "color-contrast")?.nodes.length ?? 0,
  };
}"""
NARROWEST = {"width": 305, "height": 640}
"""A phone of 360 pixels whose reader has made everything a sixth larger."""
TOO_WIDE = """() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 200)).slice(0, 5)
    .concat([`${document.documentElement.scrollWidth} > ${innerWidth}`])"""


def look_through(page: Page) -> None:
    """Look at the page that is open in every light and width."""
    page.evaluate(AXE)
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        assert page.evaluate(TOO_WIDE) == []
        for light in ("light", "dark"):
            page.emulate_media(color_scheme=light, reduced_motion="reduce")
            # What else there is to find does not depend on the light.
            found = page.evaluate(RUN_AXE, ["color-contrast"] if light == "dark" else None)
            assert found["violations"] == [], (page.url, size, light)
            assert found["contrasts"] > 0, "the contrasts were not looked at"
    page.set_viewport_size(NARROWEST)
    assert page.evaluate(TOO_WIDE) == []
    page.set_viewport_size(WIDE)
