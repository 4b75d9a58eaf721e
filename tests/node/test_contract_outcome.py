"""A revert of a project's contract is told by its error's name, once, whether or not the node knows the artifacts."""

import json
from pathlib import Path

import pytest
from eth_abi import encode

from testing.wasm_modules import selector
from zevm.node.client import CallFailedError
from zevm.node.commands.contract_outcome import reasons
from zevm.node.errors import NodeError

ERROR = {"type": "error", "name": "Insufficient", "inputs": [{"type": "uint256"}, {"type": "uint256"}]}
DATA = "0x" + (selector("Insufficient(uint256,uint256)") + encode(["uint256", "uint256"], [5, 9])).hex()


@pytest.mark.parametrize("told", ["execution reverted", "execution reverted: Insufficient(5, 9)"])
def test_an_error_is_named_once(tmp_path: Path, told: str) -> None:
    (tmp_path / "Bank.json").write_text(json.dumps({"abi": [ERROR]}))
    with pytest.raises(NodeError) as raised, reasons(tmp_path):
        raise CallFailedError("eth_call", {"code": 3, "message": told, "data": DATA})
    assert str(raised.value) == "execution reverted: Insufficient(5, 9)"


def test_an_unknown_error_stays(tmp_path: Path) -> None:
    with pytest.raises(CallFailedError, match=r"^execution reverted$"), reasons(tmp_path):
        raise CallFailedError("eth_call", {"code": 3, "message": "execution reverted", "data": DATA})
