"""The storage layout of Vyper contracts, whatever sections the compiler's own has."""

from pathlib import Path

import pytest

from zevm.contracts import build

pytestmark = pytest.mark.lengthy

SOURCES = {
    "nothing": ("@external\ndef f():\n    pass\n", []),
    "immutables alone": ("a: public(immutable(address))\n@deploy\ndef __init__():\n    a = msg.sender\n", []),
    "transient storage alone": ("x: transient(uint256)\n@external\ndef f():\n    self.x = 1\n", []),
    "names of the layout's members": (
        "slot: uint256\nstorage_layout: HashMap[address, bool]\n@external\ndef f():\n    self.slot = 1\n",
        ["slot", "storage_layout"],
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_layout_has_the_variables_of_storage(name: str, tmp_path: Path) -> None:
    text, wanted = SOURCES[name]
    source = tmp_path / "A.vy"
    source.write_text(f"# pragma version ~=0.4.0\n{text}")
    layout = build(source).storage_layout
    assert layout is not None
    assert [entry["label"] for entry in layout["storage"]] == wanted
