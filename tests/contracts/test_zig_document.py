"""The contracts of docs/zig.md and the sizes that it promises. tests/clients/test_readme.py runs its commands."""

import pytest

from testing.contracts import CONTRACTS, compiled
from testing.node_process import ROOT
from tests.clients.document_blocks import blocks_of
from tests.contracts.zig_sources import artifact
from tests.contracts.zig_sources import compiled as module_of

pytestmark = pytest.mark.lengthy

DOCUMENTED = {block.file_name: block.text for block in blocks_of(ROOT / "docs" / "zig.md") if block.language == "zig"}
HELLO = """
const covenant = @import("covenant");
const Hello = struct {
    pub fn hello() covenant.String { return .{ .data = "Hello, world" }; }
};
comptime {
    covenant.define(Hello);
}
"""


@pytest.mark.parametrize("name", [name for name in DOCUMENTED if name is not None])
def test_a_contract_of_the_document_compiles(name: str) -> None:
    built = artifact(DOCUMENTED[name])
    assert built.module is not None
    assert [entry for entry in built.abi if entry["type"] == "function"]


def test_you_pay_for_what_you_use() -> None:
    assert len(module_of(HELLO)) < 1_500
    token = compiled(CONTRACTS / "zig" / "token.zig").module
    assert token is not None
    assert len(token) < 16_660, "the size of the safe build before the library had panics of its own"
