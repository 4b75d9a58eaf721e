"""The explorer in Chromium: it follows the chain, keeps its own policy, and fits small windows and keyboards."""

import struct
from pathlib import Path

import pytest

from scripts.explorer_picture import HEIGHT, WIDTH, main
from testing.node_process import ROOT
from tests.rpc.explorer.chromium import CHROMIUM, REASON, Browser, browser
from tests.rpc.explorer.explored import Explored, every_page, explored, fill

WINDOWS = ((360, False), (1280, True), (1280, False))
"""Widths in CSS pixels, and whether the colours are dark."""
WITHOUT_NAME = """[...document.querySelectorAll('a, button, input:not([type=hidden]), summary')].filter(
  (item) => !(item.getAttribute('aria-label') || item.textContent.trim() || item.labels?.length)).length"""
PALE = """(() => {
  const channel = (byte) => { const value = byte / 255;
    return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4; };
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (item) => { for (; item; item = item.parentElement) {
    const found = parts(getComputedStyle(item).backgroundColor); if (found.length < 4 || found[3] > 0) return found; }
    return [255, 255, 255]; };
  return [...document.querySelectorAll('body *:not(svg *)')].filter((item) =>
    [...item.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && item.getClientRects().length)
    .map((item) => { const [one, two] = [light(parts(getComputedStyle(item).color)), light(behind(item))];
      return [(Math.max(one, two) + .05) / (Math.min(one, two) + .05), item.outerHTML.slice(0, 80)]; })
    .filter(([contrast]) => contrast < 4.5);
})()"""
"""Texts whose contrast is below WCAG 2.2's 4.5:1."""
HIDDEN_TABS = """[...document.querySelectorAll('.tabs a')].filter((item) =>
  item.getBoundingClientRect().right > item.parentElement.getBoundingClientRect().right)
  .map((item) => item.textContent)"""
"""Tabs that only a reader who scrolls sideways finds."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=REASON), pytest.mark.timeout(300)]


def _url(chain: Explored) -> str:
    return f"http://localhost:{chain.node.server.addresses[0][1]}"


async def test_pages_in_chromium(tmp_path: Path) -> None:
    async with explored() as chain, browser(tmp_path) as tab:
        await fill(chain)
        await _follows_the_chain(chain, tab)
        await _keyboard(chain, tab)
        await _steps_by_keyboard(chain, tab)
        for path in every_page(chain):
            for width, dark in WINDOWS:
                await tab.size(width, 800, dark=dark)
                await tab.goto(_url(chain) + path)
                assert await tab.value("document.documentElement.scrollWidth") <= width, (path, width)
                assert await tab.value(PALE) == [], (path, dark)
                assert await tab.value(HIDDEN_TABS) == [], (path, width)
            assert await tab.value(WITHOUT_NAME) == 0, path
            assert await tab.value("document.querySelectorAll('h1').length") == 1, path
        assert tab.complaints == [], "its own policy stops nothing, and no script fails"


def test_the_picture_of_the_readme_can_be_drawn(tmp_path: Path) -> None:
    """The script draws a picture as the document has one: of the same size in pixels, and small."""
    main(tmp_path / "explorer.png")
    shown = (ROOT / "docs" / "images" / "explorer.png").read_bytes()
    assert "docs/images/explorer.png" in (ROOT / "README.md").read_text()
    for picture in ((tmp_path / "explorer.png").read_bytes(), shown):
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", picture[16:24]) == (WIDTH, HEIGHT)
        assert len(picture) < 200_000


async def _follows_the_chain(chain: Explored, tab: Browser) -> None:
    await tab.size(1280, 800)
    await tab.goto(_url(chain) + "/")
    await tab.until("document.querySelector('button.copy')")
    head = chain.node.chain.head.number
    await tab.until("document.querySelector('#live-state[data-follows]')")
    sent = await chain.node.send(to=chain.places["bob"], value="0x1")
    await tab.until(f"document.querySelector('#blocks a[href=\"/block/{head + 1}\"]')")
    await tab.until(f"document.querySelector('#transactions a[href=\"/tx/{sent['transactionHash']}\"]')")


async def _steps_by_keyboard(chain: Explored, tab: Browser) -> None:
    """Down and up, over the end of a page and back, and not while somebody types."""
    place = "[location.pathname + location.search, document.activeElement.id]"
    path = f"/tx/{chain.places['long']}/steps"
    await tab.goto(_url(chain) + path)
    for key, at in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0)):
        await tab.press(key)
        assert await tab.value(place) == [path, f"step-{at}"]
    await tab.leave("n")
    assert await tab.value(place) == [f"{path}?from=50", "step-50"]
    await tab.leave("k")
    assert await tab.value(place) == [f"{path}?from=0", "step-49"]
    await tab.leave("j")
    assert await tab.value(place) == [f"{path}?from=50", "step-50"]
    await tab.value("document.getElementById('from').focus()")
    await tab.press("j")
    assert await tab.value(place) == [f"{path}?from=50", "from"]


async def _keyboard(chain: Explored, tab: Browser) -> None:
    await tab.press("Tab")
    assert await tab.value("document.activeElement.textContent") == "Skip to the content"
    await tab.press("/")
    assert await tab.value("document.activeElement.id") == "q"
    await tab.send("Input.insertText", text=chain.places["log"])
    await tab.leave("Enter")
    assert await tab.value("location.pathname") == f"/tx/{chain.places['log']}"
