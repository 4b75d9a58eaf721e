"""What a terminal could obey: no text of a contract, an artifact or a server reaches it as it is."""

from typing import Any

import pytest
from eth_abi import encode
from eth_utils.abi import event_abi_to_log_topic

import zevm
from testing.wasm_modules import selector
from zevm.analysis.call_tree import decode_call_tree
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.analysis.printable import printable
from zevm.analysis.profile.flame_graph import flame_graph
from zevm.analysis.profile.stacks import stacks_of
from zevm.analysis.tree_text import render
from zevm.contracts.revert_reasons import ERROR_SELECTOR

EVIL = "Evil\x1b[31m\x07\x9b\u202e\r\nX"
SHOWN = "Evil\\x1b[31m\\x07\\x9b\\u202e\\r\\nX"
PLACE, CONSOLE = b"\xc7" * 20, b"\0" * 9 + b"console.log"
TEXT = {"name": EVIL, "type": "string", "indexed": False}
EVENT: dict[str, Any] = {"type": "event", "name": EVIL, "inputs": [TEXT]}
CODE = b"\x60" * 7
FUNCTION, FAULT = ({"type": kind, "name": EVIL, "inputs": [TEXT]} for kind in ("function", "error"))
SELECTOR = selector(f"{EVIL}(string)")
VALUE = encode(["string"], [EVIL])


def _frame(**fields: Any) -> dict[str, Any]:
    plain = {"type": "CALL", "from": "0x" + "11" * 20, "to": "0x" + PLACE.hex(), "gas": "0x5", "gasUsed": "0x4"}
    return plain | fields


FRAMES = {
    "the name of a contract": (_frame(), f"{SHOWN}::fallback()"),
    "the name and an argument of a function": (
        _frame(input="0x" + (SELECTOR + VALUE).hex()),
        f'{SHOWN}::{SHOWN}("{SHOWN}")',
    ),
    "the name of a creation": (
        _frame(type="CREATE", input="0x" + CODE.hex(), output="0x00"),
        f"new {SHOWN}@",
    ),
    "a reason": (
        _frame(error="execution reverted", output="0x" + (ERROR_SELECTOR + VALUE).hex()),
        f"[Revert] {SHOWN}",
    ),
    "the name of an error": (
        _frame(error="execution reverted", output="0x" + (SELECTOR + VALUE).hex()),
        f'[Revert] {SHOWN}("{SHOWN}")',
    ),
    "a fault that a server names": (_frame(error=EVIL), f"[Failed] {SHOWN}"),
    "an event": (
        _frame(
            logs=[
                {
                    "address": "0x" + PLACE.hex(),
                    "topics": ["0x" + event_abi_to_log_topic(EVENT).hex()],  # type: ignore[arg-type]
                    "data": "0x" + VALUE.hex(),
                }
            ]
        ),
        f'emit {SHOWN}({SHOWN}: "{SHOWN}")',
    ),
    "a text for the console": (
        _frame(to="0x" + CONSOLE.hex(), input="0x" + (selector("log(string)") + VALUE).hex()),
        f'console::log("{SHOWN}")',
    ),
}


def _contract(code: bytes) -> KnownContract:
    return KnownContract(EVIL, "e.sol", "Solidity", [FUNCTION, FAULT, EVENT], runtime=code, creation=CODE)


@pytest.mark.parametrize(("frame", "shown"), FRAMES.values(), ids=FRAMES)
def test_a_call_tree_shows_it_escaped(frame: dict[str, Any], shown: str) -> None:
    catalogue = Catalogue()
    catalogue.add(_contract(CODE))
    text = render(decode_call_tree(frame, catalogue, lambda _: CODE))
    assert shown in text
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.lengthy
def test_the_debug_log_shows_it_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    output = ERROR_SELECTOR + VALUE
    reverting = b"\x60" + bytes([len(output)]) + bytes.fromhex("80600a5f395ffd00") + output
    with zevm.Node(debug=True) as node:
        node.catalogue.add(_contract(reverting))
        node.request("anvil_setCode", "0x" + PLACE.hex(), "0x" + reverting.hex())
        call = {"to": "0x" + PLACE.hex(), "data": "0x" + (SELECTOR + VALUE).hex()}
        with pytest.raises(zevm.CallFailedError):
            node.request("eth_call", call, "latest")
    lines = [line for line in capsys.readouterr().out.split("\n") if SHOWN in line]
    assert any(f"({SHOWN})" in line for line in lines)
    assert any(f"CALL {SHOWN}::{SHOWN}(string), " in line for line in lines)
    assert any(f"reverted: {SHOWN}, gas used" in line for line in lines)
    assert all(line.isprintable() for line in lines)


def test_a_flame_graph_shows_it_escaped() -> None:
    node = {"parent": None, "kind": "call", "name": "f\ud800", "contract": EVIL, "file": "\ud800", "count": 1}
    graph = flame_graph(stacks_of({"nodes": [node | {"selfGas": 9.0, "selfNs": 5}]}), EVIL, "gas")
    assert f">{SHOWN}</text>" in graph
    assert f"{SHOWN}.f\\ud800 in \\ud800: " in graph
    assert graph.encode()


def test_what_stays_as_it_is() -> None:
    assert printable("Ünï→ code 你好 ├─") == "Ünï→ code 你好 ├─"
    assert printable("one\n\ttwo\x1b", keep="\n\t") == "one\n\ttwo\\x1b"
    assert printable("\ud800\u2028\U000e0001") == "\\ud800\\u2028\\U000e0001"
