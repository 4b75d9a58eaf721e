"""B6: whatever write of whatever command fails, memory equals the disk, the client hears of it, and a retry works.

Every command of the writer runs with a store that refuses one of its writes, each in turn: alone, or with all that
follow, as on a full disk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.chain.engine.engine_fixtures import EXTERNAL_CONSENSUS as EXTERNAL_CONSENSUS_OPTIONS
from tests.chain.engine.engine_fixtures import Consensus
from tests.rpc.methods.memory_node import (
    ALICE,
    BOB,
    CAROL,
    KEYS,
    CallError,
    Node,
    TestWallet,
    hexadecimal,
    signed_transfer,
)
from tests.rpc.methods.wasm_contracts import wasm_contract
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.engine.driver import Engine
from zevm.chain.events import Event, HeadChanged, TransactionAdded
from zevm.chain.options import ChainOptions
from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block
from zevm.chain.types.transaction import encode_network_form
from zevm.contracts.revert_reasons import Decoder
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.registry import REGISTRY, Cost
from zevm.rpc.server import Server, ServerOptions
from zevm.rpc.services import Services
from zevm.storage.database import Database
from zevm.storage.errors import StorageError
from zevm.storage.memory import MemoryStore
from zevm.storage.store import Batch

MANUAL = ChainOptions(mining=MiningMode(automine=False))
AUTOMINE = ChainOptions()
GENESIS = Genesis.default(accounts=[ALICE, BOB, CAROL], timestamp=1_700_000_000)
A, B, C = map(hexadecimal, (ALICE, BOB, CAROL))

Call = tuple[str, list[Any]]
Command = Callable[["Trial"], Awaitable[Any]]


class FailingStore(MemoryStore):
    """Refuses the write with number `fails_at` from now on, 0 being the next; with `full`, all later ones too."""

    def __init__(self, content: dict[bytes, bytes] | None = None) -> None:
        super().__init__()
        self.fails_at: int | None = None
        self.full = False
        self.count = 0
        if content:
            batch = Batch()
            for key, value in content.items():
                batch.put(key, value)
            super().write(batch)

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        if self.fails_at is not None and (self.count == self.fails_at or (self.full and self.count > self.fails_at)):
            self.count += 1
            raise StorageError("No space left on device")
        self.count += 1
        super().write(batch, sync=sync)

    def content(self) -> dict[bytes, bytes]:
        return dict(self.iterate(b"", b"\xff" * 64))


class Trial:
    """A node over a failing store, what it told its subscribers, and pictures of what it holds.

    sync: whether its writes are synced, and may share that.
    """

    def __init__(
        self,
        options: ChainOptions,
        store: FailingStore | None = None,
        *,
        sync: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.options = options
        self.store = store or FailingStore()
        database = Database(self.store, None, sync=sync)
        self.chain = Chain(database, GENESIS, options, Clock(lambda: 1_900_000_000))
        services = Services(
            chain=self.chain,
            wallet=TestWallet(),
            limits=limits or Limits(),
            client_version="zevm/test",
            instance_id=load_instance_id(database),
            decoder=Decoder(),
        )
        self.engine = services.engine
        self.node = Node(self.chain, services, Server(services, ServerOptions(port=0)))
        self.events: list[Event] = []
        self.chain.events.subscribe(self.events.append)
        self.results: list[Any] = []

    async def call(self, name: str, *params: Any) -> Any:
        return await self.node.call(name, *params)

    async def on_writer(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.wrap_future(self.chain.writer.submit(function, *arguments))

    def arm(self, index: int, *, full: bool) -> None:
        self.store.count, self.store.fails_at, self.store.full = 0, index, full

    def disarm(self) -> None:
        self.store.fails_at = None

    def memory(self) -> dict[str, Any]:
        """What lies in memory, with what the disk holds as well."""
        chain = self.chain
        return durable(chain, self.engine) | {
            "clock": chain.clock.state,
            "settings": chain.settings,
            "mining": chain.mining.mode,
            "impersonated": (set(chain.impersonated), chain.auto_impersonate),
            "snapshots": list(chain.snapshots.listing()),
            "chain id": (chain.chain_id, chain.spec.schedule.chain_id),
        }

    def restarted(self) -> dict[str, Any]:
        """What another process would find on the disk."""
        chain = Chain(Database(FailingStore(self.store.content()), None, sync=False), GENESIS, self.options)
        try:
            return durable(chain, chain.writer.run(Engine, chain) if self.options.external_consensus else None)
        finally:
            chain.close()

    def check_told(self) -> None:
        """Everything that subscribers were told of is there, or was said to be gone again."""
        known: set[bytes] = set()
        for event in self.events:
            if isinstance(event, HeadChanged):
                known.update(record.block.hash for record in event.added)
                known.difference_update(record.block.hash for record in event.removed)
            elif isinstance(event, TransactionAdded):
                name = event.transaction.hash
                kept = name in self.chain.pool.hashes() or self.chain.find_transaction(name) is not None
                assert kept, "a transaction was told of that is nowhere"
        assert all(self.chain.header_by_hash(block_hash) is not None for block_hash in known)

    def close(self) -> None:
        self.chain.close()


def durable(chain: Chain, engine: Engine | None) -> dict[str, Any]:
    head = chain.head
    return {
        "head": (head.number, head.header.hash, head.version, head.state.root),
        "pool": {name: encode_network_form(chain.pool.get(name)) for name in chain.pool.hashes()},
        "checkpoints": chain.canonical.checkpoints,
        "sides": set() if engine is None else set(engine._sides._numbers),
    }


def raw(nonce: int = 0, key: int = 0, **fields: Any) -> str:
    transaction = signed_transfer(31337, KEYS[key], nonce=nonce, **fields)
    return hexadecimal(encode_network_form(transaction))


def hash_of(nonce: int = 0, key: int = 0) -> str:
    return hexadecimal(signed_transfer(31337, KEYS[key], nonce=nonce).hash)


def calls(*items: Call) -> Command:
    async def run(trial: Trial) -> Any:
        result = None
        for name, params in items:
            result = await trial.call(name, *(trial.results[-1] if item is LAST else item for item in params))
            trial.results.append(result)
        return result

    return run


LAST = object()
"""Stands for the result of the call before."""

POOLED: tuple[Call, ...] = tuple(("eth_sendRawTransaction", [raw(nonce, key)]) for key in (0, 1) for nonce in range(3))
BLOCKS: tuple[Call, ...] = (*POOLED[:2], ("evm_mine", []), *POOLED[2:4], ("evm_mine", []), ("evm_mine", []), POOLED[4])
TOKEN = "0x" + "cc" * 20
# balanceOf and allowance: the slot keccak256(owner . 0) by mapping; here simply SLOAD(0) for any question
TOKEN_CODE = "0x5f545f5260205ff3"


def changed_everything() -> Command:
    """Use up every kind of state that a snapshot holds."""
    return calls(
        *BLOCKS,
        ("evm_setNextBlockTimestamp", [1_950_000_000]),
        ("evm_setBlockGasLimit", [20_000_000]),
        ("anvil_impersonateAccount", [C]),
        ("evm_snapshot", []),
        ("evm_mine", []),
        ("anvil_setBalance", [C, "0x5"]),
        ("anvil_setBlockTimestampInterval", [7]),
        ("anvil_stopImpersonatingAccount", [C]),
        ("anvil_dropAllTransactions", []),
        ("evm_setBlockGasLimit", [25_000_000]),
    )


def case(*setup: Call, call: Call, options: ChainOptions = MANUAL) -> tuple[ChainOptions, Command, Command]:
    return options, calls(*setup), calls(call)


async def loaded(trial: Trial) -> None:
    """A chain that came from a state file, with a block upon it and a patch."""
    await calls(*POOLED, ("anvil_mine", [2]))(trial)
    await trial.call("anvil_loadState", await trial.call("anvil_dumpState"))
    await calls(("anvil_mine", [1]), ("anvil_setBalance", [C, "0x9"]))(trial)


MODULE = hexadecimal(wasm_contract(""))
SEND = {"from": A, "to": B, "value": "0x1", "gas": "0x5208"}
CASES: dict[str, tuple[ChainOptions, Command, Command]] = {
    "eth_sendRawTransaction": case(call=("eth_sendRawTransaction", [raw()])),
    "eth_sendRawTransaction mined": case(call=("eth_sendRawTransaction", [raw()]), options=AUTOMINE),
    "eth_sendRawTransaction filling a gap": case(
        ("eth_sendRawTransaction", [raw(1)]), call=("eth_sendRawTransaction", [raw()]), options=AUTOMINE
    ),
    "eth_sendRawTransaction replacing": case(
        *POOLED, call=("eth_sendRawTransaction", [raw(1, max_fee_per_gas=10**11, max_priority_fee_per_gas=10**10)])
    ),
    "eth_sendRawTransactionConditional": case(call=("eth_sendRawTransactionConditional", [raw(), {}])),
    "eth_sendTransaction": case(call=("eth_sendTransaction", [SEND])),
    "eth_sendTransaction mined": case(call=("eth_sendTransaction", [SEND]), options=AUTOMINE),
    "eth_sendUnsignedTransaction": case(
        ("anvil_autoImpersonateAccount", [True]), call=("eth_sendUnsignedTransaction", [SEND | {"from": C}])
    ),
    "personal_sendTransaction": case(call=("personal_sendTransaction", [SEND, ""])),
    "eth_resend": case(
        ("eth_sendTransaction", [SEND | {"nonce": "0x0", "gasPrice": "0x3b9aca08"}]),
        call=("eth_resend", [SEND | {"nonce": "0x0", "gasPrice": "0x3b9aca08"}, "0x77359400", "0x5208"]),
    ),
    "zvm_deployContract": case(call=("zvm_deployContract", [{"from": A, "module": MODULE}]), options=AUTOMINE),
    "anvil_mine": case(*POOLED, call=("anvil_mine", ["0x3", "0x5"])),
    "evm_mine": case(*POOLED, call=("evm_mine", [1_950_000_000])),
    "evm_mine at a fixed time": case(
        *POOLED, ("evm_setNextBlockTimestamp", [1_940_000_000]), ("anvil_setNextBlockBaseFeePerGas", ["0x7"]),
        call=("evm_mine", []),
    ),
    "evm_mine_detailed": case(*POOLED, call=("evm_mine_detailed", [])),
    "evm_revert": (MANUAL, changed_everything(), calls(("evm_revert", ["0x0"]))),
    "anvil_reset": (MANUAL, changed_everything(), calls(("anvil_reset", []))),
    "anvil_rollback": (MANUAL, changed_everything(), calls(("anvil_rollback", [2]))),
    "debug_setHead": (MANUAL, changed_everything(), calls(("debug_setHead", ["0x1"]))),
    "anvil_reorg": (MANUAL, changed_everything(), calls(("anvil_reorg", [2, [[raw(1, 1), 0]]]))),
    "anvil_dropTransaction": case(*POOLED, call=("anvil_dropTransaction", [hash_of(1)])),
    "hardhat_dropTransaction": case(*POOLED, call=("hardhat_dropTransaction", [hash_of(1)])),
    "anvil_removePoolTransactions": case(*POOLED, call=("anvil_removePoolTransactions", [A])),
    "anvil_dropAllTransactions": case(*POOLED, call=("anvil_dropAllTransactions", [])),
    "anvil_setChainId": case(*POOLED, call=("anvil_setChainId", [5])),
    "anvil_setBalance": case(*POOLED, call=("anvil_setBalance", [C, "0x5"])),
    "anvil_addBalance": case(*POOLED, call=("anvil_addBalance", [A, "0x5"])),
    "anvil_setCode": case(call=("anvil_setCode", [C, "0x6000"])),
    "anvil_setNonce": case(*POOLED, call=("anvil_setNonce", [A, "0x2"])),
    "anvil_setStorageAt": case(call=("anvil_setStorageAt", [C, "0x0", "0x" + "01" * 32])),
    "anvil_loadState": (
        MANUAL,
        calls(("anvil_setBalance", [C, "0x9"]), ("anvil_dumpState", []), ("anvil_setBalance", [C, "0x1"])),
        lambda trial: trial.call("anvil_loadState", trial.results[1]),
    ),
    "anvil_loadState with blocks": (
        MANUAL,
        calls(*POOLED, ("anvil_mine", [2]), ("anvil_dumpState", []), ("anvil_mine", [3]), ("anvil_setNonce", [A, 9])),
        lambda trial: trial.call("anvil_loadState", next(item for item in trial.results if len(item or "") > 1_000)),
    ),
    "anvil_reset of a loaded chain": (MANUAL, loaded, calls(("anvil_reset", []))),
    "anvil_mine upon a loaded chain": (MANUAL, loaded, calls(("anvil_mine", [1]))),
    "evm_setBlockGasLimit": case(*POOLED, call=("evm_setBlockGasLimit", [20_000])),
}  # fmt: skip


async def engine_blocks(trial: Trial) -> None:
    """Two branches of one block each upon one trunk block; a transaction waits; nothing is the head yet."""
    consensus = Consensus(trial.chain, trial.engine)

    def prepare() -> tuple[Block, Block]:
        consensus.extend()
        trial.chain.send_transaction(signed_transfer(31337, KEYS[0]))
        return consensus.build(1), consensus.build(2)

    trial.results += await trial.on_writer(prepare)


async def engine_sides(trial: Trial) -> None:
    await engine_blocks(trial)
    first, second = trial.results[-2:]

    def prepare() -> None:
        consensus = Consensus(trial.chain, trial.engine)
        assert consensus.new_payload(first).latest_valid_hash == first.hash
        consensus.forkchoice(first.hash)
        assert consensus.new_payload(second).latest_valid_hash == second.hash

    await trial.on_writer(prepare)


def engine(command: Callable[[Consensus, Block, Block], Any]) -> Command:
    async def run(trial: Trial) -> Any:
        return await trial.on_writer(command, Consensus(trial.chain, trial.engine), *trial.results[-2:])

    return run


CASES |= {
    "engine_newPayload": (
        EXTERNAL_CONSENSUS_OPTIONS,
        engine_blocks,
        engine(lambda client, block, _: client.new_payload(block)),
    ),
    "engine_forkchoiceUpdated": (
        EXTERNAL_CONSENSUS_OPTIONS,
        engine_sides,
        engine(lambda client, first, second: client.forkchoice(second.hash, safe=first.header.parent_hash)),
    ),
    "engine_forkchoiceUpdated naming checkpoints": (
        EXTERNAL_CONSENSUS_OPTIONS,
        engine_sides,
        engine(lambda client, first, _: client.forkchoice(first.hash, finalized=first.header.parent_hash)),
    ),
    "engine_forkchoiceUpdated back": (
        EXTERNAL_CONSENSUS_OPTIONS,
        engine_sides,
        engine(lambda client, first, _: client.forkchoice(first.header.parent_hash)),
    ),
    "an imported block": (
        EXTERNAL_CONSENSUS_OPTIONS,
        engine_blocks,
        engine(lambda client, block, _: client.chain.import_block(block)),
    ),
}

WITHOUT_WRITES = {
    "anvil_autoImpersonateAccount", "anvil_dumpState", "anvil_impersonateAccount", "anvil_impersonateSignature",
    "anvil_removeBlockTimestampInterval", "anvil_setBlockTimestampInterval", "anvil_setCoinbase",
    "anvil_setLoggingEnabled", "anvil_setMinGasPrice", "anvil_setNextBlockBaseFeePerGas",
    "anvil_setNextBlockPrevRandao", "anvil_stopImpersonatingAccount", "evm_addAccount", "evm_increaseTime",
    "evm_removeAccount",
    "evm_setAutomine", "evm_setIntervalMining", "evm_setNextBlockTimestamp", "evm_setTime", "evm_snapshot",
    "hardhat_setThrowOnTransactionFailures", "testing_buildBlockV1",
}  # fmt: skip
"""Commands that change memory alone, or nothing."""

AS_OTHERS = {
    "anvil_dealERC20": "anvil_setStorageAt",
    "anvil_setERC20Allowance": "anvil_setStorageAt",
    "hardhat_mine": "anvil_mine",
    "tenderly_addErc20Balance": "anvil_setStorageAt",
    "tenderly_setErc20Balance": "anvil_setStorageAt",
    "tenderly_setMaxErc20Balance": "anvil_setStorageAt",
    "zns_register": "eth_sendTransaction",
}
"""Commands whose write is another's."""

PARTIAL = {"anvil_mine"}
"""Commands of several blocks, each of which is kept once it is made."""


def test_b6_every_command_of_the_writer_is_here() -> None:
    named = {name.partition(" ")[0] for name in CASES} | WITHOUT_WRITES | AS_OTHERS.keys()
    written = {method.name for method in REGISTRY.methods() if method.cost is Cost.WRITE}
    assert {name for name in written if not name.startswith("engine_")} - named == set()


async def clean_run(options: ChainOptions, setup: Command, command: Command) -> tuple[int, dict[str, Any], Any]:
    """How many writes a command makes, what it leaves, and what it answers."""
    trial = Trial(options)
    try:
        await setup(trial)
        trial.events.clear()
        trial.store.count = 0
        answer = await command(trial)
        count = trial.store.count
        trial.check_told()
        assert durable(trial.chain, trial.engine) == trial.restarted()
        return count, trial.memory(), answer
    finally:
        trial.close()


async def refused(command: Command, trial: Trial) -> bool:
    """Run a command; whether its client was told of the failed write, and of nothing else."""
    try:
        await command(trial)
    except (CallError, StorageError) as error:
        if "No space left" not in str(error):
            raise
        return True
    return False


async def failing_run(name: str, index: int, expected: dict[str, Any], *, full: bool) -> bool:
    """Run a command with its write `index` refused, then again; whether the client heard of it."""
    options, setup, command = CASES[name]
    trial = Trial(options)
    try:
        await setup(trial)
        before = trial.memory()
        trial.events.clear()
        trial.arm(index, full=full)
        failed = await refused(command, trial)
        trial.disarm()
        assert durable(trial.chain, trial.engine) == trial.restarted(), "memory is not what the disk holds"
        trial.check_told()
        if failed and name not in PARTIAL:
            assert trial.memory() == before, "a refused command changed something"
            await command(trial)
        if name not in PARTIAL:
            assert trial.memory() == expected
            assert durable(trial.chain, trial.engine) == trial.restarted()
        return failed
    finally:
        trial.close()


@pytest.mark.lengthy
@pytest.mark.parametrize("name", CASES)
async def test_b6_after_any_failed_write_memory_equals_the_disk_and_a_retry_works(name: str) -> None:
    count, expected, _ = await clean_run(*CASES[name])
    heard = []
    for index in range(count):
        for full in (False, True):
            heard.append(await failing_run(name, index, expected, full=full))
    assert count == 0 or any(heard), "no failure reached the client"
