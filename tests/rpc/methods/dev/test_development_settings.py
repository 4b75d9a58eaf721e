"""Every setting that a request writes is read: each has a probe here that sees it act."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from scripts.syntax import trees
from tests.rpc.methods.assembly import NOPE, REVERT_DATA
from tests.rpc.methods.memory_node import ALICE, BOB, CAROL, KEYS, Node, hexadecimal, start_node, stop_node
from zevm.chain.blocks.context import BlockSettings
from zevm.chain.options import ChainOptions
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.genesis import Genesis
from zevm.node.settings import NodeSettings
from zevm.rpc.limits import Limits
from zevm.rpc.registry import REGISTRY

GWEI = 10**9
ROOT = Path(__file__).resolve().parents[4]
ALICE_, BOB_, CAROL_ = map(hexadecimal, (ALICE, BOB, CAROL))
HASH = "0x" + "5a" * 32

Probe = Callable[[Node, str], Awaitable[None]]


async def head(node: Node) -> dict[str, Any]:
    """The newest block, after one more was made."""
    await node.call("evm_mine")
    block: dict[str, Any] = await node.call("eth_getBlockByNumber", "latest")
    return block


def header_field(name: str, value: str, *, lasts: bool) -> Probe:
    async def probe(node: Node, method: str) -> None:
        assert (await head(node))[name] != value
        await node.call(method, value)
        assert (await head(node))[name] == value
        assert ((await head(node))[name] == value) is lasts

    return probe


async def automine(node: Node, method: str) -> None:
    for enabled in (False, True):
        await node.call(method, enabled)
        sent = await node.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_})
        assert (await node.call("eth_getTransactionReceipt", sent) is not None) is enabled
        assert await node.call("anvil_getAutomine") is enabled


async def interval_mining(node: Node, method: str) -> None:
    await node.call(method, 3600)
    assert await node.call("anvil_getIntervalMining") == 3600
    await node.call(method, 0)
    assert await node.call("anvil_getIntervalMining") is None


async def account(node: Node, method: str) -> None:
    values = {"Balance": "0x5", "Nonce": "0x9", "Code": "0x6001", "StorageAt": "0x" + "00" * 31 + "07"}
    reads = {"Balance": "eth_getBalance", "Nonce": "eth_getTransactionCount", "Code": "eth_getCode"}
    name = next(name for name in values if method.endswith(name))
    slot = ("0x3",) if name == "StorageAt" else ()
    await node.call(method, CAROL_, *slot, values[name])
    assert await node.call(reads.get(name, "eth_getStorageAt"), CAROL_, *slot) == values[name]


async def chain_id(node: Node, method: str) -> None:
    await node.call(method, 99)
    assert await node.call("eth_chainId") == "0x63"
    receipt = await node.send(to=BOB_)
    assert (await node.call("eth_getTransactionByHash", receipt["transactionHash"]))["chainId"] == "0x63"


async def next_timestamp(node: Node, method: str) -> None:
    wanted = int((await head(node))["timestamp"], 16) + 5_000
    await node.call(method, wanted)
    assert abs(int((await head(node))["timestamp"], 16) - wanted) <= 2


async def timestamp_interval(node: Node, method: str) -> None:
    await node.call(method, 77)
    first, second = await head(node), await head(node)
    assert int(second["timestamp"], 16) - int(first["timestamp"], 16) == 77
    assert await node.call("anvil_removeBlockTimestampInterval") is True
    assert int((await head(node))["timestamp"], 16) - int(second["timestamp"], 16) != 77


async def logging(node: Node, method: str) -> None:
    class Log:
        enabled = True

        def called(self, *_arguments: object) -> None: ...

        def set_logging(self, enabled: bool) -> None:
            self.enabled = enabled

    node.services.call_log = log = Log()
    await node.call(method, False)
    assert log.enabled is False


async def throwing(node: Node, method: str) -> None:
    reverting = await node.place(bytes.fromhex("60006000fd"))
    request = {"from": ALICE_, "to": reverting, "gas": hex(100_000)}
    await node.call(method, True)
    assert (await node.fails("eth_sendTransaction", request)).data["data"] == "0x"
    await node.call(method, False)
    assert (await node.call("eth_sendTransaction", request)).startswith("0x")


async def minimum_price(node: Node, method: str) -> None:
    """Only where there is no base fee; this node has one."""
    assert (await node.fails(method, "0x1")).message.endswith("not supported when EIP-1559 is active")


PROBES: dict[str, Probe] = {
    "setCoinbase": header_field("miner", BOB_, lasts=True),
    "setNextBlockPrevRandao": header_field("mixHash", HASH, lasts=False),
    "setPrevRandao": header_field("mixHash", HASH, lasts=False),
    "setNextBlockBaseFeePerGas": header_field("baseFeePerGas", hex(77 * GWEI), lasts=False),
    "setBlockGasLimit": header_field("gasLimit", hex(12_345_678), lasts=True),
    "setMinGasPrice": minimum_price,
    "setChainId": chain_id,
    "setLoggingEnabled": logging,
    "setThrowOnTransactionFailures": throwing,
    "setAutomine": automine,
    "setIntervalMining": interval_mining,
    "setBalance": account,
    "setNonce": account,
    "setCode": account,
    "setStorageAt": account,
    "setAccountBalance": account,
    "setAccountNonce": account,
    "setAccountCode": account,
    "setAccountStorageAt": account,
    "setTime": next_timestamp,
    "setNextBlockTimestamp": next_timestamp,
    "setBlockTimestampInterval": timestamp_interval,
}
ELSEWHERE = {
    "setERC20Allowance", "setERC20Balance", "setErc20Balance", "setErc20MaxBalance", "setHead", "setMaxErc20Balance",
    "setRpcUrl",
}  # fmt: skip
"""What writes more than one value, or needs a fork; their own tests read it."""


def setters() -> list[str]:
    """Every method that sets something, aliases too."""
    return sorted(
        name for method in REGISTRY.public().methods() for name in (method.name, *method.aliases) if "_set" in name
    )


@pytest.mark.parametrize("method", setters())
async def test_r19_what_a_request_sets_is_read(node: Node, method: str) -> None:
    name = method.partition("_")[2]
    if name in ELSEWHERE:
        return
    await PROBES[name](node, method)


ACCEPTED = {"preserve_historical_states", "steps_tracing"}
"""Flags of Anvil's that have nothing to say here, and say so."""


def names_read(holders: set[str], *places: str) -> set[str]:
    """What expressions such as `options.name` read in these folders and files."""
    read: set[str] = set()
    for _, tree in trees(ROOT, places, rf"\b_*({'|'.join(holders)})_*\s*\."):
        for item in ast.walk(tree):
            if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Load):
                of = item.value.attr if isinstance(item.value, ast.Attribute) else getattr(item.value, "id", "")
                if of.strip("_") in holders:
                    read.add(item.attr)
    return read


@pytest.mark.slow
def test_r19_every_field_of_the_settings_is_read() -> None:
    """A setting that somebody can make and nobody looks at is a promise that is not kept."""
    options = names_read({"options"}, "chain", "rpc", "node") | names_read({"self"}, "chain/options.py")
    assert {item.name for item in fields(ChainOptions)} <= options
    assert {item.name for item in fields(BlockSettings)} <= names_read({"settings"}, "chain", "rpc")
    assert {*NodeSettings.model_fields} - ACCEPTED <= names_read({"settings", "self"}, "node")
    assert {item.name for item in fields(Limits)} <= names_read({"limits"}, "chain", "rpc", "node")


class TestMinimumGasPrice:
    """R19: hardhat_setMinGasPrice, before London, and --gas-price on any fork."""

    @pytest.fixture
    async def berlin(self) -> Any:
        genesis = Genesis.default(fork=Fork.BERLIN, accounts=[ALICE, BOB], timestamp=1_700_000_000)
        running = await start_node(genesis=genesis)
        yield running
        await stop_node(running)

    async def test_r19_a_lower_price_is_refused_under_automine(self, berlin: Node) -> None:
        await berlin.call("hardhat_setMinGasPrice", "0x64")
        error = await berlin.fails("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "gasPrice": "0xa"})
        assert error.message == "transaction gas price below minimum: gas fee cap 10, minimum needed 100"
        assert (await berlin.call("txpool_status"))["pending"] == "0x0"
        assert (await berlin.send(to=BOB_, gasPrice="0x64"))["status"] == "0x1"

    async def test_r19_it_waits_without_automine_until_the_price_is_enough(self, berlin: Node) -> None:
        await berlin.call("hardhat_setMinGasPrice", "0x64")
        await berlin.call("evm_setAutomine", False)
        waiting = await berlin.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "gasPrice": "0xa"})
        assert (await berlin.call("eth_getBlockByNumber", "pending"))["transactions"] == []
        await berlin.call("evm_mine")
        assert await berlin.call("eth_getTransactionReceipt", waiting) is None
        await berlin.call("evm_setAutomine", True)
        assert await berlin.call("eth_getTransactionReceipt", waiting) is None
        await berlin.call("anvil_setMinGasPrice", "0xa")
        assert (await berlin.call("eth_getTransactionReceipt", waiting))["status"] == "0x1"

    async def test_r19_suggestions_follow(self, berlin: Node) -> None:
        await berlin.call("hardhat_setMinGasPrice", hex(500 * GWEI))
        assert await berlin.call("eth_gasPrice") == hex(500 * GWEI)
        assert (await berlin.send(to=BOB_))["effectiveGasPrice"] == hex(500 * GWEI)

    async def test_r19_the_flag_holds_on_any_fork(self) -> None:
        node = await start_node(options=ChainOptions(minimum_gas_price=50 * GWEI))
        try:
            assert await node.call("eth_gasPrice") == hex(50 * GWEI)
            error = await node.fails("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "gasPrice": hex(49 * GWEI)})
            assert error.message.startswith("transaction gas price below minimum: gas fee cap 49000000000")
            assert (await node.send(to=BOB_))["status"] == "0x1"
            assert (await node.send(to=BOB_, type="0x0"))["status"] == "0x1"
        finally:
            await stop_node(node)


class TestR14:
    """Automine takes what can be mined, however it came to be so."""

    async def waiting(self, node: Node, count: int, gas: int = 21_000) -> list[str]:
        await node.call("evm_setAutomine", False)
        request = {"from": ALICE_, "to": BOB_, "gas": hex(gas)}
        return [await node.call("eth_sendTransaction", request) for _ in range(count)]

    async def mined(self, node: Node, hashes: list[str]) -> int:
        receipts = [await node.call("eth_getTransactionReceipt", item) for item in hashes]
        return sum(receipt is not None for receipt in receipts)

    async def test_r14_switched_on_it_takes_what_a_full_block_left(self, node: Node) -> None:
        await node.call("evm_setBlockGasLimit", hex(30 * 21_000))
        hashes = await self.waiting(node, 45)
        await node.call("evm_mine")
        assert await self.mined(node, hashes) == 30
        await node.call("evm_setAutomine", True)
        assert await self.mined(node, hashes) == 45
        assert await node.call("eth_blockNumber") == "0x2"

    async def test_r14_after_a_block_made_by_hand(self, node: Node) -> None:
        """Under automine a block may leave something only because it came while its fee cap was too low."""
        await node.call("evm_setAutomine", False)
        await node.call("anvil_setNextBlockBaseFeePerGas", hex(9 * GWEI))
        sent = await node.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "maxFeePerGas": hex(8 * GWEI)})
        await node.call("evm_setAutomine", True)
        assert await self.mined(node, [sent]) == 0
        await node.call("evm_mine")
        assert await self.mined(node, [sent]) == 1

    @pytest.mark.parametrize("change", ["nonce", "balance"])
    async def test_r14_a_patch_of_the_state_makes_it_ready(self, node: Node, change: str) -> None:
        if change == "nonce":
            sent = await node.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "nonce": "0x7"})
            assert await self.mined(node, [sent]) == 0
            await node.call("anvil_setNonce", ALICE_, "0x7")
        else:
            sent = await node.call("eth_sendTransaction", {"from": ALICE_, "to": BOB_, "nonce": "0x1", "value": "0x9"})
            await node.call("anvil_setBalance", ALICE_, "0x0")
            await node.call("anvil_setNonce", ALICE_, "0x1")
            assert await self.mined(node, [sent]) == 0
            await node.call("anvil_setBalance", ALICE_, hex(10**18))
        assert await self.mined(node, [sent]) == 1

    async def test_r14_at_a_start(self, node: Node) -> None:
        """What a node that mined by hand has left, one that mines at once takes."""
        hashes = await self.waiting(node, 3)
        node.chain.mining.set_automine(True)
        node.chain.take_up()
        assert await self.mined(node, hashes) == 3

    @pytest.mark.lengthy
    async def test_r14_a_long_rest_lets_other_writes_between(self, node: Node) -> None:
        hashes = await self.waiting(node, 120, gas=40_000)
        await node.call("evm_setBlockGasLimit", hex(42_000))  # one in a block, which leaves the base fee as it is
        chain = node.chain
        switched = chain.writer.submit(chain.set_automine, True)
        left = chain.writer.submit(lambda: chain.pool.executable_count)
        await node.call("anvil_setBalance", CAROL_, "0x1")
        await asyncio.wrap_future(switched)
        assert 0 < left.result() < 120
        assert await self.mined(node, hashes) == 120

    async def test_r14_without_automine_nothing_is_taken(self, node: Node) -> None:
        hashes = await self.waiting(node, 2)
        await node.call("anvil_setBalance", CAROL_, "0x1")
        await node.call("evm_setAutomine", False)
        await node.call("anvil_setCoinbase", CAROL_)
        assert await self.mined(node, hashes) == 0
        assert await node.call("eth_blockNumber") == "0x0"


class TestN3:
    """One dear transaction lifts nobody's price."""

    async def test_n3_the_suggested_tip_stays_at_one_gwei(self, node: Node) -> None:
        for _ in range(3):
            await node.send(to=BOB_, gasPrice=hex(100 * GWEI))
            assert await node.call("eth_maxPriorityFeePerGas") == hex(GWEI)
        await node.send(to=BOB_, maxFeePerGas=hex(900 * GWEI), maxPriorityFeePerGas=hex(800 * GWEI))
        assert await node.call("eth_maxPriorityFeePerGas") == hex(GWEI)
        filled = (await node.call("eth_fillTransaction", {"from": ALICE_, "to": BOB_}))["tx"]
        assert filled["maxPriorityFeePerGas"] == hex(GWEI)


class TestN5:
    """Sending as Hardhat's node does it."""

    @pytest.fixture
    async def throwing(self, node: Node) -> Node:
        await node.call("hardhat_setThrowOnTransactionFailures", True)
        return node

    @pytest.mark.parametrize(
        ("code", "message", "data"),
        [
            ("nope", "VM Exception while processing transaction: reverted with reason string 'nope'", None),
            ("60006000fd", "Transaction reverted without a reason string", "0x"),
            ("fe", "VM Exception while processing transaction: invalid opcode: INVALID", "0x"),
            (
                "63deadbeef60005260046 01cfd".replace(" ", ""),
                "VM Exception while processing transaction: "
                "reverted with an unrecognized custom error (return data: 0xdeadbeef)",
                "0xdeadbeef",
            ),
            (
                "634e487b71600052601160205260246 01cfd".replace(" ", ""),
                "VM Exception while processing transaction: reverted with panic code 0x11 "
                "(arithmetic underflow or overflow)",
                "0x4e487b71" + "00" * 31 + "11",
            ),
        ],
    )
    async def test_n5_a_failure_is_an_error_with_hardhats_data(
        self, throwing: Node, code: str, message: str, data: str | None
    ) -> None:
        contract = await throwing.place(NOPE if code == "nope" else bytes.fromhex(code))
        request = {"from": ALICE_, "to": contract, "gas": hex(100_000)}
        signed = throwing.signed(KEYS[1], to=bytes.fromhex(contract[2:]), gas_limit=100_000)
        for method, argument in (("eth_sendTransaction", request), ("eth_sendRawTransaction", signed)):
            param = argument if isinstance(argument, dict) else hexadecimal(argument.encoded)
            error = await throwing.fails(method, param)
            assert (error.code, error.message) == (-32003, message)
            assert error.data["message"] == message
            assert error.data["data"] == (hexadecimal(REVERT_DATA) if data is None else data)
            receipt = await throwing.call("eth_getTransactionReceipt", error.data["txHash"])
            assert receipt["status"] == "0x0"

    async def test_n5_every_way_of_sending(self, throwing: Node) -> None:
        contract = await throwing.place(bytes.fromhex("60006000fd"))
        request = {"from": ALICE_, "to": contract, "gas": hex(100_000)}
        signed = throwing.signed(KEYS[1], to=bytes.fromhex(contract[2:]), gas_limit=100_000)
        raw = hexadecimal(signed.encoded)
        for name in ("eth_sendTransaction", "eth_sendUnsignedTransaction", "personal_sendTransaction"):
            assert (await throwing.fails(name, request)).code == -32003
        assert (await throwing.fails("eth_sendTransactionSync", request)).code == -32003
        assert (await throwing.fails("eth_sendRawTransactionSync", raw)).code == -32003

    async def test_n5_what_succeeds_or_waits_has_its_hash(self, throwing: Node) -> None:
        assert (await throwing.send(to=BOB_))["status"] == "0x1"
        contract = await throwing.place(bytes.fromhex("60006000fd"))
        await throwing.call("evm_setAutomine", False)
        request = {"from": ALICE_, "to": contract, "gas": hex(100_000)}
        sent = await throwing.call("eth_sendTransaction", request)
        await throwing.call("evm_mine")
        assert (await throwing.call("eth_getTransactionReceipt", sent))["status"] == "0x0"

    async def test_n5_by_default_a_failure_has_its_hash(self, node: Node) -> None:
        contract = await node.place(bytes.fromhex("60006000fd"))
        assert (await node.send(to=contract, gas=hex(100_000)))["status"] == "0x0"
