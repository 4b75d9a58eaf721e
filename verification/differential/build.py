"""From a case to what either side runs: signed transactions, the node's block, and the oracle's JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

from coincurve import PrivateKey

from verification.differential.cases import BASE_FEE_WEI, CHAIN_ID, KEYS, NUMBER, TIMESTAMP, Case
from zevm.chain.blocks.execution import AT_ONCE, BlockExecution
from zevm.chain.errors import TransactionError
from zevm.chain.rules import fees
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import (
    AccessListEntry,
    Authorization,
    Block,
    Header,
    Log,
    Receipt,
    Transaction,
    TransactionType,
    Withdrawal,
)
from zevm.chain.types.signatures import SECP256K1_ORDER
from zevm.chain.types.transaction import SET_CODE_MAGIC
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.tracer import Tracer
from zevm.chain.vm.validation import validate_static
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage import rlp
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.database import Database
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import ZERO_ADDRESS, ZERO_HASH, Address, Hash32, Wei

_FORKS = {"Prague": Fork.PRAGUE, "Osaka": Fork.OSAKA}
MAX_NONCE = (1 << 64) - 1
_BEACON_ROOT = bytes((0xBE,)) * 32
_HEADER = Header(
    parent_hash=ZERO_HASH,
    coinbase=ZERO_ADDRESS,
    difficulty=0,
    number=NUMBER,
    timestamp=TIMESTAMP,
)
"""The fields that `seal` completes; they are not compared."""


class Result(NamedTuple):
    """The compared outcome. rejected: indices of transactions that were refused.

    Blob gas shows in the senders' balances; the oracle does not tell it apart.
    """

    state_root: str
    receipts_root: str
    logs_bloom: str
    gas_used: int
    requests_hash: str
    rejected: tuple[int, ...]


@cache
def address_of(key: bytes) -> bytes:
    """The address of a private key."""
    return keccak256(PrivateKey(key).public_key.format(compressed=False)[1:])[12:]


def block_hash(number: int) -> bytes:
    """The hash of an earlier block, made up the same on both sides."""
    return keccak256(b"block %d" % number)


def sign(digest: bytes, key: bytes) -> tuple[int, int, int]:
    """The parity, r and s of a signature."""
    signature = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")


def transactions_of(case: Case) -> list[Transaction]:
    """The signed transactions; nonces follow one another for each sender, but for the offsets.

    A transaction that no block would take uses up no nonce, so that those after it are not refused for theirs.
    """
    nonces = [case["accounts"].get(address_of(key).hex(), {"nonce": 0})["nonce"] for key in KEYS]
    transactions = []
    for fields in case["transactions"]:
        before = nonces.copy()
        transactions.append(_transaction(fields, nonces))
        try:
            validate_static(transactions[-1], _rules(case))
        except TransactionError:
            nonces = before
    return transactions


def _rules(case: Case) -> ForkRules:
    return ForkSchedule.default(CHAIN_ID, _FORKS[case["fork"]]).rules(NUMBER, TIMESTAMP)


def _transaction(fields: dict[str, Any], nonces: list[int]) -> Transaction:
    sender, kind = fields["sender"], TransactionType(fields["type"])
    nonce = min(max(0, nonces[sender] + fields["nonceOffset"]), MAX_NONCE)
    if not fields["nonceOffset"]:
        nonces[sender] += 1
    access_list = tuple(
        AccessListEntry(Address(bytes.fromhex(address)), tuple(slot.to_bytes(32, "big") for slot in slots))
        for address, slots in fields["accessList"]
    )
    unsigned = Transaction(
        type=kind,
        chain_id=fields["chainId"],
        nonce=nonce,
        max_priority_fee_per_gas=fields["tip"] if kind >= TransactionType.DYNAMIC_FEE else fields["maxFee"],
        max_fee_per_gas=fields["maxFee"],
        gas_limit=fields["gas"],
        to=None if fields["to"] is None else Address(bytes.fromhex(fields["to"])),
        value=fields["value"],
        data=bytes.fromhex(fields["data"]),
        access_list=access_list,
        authorization_list=tuple(_authorization(item, nonces) for item in fields["authorizations"]),
        blob_versioned_hashes=tuple(bytes.fromhex(item) for item in fields["blobs"]),
        max_fee_per_blob_gas=fields["maxBlobFee"] if kind is TransactionType.BLOB else 0,
    )
    y_parity, r, s = sign(unsigned.signing_hash, KEYS[sender])
    if fields["highS"]:
        y_parity, s = 1 - y_parity, SECP256K1_ORDER - s
    return unsigned.with_signature(y_parity, r, s)


def _authorization(fields: dict[str, Any], nonces: list[int]) -> Authorization:
    address, key = Address(bytes.fromhex(fields["address"])), fields["key"]
    nonce = min(nonces[key] + fields["nonceOffset"], MAX_NONCE)
    if fields["signature"] == "good" and fields["chainId"] in (0, CHAIN_ID) and not fields["nonceOffset"]:
        nonces[key] += 1
    items: list[rlp.Item] = [rlp.encode_int(fields["chainId"]), address, rlp.encode_int(nonce)]
    y_parity, r, s = sign(keccak256(SET_CODE_MAGIC + rlp.encode(items)), KEYS[key])
    r, s, y_parity = {
        "good": (r, s, y_parity),
        "other": (r, 5, y_parity),
        "highS": (r, SECP256K1_ORDER - s, 1 - y_parity),
        "zeroR": (0, s, y_parity),
        "parity": (r, s, y_parity + 2),
        "largeS": (r, (1 << 256) - 1, y_parity),
    }[fields["signature"]]
    return Authorization(fields["chainId"], address, nonce, y_parity, r, s)


def _state_diff(case: Case) -> StateDiff:
    diff = StateDiff()
    for key, account in case["accounts"].items():
        address, code = Address(bytes.fromhex(key)), bytes.fromhex(account["code"])
        code_hash = keccak256(code) if code else EMPTY_KECCAK
        diff.accounts[address] = AccountChange(account["nonce"], Wei(account["balance"]), code_hash)
        if code:
            diff.code[code_hash] = code
        if account["storage"]:
            diff.storage[address] = {int(slot): value for slot, value in account["storage"].items()}
    return diff


def run_here(case: Case, transactions: list[Transaction], *, zvm: bool = False, engine: Engine | None = None) -> Result:
    """Execute the case with the node's code. engine: None for the default."""
    execution = execute_here(case, transactions, zvm=zvm, engine=engine)
    header = execution.block.header
    assert header.requests_hash is not None
    return Result(
        header.state_root.hex(),
        header.receipts_root.hex(),
        header.logs_bloom.hex(),
        header.gas_used,
        header.requests_hash.hex(),
        tuple(execution.refusals),
    )


class Execution(NamedTuple):
    """A case that was executed here.

    outcomes: of the accepted transactions, where a tracer watched them. refusals: why, by the transaction's index.
    """

    block: Block
    receipts: tuple[Receipt, ...]
    outcomes: list[Outcome]
    refusals: dict[int, str]
    requests: list[bytes]


def execute_here(
    case: Case,
    transactions: list[Transaction],
    *,
    zvm: bool = False,
    tracer: Tracer | None = None,
    engine: Engine | None = None,
) -> Execution:
    """Execute the case with the node's code, watched by a tracer or not. engine: None for the default.

    Without a tracer, plain transactions run together, as in an import.
    """
    environment = _environment(case, zvm=zvm)
    if engine is not None:
        environment = replace(environment, engine=engine)
    with Database.open(None) as database:
        states = database.state
        before = states.prepare(EMPTY_ROOT, _state_diff(case))
        execution = _WatchedExecution(environment, states, states.reader_over(before))
        execution.watch(tracer)
        outcomes: list[Outcome] = []
        refusals: dict[int, str] = {}
        index = 0
        while index < len(transactions):
            done = 0 if tracer is not None else execution.add_plain_ones(transactions[index : index + AT_ONCE])
            if not done:
                try:
                    outcomes.append(execution.add(transactions[index]))
                except TransactionError as error:
                    refusals[index] = error.message
            index += done or 1
        sealed = execution.seal(_HEADER, withdrawals=_withdrawals(case))
    watched = [] if tracer is None else outcomes
    return Execution(sealed.block, sealed.record.receipts, watched, refusals, execution.requests)


class _WatchedExecution(BlockExecution):
    """A block's execution whose transactions are traced and whose requests are kept."""

    def watch(self, tracer: Tracer | None) -> None:
        executor = self._executor
        self.requests: list[bytes] = []
        if tracer is not None:
            executor.apply = partial(executor.apply, tracer=tracer)  # type: ignore[method-assign]
        end_block = executor.end_block

        def keep_requests(receipts_logs: Iterable[Sequence[Log]]) -> list[bytes] | None:
            self.requests = end_block(receipts_logs) or []
            return self.requests

        executor.end_block = keep_requests  # type: ignore[method-assign]

    def add_plain_ones(self, transactions: Sequence[Transaction]) -> int:
        """Execute the first transactions in one call, as far as they are plain; how many they were."""
        return self.add_plain(transactions, (None,) * len(transactions)) if self.runs_plain else 0


def _environment(case: Case, *, zvm: bool) -> BlockEnvironment:
    rules = _rules(case)
    assert rules.blob is not None
    return BlockEnvironment(
        rules=rules,
        coinbase=Address(bytes.fromhex(case["coinbase"])),
        number=NUMBER,
        timestamp=TIMESTAMP,
        gas_limit=case["gasLimit"],
        block_hash=lambda number: Hash32(block_hash(number) if 0 <= number < NUMBER else b""),
        base_fee_per_gas=BASE_FEE_WEI,
        prev_randao=bytes.fromhex(case["prevRandao"]),
        blob_base_fee=fees.blob_base_fee(case["excessBlobGas"], rules.blob),
        parent_beacon_block_root=_BEACON_ROOT,
        wasm_machine=_machine() if zvm else None,
    )


@cache
def _machine() -> ZvmMachine:
    return ZvmMachine("zvm")


def _withdrawals(case: Case) -> tuple[Withdrawal, ...]:
    return tuple(
        Withdrawal(index, index, Address(bytes.fromhex(item["address"])), item["amount"])
        for index, item in enumerate(case["withdrawals"])
    )


def for_oracle(case: Case, transactions: list[Transaction]) -> dict[str, Any]:
    """The oracle's input."""
    alloc = {
        f"0x{address}": {
            "balance": hex(account["balance"]),
            "nonce": hex(account["nonce"]),
            "code": f"0x{account['code']}",
            "storage": {hex(int(slot)): hex(value) for slot, value in account["storage"].items()},
        }
        for address, account in case["accounts"].items()
    }
    env = {
        "currentCoinbase": f"0x{case['coinbase']}",
        "currentGasLimit": hex(case["gasLimit"]),
        "currentNumber": hex(NUMBER),
        "currentTimestamp": hex(TIMESTAMP),
        "currentRandom": f"0x{case['prevRandao']}",
        "currentDifficulty": "0x0",
        "currentBaseFee": hex(BASE_FEE_WEI),
        "currentExcessBlobGas": hex(case["excessBlobGas"]),
        "parentBeaconBlockRoot": f"0x{_BEACON_ROOT.hex()}",
        "blockHashes": {str(number): f"0x{block_hash(number).hex()}" for number in range(NUMBER)},
        "withdrawals": [
            {
                "index": hex(index),
                "validatorIndex": hex(index),
                "address": f"0x{item['address']}",
                "amount": hex(item["amount"]),
            }
            for index, item in enumerate(case["withdrawals"])
        ],
    }
    body = rlp.wrap_list(b"".join([transaction.to_body_rlp() for transaction in transactions]))
    return {"fork": case["fork"], "chainId": CHAIN_ID, "alloc": alloc, "env": env, "txs": f"0x{body.hex()}"}


def result_of(answer: dict[str, Any]) -> Result:
    """The oracle's answer in the same form."""
    result = answer["result"]
    return Result(
        result["stateRoot"][2:],
        result["receiptsRoot"][2:],
        result["logsBloom"][2:],
        int(result["gasUsed"], 16),
        result["requestsHash"][2:],
        tuple(sorted(item["index"] for item in result["rejected"])),
    )
