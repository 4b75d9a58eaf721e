"""Reads and runs the state tests of execution-spec-tests (filled JSON)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testing.memory_state import MemoryAccount, MemoryReader, diff_of
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.rules.fees import blob_base_fee
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.types import Transaction
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine, default_engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.frame import WasmMachine
from zevm.chain.vm.validation import validate_static
from zevm.storage import rlp, state_update
from zevm.storage.account import EMPTY_ROOT, StateDiff
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address
from zevm.storage.trie import by_hash

REJECTIONS = {
    "INSUFFICIENT_ACCOUNT_FUNDS": ("insufficient funds for gas * price + value",),
    "INTRINSIC_GAS_TOO_LOW": ("intrinsic gas too low", "insufficient gas for floor data gas cost"),
    "GAS_LIMIT_EXCEEDS_MAXIMUM": ("transaction gas limit too high",),
    "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH": ("blob 0 has invalid hash version", "blob 1 has invalid hash version"),
    "TYPE_3_TX_BLOB_COUNT_EXCEEDED": ("blob transaction has too many blobs",),
    "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": ("blob transaction has too many blobs",),
    "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS": ("max fee per blob gas less than block blob gas fee",),
    "INSUFFICIENT_MAX_FEE_PER_GAS": ("max fee per gas less than block base fee",),
    "INITCODE_SIZE_EXCEEDED": ("max initcode size exceeded",),
    "TYPE_4_TX_CONTRACT_CREATION": ("rlp: input string too short for common.Address",),
    "TYPE_3_TX_ZERO_BLOBS": ("blob transaction missing blob hashes",),
    "TYPE_3_TX_PRE_FORK": ("transaction type not supported",),
}
"""The fixtures' names of why a transaction is invalid -> how our text begins."""


@dataclass(frozen=True, slots=True)
class Case:
    """One (file, test, fork, index) of the fixtures. name: unique within its file."""

    name: str
    fork: Fork
    test: dict[str, Any]
    post: dict[str, Any]

    @property
    def rejected(self) -> bool:
        """Whether its transaction must be rejected."""
        return "expectException" in self.post


def load_cases(path: Path) -> Iterator[Case]:
    """Every case of a fixture file."""
    for name, test in json.loads(path.read_text()).items():
        for fork, posts in test["post"].items():
            for index, post in enumerate(posts):
                yield Case(f"{name.rsplit('::')[-1]}:{fork}:{index}", Fork[fork.upper()], test, post)


def state_before(case: Case) -> MemoryReader:
    """The state that a case's transaction meets."""
    return MemoryReader(_accounts(case.test["pre"]))


def run_case(
    case: Case,
    *,
    engine: Engine | None = None,
    wasm_machine: WasmMachine | None = None,
    reader: MemoryReader | None = None,
) -> str | None:
    """None when the outcome is the expected one, else what differs.

    engine: what the transaction runs on, None for the default. wasm_machine: the machine of WebAssembly contracts.
    reader: the case's own state, to observe its reads. A case that must be rejected passes only with the recorded
    reason.
    """
    state = BlockState(state_before(case) if reader is None else reader)
    expected = case.post.get("expectException")
    try:
        transaction = Transaction.decode(_bytes(case.post["txbytes"]))
        environment = _environment(case, wasm_machine, engine)
        checked = environment.rules if _is_valid(transaction, environment.rules) else None
        gas_available = _int(case.test["env"]["currentGasLimit"])
        outcome = Executor(environment, state).apply(transaction, gas_available, checked_rules=checked)
    except EngineDifferenceError as error:
        return str(error)
    except (TransactionError, rlp.RlpError) as error:
        if expected is None:
            return f"rejected: {error}"
        reasons = [text for name in expected.split("|") for text in REJECTIONS[name.split(".")[-1]]]
        return None if str(error).startswith(tuple(reasons)) else f"rejected with {error}, want {expected}"
    if expected is not None:
        return f"accepted, want {expected}"
    return _compare(case, state, [[log.address, list(log.topics), log.data] for log in outcome.logs])


def _is_valid(transaction: Transaction, rules: ForkRules) -> bool:
    """Whether a transaction would come out of the pool, which has checked it as such: blocks run it another way."""
    try:
        validate_static(transaction, rules)
    except TransactionError:
        return False
    return True


def _compare(case: Case, state: BlockState, logs: list[rlp.Item]) -> str | None:
    logs_hash = keccak256(rlp.encode(logs))
    if logs_hash != _bytes(case.post["logs"]):
        return f"{len(logs)} logs differ"
    nodes = state_update.for_every_owner(by_hash({}))
    before = state_update.prepare(nodes, EMPTY_ROOT, diff_of(_accounts(case.test["pre"])))
    after = state_update.prepare(nodes, before, state.diff())
    if after.root != _bytes(case.post["hash"]):
        return "state root differs: " + "; ".join(_differences(case, state.diff()))
    return None


def _differences(case: Case, diff: StateDiff) -> Iterator[str]:
    wanted = _accounts(case.post.get("state", {}))
    for address, change in diff.accounts.items():
        want = wanted.get(address)
        if want is None or change is None or (change.nonce, change.balance) != (want.nonce, want.balance):
            yield f"{address.hex()} is {change}, want {want}"
            continue
        for slot, value in diff.storage.get(address, {}).items():
            if value != want.storage.get(slot, 0):
                yield f"{address.hex()} slot {slot:#x} is {value:#x}, want {want.storage.get(slot, 0):#x}"


def _accounts(raw: dict[str, Any]) -> dict[Address, MemoryAccount]:
    return {
        Address(_bytes(address)): MemoryAccount(
            nonce=_int(entry["nonce"]),
            balance=_int(entry["balance"]),
            code=_bytes(entry["code"]),
            storage={_int(slot): _int(value) for slot, value in entry["storage"].items() if _int(value)},
        )
        for address, entry in raw.items()
    }


def _environment(case: Case, wasm_machine: WasmMachine | None, engine: Engine | None) -> BlockEnvironment:
    env, config = case.test["env"], case.test.get("config", {})
    schedule = config.get("blobSchedule", {}).get(case.fork.name.title())
    blob = None
    if schedule is not None:
        blob = BlobParameters(*(_int(schedule[key]) for key in ("target", "max", "baseFeeUpdateFraction")))
    elif case.fork >= Fork.CANCUN:
        blob = BlobParameters(3, 6, 3338477) if case.fork is Fork.CANCUN else BlobParameters(6, 9, 5007716)
    return BlockEnvironment(
        rules=ForkRules(case.fork, _int(config.get("chainid", "0x1")), blob),
        coinbase=Address(_bytes(env["currentCoinbase"])),
        number=_int(env["currentNumber"]),
        timestamp=_int(env["currentTimestamp"]),
        gas_limit=_int(env["currentGasLimit"]),
        block_hash=lambda number: keccak256(str(number).encode()),
        base_fee_per_gas=_int(env["currentBaseFee"]),
        prev_randao=_int(env["currentRandom"]).to_bytes(32, "big"),
        blob_base_fee=None if blob is None else blob_base_fee(_int(env["currentExcessBlobGas"]), blob),
        wasm_machine=wasm_machine,
        engine=engine or default_engine(),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _int(text: str) -> int:
    return int(text, 16)
