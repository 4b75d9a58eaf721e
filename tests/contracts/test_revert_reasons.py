"""zevm.contracts.revert_reasons: Solidity's own errors, and names out of Foundry's and Hardhat's artifacts."""

from pathlib import Path

import orjson
import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from zevm.contracts.revert_reasons import ERROR_SELECTOR, PANIC_SELECTOR, Decoder
from zevm.storage.keccak import keccak256

CUSTOM = {
    "type": "error",
    "name": "Custom",
    "inputs": [{"name": "a", "type": "uint256"}, {"name": "b", "type": "string"}],
}
NESTED = {
    "type": "error",
    "name": "Nested",
    "inputs": [
        {
            "name": "p",
            "type": "tuple[]",
            "components": [{"name": "to", "type": "address"}, {"name": "ok", "type": "bool"}],
        }
    ],
}
TRANSFER = {
    "type": "function",
    "name": "transfer",
    "inputs": [{"name": "to", "type": "address"}, {"name": "amount", "type": "uint256"}],
}
ADDRESS = "0x" + "ab" * 20


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


@pytest.mark.parametrize("reason", ["nope", "", 'quo"ted', "ü"])
def test_error_string(reason: str) -> None:
    assert Decoder().revert_reason(ERROR_SELECTOR + encode(["string"], [reason])) == reason


def test_error_string_with_bytes_that_are_no_text() -> None:
    assert Decoder().revert_reason(ERROR_SELECTOR + encode(["bytes"], [b"a\xffb"])) == "a�b"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0x01, "assert(false)"),
        (0x11, "arithmetic underflow or overflow"),
        (0x12, "division or modulo by zero"),
        (0x99, "unknown panic code: 0x99"),
    ],
)
def test_panic(code: int, text: str) -> None:
    assert Decoder().revert_reason(PANIC_SELECTOR + code.to_bytes(32, "big")) == text


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\x08",
        ERROR_SELECTOR,
        ERROR_SELECTOR + b"\xff" * 64,
        PANIC_SELECTOR + b"\x01",
        selector("Custom(uint256,string)") + encode(["uint256", "string"], [7, "bad"]),
    ],
)
def test_no_reason(output: bytes) -> None:
    assert Decoder().revert_reason(output) is None


@pytest.mark.parametrize(
    "document",
    [
        {"abi": [CUSTOM, NESTED, TRANSFER]},
        {"output": {"contracts": {"A.sol": {"A": {"abi": [CUSTOM, NESTED, TRANSFER]}}}}},
    ],
    ids=["artifact", "build-info"],
)
def test_names_from_artifacts(tmp_path: Path, document: dict[str, object]) -> None:
    folder = tmp_path / "A.sol"
    folder.mkdir()
    (folder / "A.json").write_bytes(orjson.dumps(document))
    decoder = Decoder(tmp_path)
    custom = selector("Custom(uint256,string)") + encode(["uint256", "string"], [7, "bad"])
    nested = selector("Nested((address,bool)[])") + encode(["(address,bool)[]"], [[(ADDRESS, True)]])
    transfer = selector("transfer(address,uint256)") + encode(["address", "uint256"], [ADDRESS, 5])
    assert decoder.revert_reason(custom) == 'Custom(7, "bad")'
    assert decoder.revert_reason(nested) == f"Nested([({to_checksum_address(ADDRESS)}, true)])"
    assert decoder.revert_reason(custom[:4] + b"\x01") is None
    assert decoder.call(transfer) == f"transfer({to_checksum_address(ADDRESS)}, 5)"
    assert decoder.call(custom) is None
    assert decoder.call(b"\x00") is None


def test_artifacts_that_appear_later_are_read(tmp_path: Path) -> None:
    decoder = Decoder(tmp_path)
    custom = selector("Custom(uint256,string)") + encode(["uint256", "string"], [7, "bad"])
    assert decoder.revert_reason(custom) is None
    (tmp_path / "A.json").write_bytes(orjson.dumps({"abi": [CUSTOM]}))
    decoder.refresh()
    assert decoder.revert_reason(custom) == 'Custom(7, "bad")'


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[1]",
        b'{"abi": 3}',
        b'{"abi": [3, {"type": "error"}, {"type": "error", "name": "X", "inputs": [{"type": "tuple"}]}]}',
        b'{"output": {"contracts": {"a": 1, "b": {"c": 2}}}}',
    ],
)
def test_foreign_files_are_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "b.json").write_bytes(orjson.dumps({"abi": [CUSTOM]}))
    custom = selector("Custom(uint256,string)") + encode(["uint256", "string"], [7, "bad"])
    assert Decoder(tmp_path).revert_reason(custom) == 'Custom(7, "bad")'


def test_addresses_have_checksums(tmp_path: Path) -> None:
    owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    parameters = [{"type": "address"}, {"type": "address[]"}, {"type": "tuple", "components": [{"type": "address"}]}]
    abi = [{"type": "error", "name": "NotOwner", "inputs": parameters}]
    (tmp_path / "A.json").write_bytes(orjson.dumps({"abi": abi}))
    types = ["address", "address[]", "(address)"]
    data = selector("NotOwner(address,address[],(address))") + encode(types, [owner, [owner], (owner,)])
    assert Decoder(tmp_path).revert_reason(data) == f"NotOwner({owner}, [{owner}], ({owner}))"
