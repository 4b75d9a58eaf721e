"""The page of a token's holders."""

from typing import Any

import pytest

from testing.bare_token import CODE, transfer_data
from tests.rpc.explorer.explored import HOSTILE, Explored, explored
from tests.rpc.methods.memory_node import ALICE, BOB
from zevm.analysis.printable import printable
from zevm.chain.canonical.log_search import LogQuery
from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.explorer import tokens
from zevm.storage.errors import OriginError
from zevm.storage.keccak import keccak256


async def _token(chain: Explored, **words: bytes | int) -> str:
    address = await chain.node.place(CODE)
    for name, word in words.items():
        slot = keccak256(f"{name}()".encode())[:4]
        value = word.ljust(32, b"\0") if isinstance(word, bytes) else word.to_bytes(32, "big")
        await chain.node.call("anvil_setStorageAt", address, hex(int.from_bytes(slot, "big")), hexadecimal(value))
    return address


async def _transfer(chain: Explored, token: str, to: bytes, amount: int) -> None:
    sent = await chain.node.send(to=token, data=transfer_data(to, amount))
    assert len(sent["logs"]) == 1


async def test_holders_by_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "FIRST_SPAN", 1)
    async with explored() as chain:
        token = await _token(chain, name=b"Coin", symbol=b"<b>", decimals=2, totalSupply=1_000)
        for to, amount in ((ALICE, 125), (BOB, 500), (b"\x77" * 20, 0), (bytes(20), 9), (BOB, 125)):
            await _transfer(chain, token, to, amount)
            await chain.node.call("anvil_mine", "0x5")
        page = await chain.page(f"/address/{token}/holders")
        assert [link.lower() for link in page.links if link.startswith("/address/") and link.count("/") == 2][1:] == [
            f"/address/{hexadecimal(BOB)}",
            f"/address/{hexadecimal(ALICE)}",
        ]
        for text in ("Coin", "<b>", "10", "6.25", "62.5 %", "1.25", "12.5 %", "Holders 2"):
            assert text in page.text, text
        assert "left out" not in page.text, "all blocks were searched"


async def test_a_token_without_a_name_has_no_line_for_one() -> None:
    async with explored() as chain:
        token = await _token(chain, totalSupply=1_000)
        await _transfer(chain, token, ALICE, 125)
        page = await chain.page(f"/address/{token}/holders")
        assert "Supply" in page.text
        assert "Token" not in page.text
        assert "Symbol" not in page.text


async def test_rpc_explorer_transfers_bounds_the_logs_that_are_read() -> None:
    async with explored(explorer_transfers=2, explorer_rows=1) as chain:
        token = await _token(chain)
        for number in range(3):
            await _transfer(chain, token, bytes([0x60 + number]) * 20, 7 - number)
        first = await chain.page(f"/address/{token}/holders")
        assert "By the newest 2 transfers" in first.text
        assert "Holders 2" in first.text
        assert "1 to 1 of 2" in first.text
        assert "0x6161616161616161616161616161616161616161" in first.text
        second = await chain.page(f"/address/{token}/holders?page=1")
        assert "0x6262626262626262626262626262626262626262" in second.text
        assert "0x6060606060606060606060606060606060606060" not in first.text + second.text


async def test_more_logs_than_one_search_gives_are_found_by_smaller_ones() -> None:
    async with explored(log_results=2) as chain:
        token = await _token(chain)
        for number in range(6):
            await _transfer(chain, token, bytes([0x60 + number]) * 20, 1)
        assert "Holders 6" in (await chain.page(f"/address/{token}/holders")).text


async def test_a_node_that_refuses_older_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The origin of a fork: what was found by then is shown, and that it is not all."""
    monkeypatch.setattr(tokens, "FIRST_SPAN", 1)
    async with explored() as chain:
        token = await _token(chain)
        await _transfer(chain, token, b"\x61" * 20, 1)
        await _transfer(chain, token, BOB, 2)
        kind, head = type(chain.node.services.chain), chain.node.chain.head.number
        logs = kind.logs

        def refusing(view: Any, query: LogQuery, **options: Any) -> Any:
            if query.first != head:
                raise OriginError("block range is too large")
            return logs(view, query, **options)

        monkeypatch.setattr(kind, "logs", refusing)
        page = await chain.page(f"/address/{token}/holders")
        assert "Holders 1" in page.text
        assert "By the newest 1 transfer, down to block 2" in page.text


async def test_what_is_no_token() -> None:
    async with explored() as chain:
        empty = await chain.page(f"/address/{hexadecimal(BOB)}/holders")
        assert "No Transfer log" in empty.text
        reverting = await chain.node.place(bytes.fromhex("5f5ffd"))
        assert "No Transfer log" in (await chain.page(f"/address/{reverting}/holders")).text


async def test_a_token_that_says_too_much_or_takes_too_long() -> None:
    """Its name is a text of strangers; each of its functions may run as long as the page may."""
    long = HOSTILE.encode() * 50
    answer = (32).to_bytes(32, "big") + len(long).to_bytes(32, "big") + long.ljust(-(-len(long) // 32) * 32, b"\0")
    size = len(answer)
    code = bytes.fromhex(f"61{size:04x}600e5f3961{size:04x}5ff3").ljust(14, b"\0") + answer
    async with explored() as chain:
        shown = await chain.page(f"/address/{await chain.node.place(code)}/holders")
        assert printable(HOSTILE) in shown.text
    async with explored(explorer_trace_seconds=0.1, call_gas=2**40) as chain:
        endless = await chain.node.place(bytes.fromhex("5b5f56"))
        assert "The holders are not known" in (await chain.page(f"/address/{endless}/holders")).text
