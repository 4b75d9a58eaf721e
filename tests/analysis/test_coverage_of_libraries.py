"""Coverage of external libraries, whose code runs by DELEGATECALL in the contract's frame."""

from collections.abc import Callable
from pathlib import Path

import pytest

import zevm
from zevm.analysis.coverage.lines import coverage_of
from zevm.analysis.coverage.recorder import CoverageRecorder
from zevm.analysis.known_contract import KnownContract
from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document

LIBRARY_PLACE, CALLER_PLACE = bytes([0xD1]) * 20, bytes([0xD2]) * 20
LIBRARY = "73{} 30 14 50 6005 6000 01 50 00"
"""PUSH20 its own address, ADDRESS EQ POP (a library's call protection), then 5 + 0, STOP."""
BUILT = bytes.fromhex(LIBRARY.format("00" * 20))
DEPLOYED = bytes.fromhex(LIBRARY.format(LIBRARY_PLACE.hex()))
NAMED = Scope("Sums.add")
LIBRARY_MAP = source_map_document(
    [
        *(Mapped(offset, NAMED, "src/sums.sol", 4) for offset in (0, 21, 22, 23)),
        *(Mapped(offset, NAMED, "src/sums.sol", 5) for offset in (24, 26, 28, 29, 30)),
    ],
    len(BUILT),
)


def calling(opcode: str) -> bytes:
    """A contract that calls the library with no data."""
    value = "5f" if opcode in ("f1", "f2") else ""
    return bytes.fromhex(f"5f 5f 5f 5f {value} 73{LIBRARY_PLACE.hex()} 5a {opcode} 50 00".replace(" ", ""))


def covered(folder: Path, execute: Callable[[zevm.Node], object], opcode: str) -> dict[int, int]:
    """Line -> count in the library's source."""
    source = folder / "src" / "sums.sol"
    source.parent.mkdir()
    source.write_text("line\n" * 6)
    recorder = CoverageRecorder()
    node = zevm.Node()
    node._watcher = recorder
    with node:
        recorder.catalogue = node.catalogue
        node.catalogue.add(KnownContract("Sums", "src/sums.sol", "Solidity", [], runtime=BUILT, source_map=LIBRARY_MAP))
        for place, code in ((LIBRARY_PLACE, DEPLOYED), (CALLER_PLACE, calling(opcode))):
            node.request("anvil_setCode", "0x" + place.hex(), "0x" + code.hex())
        execute(node)
        report = coverage_of(recorder, node.catalogue, folder)
    assert report.unmapped == {}
    return report.files["src/sums.sol"].lines


def send(node: zevm.Node) -> None:
    sender = node.accounts[0].address
    node.request("eth_sendTransaction", {"from": sender, "to": "0x" + CALLER_PLACE.hex(), "gas": hex(100_000)})


@pytest.mark.parametrize("opcode", ["f1", "f2", "f4", "fa"], ids=["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_lines_of_a_library_count_by_whatever_call_it_runs(tmp_path: Path, opcode: str) -> None:
    assert covered(tmp_path, send, opcode) == {4: 1, 5: 1}


def test_lines_of_a_library_that_did_not_run_are_missing(tmp_path: Path) -> None:
    assert covered(tmp_path, lambda _: None, "f4") == {4: 0, 5: 0}
