"""The explorer's pages in Chromium as axe sees them: no finding that it calls serious or critical."""

import json
from pathlib import Path

import pytest

from testing.bare_token import CODE, transfer_data
from tests.clients.tools import CLIENTS
from tests.rpc.explorer.chromium import CHROMIUM, REASON, Browser, browser
from tests.rpc.explorer.explored import every_page, explored, fill
from tests.rpc.methods.memory_node import ALICE

AXE = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
FINDINGS = """axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, help, nodes }) => [id, help, nodes.slice(0, 3).map(({ html }) => html.slice(0, 200))]))"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason=REASON),
    pytest.mark.skipif(not AXE.exists(), reason="axe is missing: run scripts/install_client_tools.sh"),
    pytest.mark.timeout(300),
]


async def _findings(tab: Browser, url: str) -> list[object]:
    await tab.goto(url)
    # past the page's policy, as extensions are; its own scripts have made what they make by now
    await tab.value(AXE.read_text() + ";0")
    found: list[object] = await tab.value(FINDINGS)
    return found


async def test_no_page_has_a_serious_finding(tmp_path: Path) -> None:
    async with explored() as chain, browser(tmp_path) as tab:
        await fill(chain)
        token = await chain.node.place(CODE, b"\xab" * 20)
        await chain.node.send(to=token, data=transfer_data(ALICE, 125))
        # an unknown token's recovered functions, its holders, and pages of what is not there
        others = f"/address/{token}/read?recover=1", f"/address/{token}/holders", "/block/999", "/search?q=nothing"
        url = f"http://localhost:{chain.node.server.addresses[0][1]}"
        found = {}
        for dark, width in ((False, 1280), (True, 400)):
            await tab.size(width, 800, dark=dark)
            for path in (*every_page(chain), *others):
                findings = await _findings(tab, url + path)
                if findings:
                    found[f"{path} at {width}, dark={dark}"] = findings
        assert not found, json.dumps(found, indent=1)


async def test_axe_finds_what_is_wrong(tmp_path: Path) -> None:
    async with explored() as chain, browser(tmp_path) as tab:
        url = f"http://localhost:{chain.node.server.addresses[0][1]}/blocks"
        await tab.begin_with("addEventListener('load', () => document.documentElement.removeAttribute('lang'))")
        assert [finding[0] for finding in await _findings(tab, url)] == ["html-has-lang"]  # type: ignore[index]
