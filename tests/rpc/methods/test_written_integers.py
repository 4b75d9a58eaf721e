"""B12: no development request writes an integer that the state cannot hold, and a full account can be asked about."""

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, CallError, Node, hexadecimal

FULL = hex((1 << 256) - 1)
PAST_BALANCE, PAST_NONCE = hex(1 << 256), hex(1 << 64)


async def test_b12_a_full_account_is_asked_paid_and_pays(node: Node) -> None:
    await node.call("anvil_setBalance", hexadecimal(CAROL), FULL)
    with pytest.raises(CallError, match="would exceed"):
        await node.call("eth_call", {"from": hexadecimal(ALICE), "to": hexadecimal(CAROL), "value": "0x1"}, "latest")
    transaction = {"from": hexadecimal(ALICE), "to": hexadecimal(CAROL), "value": "0x1", "gas": hex(21_000)}
    name = await node.call("eth_sendTransaction", transaction)
    receipt = await node.call("eth_getTransactionReceipt", name)
    assert receipt["status"] == "0x0"
    assert await node.call("eth_getBalance", hexadecimal(CAROL), "latest") == FULL
    asking = {"data": "0x73" + CAROL.hex() + "315f5260205ff3"}
    assert await node.call("eth_call", asking, "latest") == FULL
    await node.call("anvil_impersonateAccount", hexadecimal(CAROL))
    paid = {"from": hexadecimal(CAROL), "to": hexadecimal(BOB), "value": "0x5"}
    name = await node.call("eth_sendTransaction", paid)
    assert (await node.call("eth_getTransactionReceipt", name))["status"] == "0x1"
    assert int(await node.call("eth_getBalance", hexadecimal(CAROL), "latest"), 16) < int(FULL, 16)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("anvil_setBalance", [hexadecimal(BOB), PAST_BALANCE]),
        ("anvil_addBalance", [hexadecimal(BOB), PAST_BALANCE]),
        ("anvil_setNonce", [hexadecimal(BOB), PAST_NONCE]),
        ("eth_call", [{"to": hexadecimal(BOB)}, "latest", {hexadecimal(BOB): {"balance": PAST_BALANCE}}]),
        ("eth_call", [{"to": hexadecimal(BOB)}, "latest", {hexadecimal(BOB): {"nonce": PAST_NONCE}}]),
    ],
)
async def test_b12_what_is_past_the_bound_is_refused(node: Node, method: str, params: list[object]) -> None:
    before = await node.call("eth_getBalance", hexadecimal(BOB), "latest")
    assert (await node.fails(method, *params)).code == -32602
    assert await node.call("eth_getBalance", hexadecimal(BOB), "latest") == before


async def test_b12_what_is_added_ends_at_the_bound(node: Node) -> None:
    await node.call("anvil_setBalance", hexadecimal(BOB), FULL)
    await node.call("anvil_addBalance", hexadecimal(BOB), "0x1")
    assert await node.call("eth_getBalance", hexadecimal(BOB), "latest") == FULL
