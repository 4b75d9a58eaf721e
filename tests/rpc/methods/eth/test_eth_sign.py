"""Signatures with the node's keys, and personal_."""

from tests.rpc.methods.memory_node import ALICE, BOB, STRANGER, Node, hexadecimal
from zevm.chain.types import Transaction
from zevm.chain.types.signatures import recover_address
from zevm.storage.keccak import keccak256

TYPED = {
    "types": {
        "EIP712Domain": [{"name": "name", "type": "string"}],
        "Mail": [{"name": "contents", "type": "string"}],
    },
    "primaryType": "Mail",
    "domain": {"name": "test"},
    "message": {"contents": "hello"},
}


def signer(signature: str, message: bytes) -> bytes:
    raw = bytes.fromhex(signature[2:])
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    return recover_address(digest, raw[64] - 27, int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"))


async def test_accounts(node: Node) -> None:
    wanted = [hexadecimal(ALICE), hexadecimal(BOB)]
    for name in ("eth_accounts", "eth_requestAccounts", "personal_listAccounts"):
        assert await node.call(name) == wanted


async def test_messages(node: Node) -> None:
    alice = hexadecimal(ALICE)
    signature = await node.call("eth_sign", alice, "0xdeadbeef")
    assert signer(signature, bytes.fromhex("deadbeef")) == ALICE
    assert await node.call("personal_sign", "0xdeadbeef", alice) == signature
    assert await node.call("personal_sign", "0xdeadbeef", alice, "password") == signature
    assert await node.call("personal_sign", alice, "0xdeadbeef") == signature
    assert await node.call("personal_ecRecover", "0xdeadbeef", signature) == alice
    assert signer(await node.call("personal_sign", "hello", alice), b"hello") == ALICE


async def test_messages_refused(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    for name, *params in (("eth_sign", stranger, "0x00"), ("personal_sign", "0x00", stranger)):
        error = await node.fails(name, *params)
        assert (error.code, error.message) == (-32000, "unknown account")
    assert (await node.fails("personal_sign", "0x00", "0x00")).code == -32602
    assert (await node.fails("personal_ecRecover", "0x00", "0x00")).message == "signature must be 65 bytes long"
    assert (await node.fails("personal_ecRecover", "0x00", "0x" + "00" * 65)).message == "invalid signature"


async def test_typed_data(node: Node) -> None:
    import orjson
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    alice = hexadecimal(ALICE)
    signature = await node.call("eth_signTypedData_v4", alice, TYPED)
    assert await node.call("eth_signTypedData_v3", alice, TYPED) == signature
    assert await node.call("eth_signTypedData", alice, orjson.dumps(TYPED).decode()) == signature
    recovered = Account.recover_message(encode_typed_data(full_message=TYPED), signature=signature)
    assert recovered.lower() == alice


async def test_typed_data_refused(node: Node) -> None:
    error = await node.fails("eth_signTypedData_v4", hexadecimal(STRANGER), TYPED)
    assert error.message == "unknown account"
    for bad in ({}, "{", 5, {"types": {}, "primaryType": "X", "domain": {}, "message": {}}):
        assert (await node.fails("eth_signTypedData_v4", hexadecimal(ALICE), bad)).code == -32602


async def test_sign_transaction(node: Node) -> None:
    fields = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x1"}
    raw = await node.call("eth_signTransaction", fields)
    signed = Transaction.decode(bytes.fromhex(raw[2:]))
    assert (signed.sender, signed.to, signed.value, signed.gas_limit) == (ALICE, BOB, 1, 21_000)
    assert await node.call("eth_blockNumber") == "0x0"
    assert await node.call("eth_sendRawTransaction", raw) == hexadecimal(signed.hash)
    error = await node.fails("eth_signTransaction", fields | {"from": hexadecimal(STRANGER)})
    assert error.message == "unknown account"


async def test_accounts_of_ganache(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    assert await node.call("evm_addAccount", stranger, "password") is True
    assert await node.call("evm_addAccount", stranger, "password") is False
    assert await node.call("personal_unlockAccount", stranger, "password", 0) is True
    await node.call("evm_setAccountBalance", stranger, hex(10**18))
    sent = await node.call("eth_sendTransaction", {"from": stranger, "to": hexadecimal(BOB)})
    assert (await node.call("eth_getTransactionReceipt", sent))["from"] == stranger
    assert await node.call("evm_removeAccount", stranger, "password") is True
    assert await node.call("evm_removeAccount", stranger, "password") is False
    assert (await node.fails("eth_sendTransaction", {"from": stranger})).message == "unknown account"


async def test_personal_accounts(node: Node) -> None:
    alice, stranger = hexadecimal(ALICE), hexadecimal(STRANGER)
    assert await node.call("personal_unlockAccount", alice, "password", 300) is True
    assert await node.call("personal_lockAccount", alice) is False
    assert (await node.fails("personal_unlockAccount", stranger, "")).message == "unknown account"
    assert (await node.fails("personal_lockAccount", stranger)).message == "unknown account"
    sent = await node.call("personal_sendTransaction", {"from": alice, "to": hexadecimal(BOB)}, "password")
    assert (await node.call("eth_getTransactionReceipt", sent))["status"] == "0x1"
    error = await node.fails("personal_sendTransaction", {"from": stranger, "to": alice}, "")
    assert error.message == "unknown account"
