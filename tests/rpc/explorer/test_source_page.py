"""The page of verified sources: what it shows, and that no source makes it large or is markup."""

from pathlib import Path

import pytest

from testing.solc_double import VERSION
from tests.rpc.explorer.explored import HOSTILE, HTML, Reader
from tests.rpc.explorer.test_verification_api import ADDRESS, CODE, EMPTY, SOURCE, Verified, verifying
from zevm.analysis.printable import printable
from zevm.rpc.explorer import formats


async def shown(there: Verified, path: str, status: int = 200) -> Reader:
    answer = await there.client.get(path, headers=HTML)
    assert answer.status_code == status
    assert len(answer.content) < 150_000
    return Reader(answer.text)


async def test_sources_a_file_at_a_time(tmp_path: Path) -> None:
    async with verifying(tmp_path, limits={"explorer_rows": 2}) as there:
        shown_address = formats.address(bytes.fromhex(ADDRESS[2:]))
        place = f"/address/{shown_address}/source"
        before = await shown(there, place)
        assert f"forge verify-contract {shown_address} NAME --chain 31337 --verifier custom" in before.text
        assert "no code" in (await shown(there, f"/address/{EMPTY}/source")).text
        sources = {name: {"content": text} for name, text in (
            ("src/a.sol", f"{SOURCE}\n\t// {HOSTILE}"), ("src/b & c.sol", "// b"), ("d.sol", ""),
        )}  # fmt: skip
        document = {
            "stdJsonInput": {"language": "Solidity", "sources": sources, "settings": {"evmVersion": HOSTILE}},
            "compilerVersion": VERSION,
            "contractIdentifier": "src/a.sol:Named",
        }
        _, submitted = await there.json(f"/v2/verify/31337/{ADDRESS}", document)
        assert (await there.job(submitted["verificationId"]))["contract"]["match"] == "exact_match"
        page = await shown(there, place)
        assert printable(HOSTILE) in page.text
        assert f"solc {VERSION}, optimizer off" in page.text
        assert "exact match" in page.text
        assert "1 more are not listed" in page.text
        assert f"{place}?file=src%2Fa.sol" in page.links
        assert "// b" in (await shown(there, f"{place}?file=src%2Fb%20%26%20c.sol")).text
        assert "no source e.sol" in (await shown(there, f"{place}?file=e.sol", 404)).text
        overview = await shown(there, f"/address/{ADDRESS}")
        assert "Named" in overview.text
        assert "named()" in overview.text, "its interface"


@pytest.mark.lengthy
async def test_no_source_makes_the_page_large(tmp_path: Path) -> None:
    async with verifying(tmp_path) as there:
        for number, text in enumerate(("\n" * 100_000, "&" * 300_000, "a\n" * 50_000)):
            code = CODE + bytes([number])
            address = await there.node.place(code, bytes([number + 1]) * 20)
            document = {
                "stdJsonInput": {
                    "language": "Solidity",
                    "sources": {"a.sol": {"content": f"contract Named {code.hex()}\n{text}"}},
                },
                "compilerVersion": VERSION,
                "contractIdentifier": "a.sol:Named",
            }
            _, submitted = await there.json(f"/v2/verify/31337/{address}", document)
            assert (await there.job(submitted["verificationId"]))["contract"]["match"] == "exact_match"
            page = await shown(there, f"/address/{address}/source")
            assert page.text.rstrip().endswith("…")
