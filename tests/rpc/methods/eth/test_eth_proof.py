"""eth_getProof: present and absent accounts and slots, any block, verified against the header; limits and texts."""

from typing import Any

import orjson
import pytest

from tests.rpc.methods.assembly import BOX, creation
from tests.rpc.methods.memory_node import ALICE, STRANGER, Node, hexadecimal
from tests.rpc.methods.test_limits import limited_node
from tests.rpc.methods.wasm_contracts import WASM_BOX, wasm_contract
from zevm.storage import rlp, trie
from zevm.storage.account import encode_account
from zevm.storage.keccak import EMPTY_KECCAK, keccak256

ALICE_, STRANGER_ = hexadecimal(ALICE), hexadecimal(STRANGER)


def word(number: int) -> str:
    return f"0x{number:064x}"


def raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def proven_account(root: str, answer: dict[str, Any]) -> bytes | None:
    """The account's record that the answer proves."""
    key, proof = keccak256(raw(answer["address"])), [raw(node) for node in answer["accountProof"]]
    return trie.verify_proof(raw(root), key, proof)


def proven_slot(answer: dict[str, Any], index: int) -> int:
    """The value that the answer proves for a slot."""
    slot = answer["storageProof"][index]
    key = keccak256(int(slot["key"], 16).to_bytes(32, "big"))
    value = trie.verify_proof(raw(answer["storageHash"]), key, [raw(node) for node in slot["proof"]])
    return 0 if value is None else rlp.decode_int(rlp.decode(value))


def fields_of(answer: dict[str, Any]) -> tuple[int, int, bytes, bytes]:
    return (
        int(answer["nonce"], 16),
        int(answer["balance"], 16),
        raw(answer["storageHash"]),
        raw(answer["codeHash"]),
    )


async def root_of(node: Node, block: str) -> str:
    root: str = (await node.call("eth_getBlockByNumber", block, False))["stateRoot"]
    return root


async def test_the_answer_is_json_as_of_any_other_method(node: Node) -> None:
    box = (await node.send(data=hexadecimal(creation(BOX)), gas=hex(3_000_000)))["contractAddress"]
    await node.send(to=box, data=word(77))
    shown = {word(0): word(0), "0x0": "0x0", "0x01": "0x1", word(5): word(5), "0x7": "0x7"}
    for address, keys in ((box, [word(0), "0x0", "0x01", word(5)]), (STRANGER_, ["0x7"]), (ALICE_, [])):
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getProof", "params": [address, keys, "latest"]}
        answer = await node.server.dispatcher.answer(orjson.dumps(body))
        assert answer is not None
        result = orjson.loads(answer)["result"]
        assert answer == orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": result})
        names = ["address", "accountProof", "balance", "codeHash", "nonce", "storageHash", "storageProof"]
        assert list(result) == names
        assert [list(slot) for slot in result["storageProof"]] == [["key", "value", "proof"]] * len(keys)
        assert [slot["key"] for slot in result["storageProof"]] == [shown[key] for key in keys]


@pytest.mark.parametrize("code", [BOX, wasm_contract(WASM_BOX)], ids=["evm", "wasm"])
async def test_accounts_and_slots_at_every_block(node: Node, code: bytes) -> None:
    data = hexadecimal(creation(code) if code is BOX else code)
    box = (await node.send(data=data, gas=hex(3_000_000)))["contractAddress"]
    await node.send(to=box, data=word(77))
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"from": ALICE_, "to": box, "data": word(99)})
    for block, value in (("0x1", 0), ("0x2", 77), ("latest", 77), ("pending", 99)):
        answer = await node.call("eth_getProof", box, ["0x0", word(1)], block)
        root = await root_of(node, block)
        assert proven_account(root, answer) == encode_account(fields_of(answer)), block
        assert [slot["value"] for slot in answer["storageProof"]] == [hex(value), "0x0"]
        if value:
            assert [proven_slot(answer, index) for index in (0, 1)] == [value, 0]
        assert [slot["key"] for slot in answer["storageProof"]] == ["0x0", word(1)]


async def test_what_is_absent(node: Node) -> None:
    answer = await node.call("eth_getProof", STRANGER_, ["0x5"])
    assert proven_account(await root_of(node, "latest"), answer) is None
    assert (answer["balance"], answer["nonce"]) == ("0x0", "0x0")
    assert answer["codeHash"] == answer["storageHash"] == "0x" + "00" * 32
    assert answer["storageProof"] == [{"key": "0x5", "value": "0x0", "proof": []}]
    alice = await node.call("eth_getProof", ALICE_, [])
    assert (alice["codeHash"], alice["storageProof"]) == (hexadecimal(EMPTY_KECCAK), [])


async def test_a_proof_by_block_hash_and_after_a_patch(node: Node) -> None:
    receipt = await node.send(to=STRANGER_, value="0x5")
    by_hash = await node.call("eth_getProof", STRANGER_, [], {"blockHash": receipt["blockHash"]})
    assert by_hash["balance"] == "0x5"
    await node.call("anvil_setBalance", STRANGER_, "0x9")
    assert (await node.call("eth_getProof", STRANGER_, [], "latest"))["balance"] == "0x9"
    assert (await node.call("eth_getProof", STRANGER_, [], "0x0"))["balance"] == "0x0"


@pytest.mark.parametrize(
    ("given", "shown"),
    [("0x", "0x0"), ("0", "0x0"), ("0x00", "0x0"), ("f", "0xf"), ("0x00ff", "0xff"), ("0" * 63 + "f", word(15))],
)
async def test_keys_are_read_leniently(node: Node, given: str, shown: str) -> None:
    answer = await node.call("eth_getProof", ALICE_, [given])
    assert answer["storageProof"][0]["key"] == shown


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("0x" + "1" * 65, f'storage key too long (want at most 32 bytes): "0x{"1" * 65}"'),
        ("0xzz", 'invalid hex in storage key: "0xzz"'),
        (5, "expected a string, got number"),
    ],
)
async def test_keys_that_are_none(node: Node, key: object, message: str) -> None:
    error = await node.fails("eth_getProof", ALICE_, [key], "latest")
    assert (error.code, error.message) == (-32602, message)


async def test_bounds_and_unknown_blocks(node: Node) -> None:
    error = await node.fails("eth_getProof", ALICE_, [], "0x64")
    assert (error.code, error.message) == (-32000, "header not found")
    async with limited_node(proof_keys=2) as small:
        assert len((await small.call("eth_getProof", ALICE_, ["0x1"] * 2))["storageProof"]) == 2
        error = await small.fails("eth_getProof", ALICE_, ["0x1"] * 3)
        assert (error.code, error.message) == (-32602, "too many storage keys requested (max 2, got 3)")
