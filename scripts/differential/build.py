"""From a case to what either side runs: signed transactions, the node's block, and the oracle's JSON."""

from functools import cache
from typing import Any, NamedTuple

from coincurve import PrivateKey

from chain import fees
from chain.builder import BlockExecution
from chain.errors import TransactionError
from chain.forks import Fork
from chain.schedule import ForkSchedule
from chain.types import AccessListEntry, Authorization, Header, Transaction, TransactionType, Withdrawal
from chain.types.transaction import SET_CODE_MAGIC
from chain.vm.interface import BlockEnvironment
from chain.zvm.machine import ZvmMachine
from scripts.differential.cases import BASE_FEE_WEI, CHAIN_ID, GAS_LIMIT, KEYS, Case
from storage import rlp
from storage.account import EMPTY_ROOT, AccountChange, StateDiff
from storage.database import Database
from storage.keccak import EMPTY_KECCAK, keccak256

NUMBER = 10
TIMESTAMP = 1_000_000
_FORKS = {"Prague": Fork.PRAGUE, "Osaka": Fork.OSAKA}
_BEACON_ROOT = bytes((0xBE,)) * 32
_HEADER = Header(
    parent_hash=bytes(32),
    coinbase=bytes(20),
    difficulty=0,
    number=NUMBER,
    gas_limit=GAS_LIMIT,
    timestamp=TIMESTAMP,
)
"""What `seal` completes; none of it is compared."""


class Result(NamedTuple):
    """What is compared. rejected: indices of transactions that were refused.

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


def _sign(digest: bytes, key: bytes) -> tuple[int, int, int]:
    signature = PrivateKey(key).sign_recoverable(digest, hasher=None)
    return signature[64], int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")


def transactions_of(case: Case) -> list[Transaction]:
    """The signed transactions; nonces follow one another for each sender, but for the offsets."""
    nonces = [case["accounts"].get(address_of(key).hex(), {"nonce": 0})["nonce"] for key in KEYS]
    return [_transaction(fields, nonces) for fields in case["transactions"]]


def _transaction(fields: dict[str, Any], nonces: list[int]) -> Transaction:
    sender, kind = fields["sender"], TransactionType(fields["type"])
    nonce = max(0, nonces[sender] + fields["nonceOffset"])
    if not fields["nonceOffset"]:
        nonces[sender] += 1
    access_list = tuple(
        AccessListEntry(bytes.fromhex(address), tuple(slot.to_bytes(32, "big") for slot in slots))
        for address, slots in fields["accessList"]
    )
    unsigned = Transaction(
        type=kind,
        chain_id=fields["chainId"],
        nonce=nonce,
        max_priority_fee_per_gas=fields["tip"] if kind >= TransactionType.DYNAMIC_FEE else fields["maxFee"],
        max_fee_per_gas=fields["maxFee"],
        gas_limit=fields["gas"],
        to=None if fields["to"] is None else bytes.fromhex(fields["to"]),
        value=fields["value"],
        data=bytes.fromhex(fields["data"]),
        access_list=access_list,
        authorization_list=tuple(_authorization(item, nonces) for item in fields["authorizations"]),
        blob_versioned_hashes=tuple(bytes.fromhex(item) for item in fields["blobs"]),
        max_fee_per_blob_gas=fields["maxBlobFee"] if kind is TransactionType.BLOB else 0,
    )
    return unsigned.with_signature(*_sign(unsigned.signing_hash, KEYS[sender]))


def _authorization(fields: dict[str, Any], nonces: list[int]) -> Authorization:
    address, key = bytes.fromhex(fields["address"]), fields["key"]
    nonce = nonces[key] + fields["nonceOffset"]
    items: list[rlp.Item] = [rlp.encode_int(fields["chainId"]), address, rlp.encode_int(nonce)]
    y_parity, r, s = _sign(keccak256(SET_CODE_MAGIC + rlp.encode(items)), KEYS[key])
    return Authorization(fields["chainId"], address, nonce, y_parity, r, 5 if fields["broken"] else s)


def _state_diff(case: Case) -> StateDiff:
    diff = StateDiff()
    for key, account in case["accounts"].items():
        address, code = bytes.fromhex(key), bytes.fromhex(account["code"])
        code_hash = keccak256(code) if code else EMPTY_KECCAK
        diff.accounts[address] = AccountChange(account["nonce"], account["balance"], code_hash)
        if code:
            diff.code[code_hash] = code
        if account["storage"]:
            diff.storage[address] = {int(slot): value for slot, value in account["storage"].items()}
    return diff


def run_here(case: Case, transactions: list[Transaction], *, zvm: bool = False) -> Result:
    """Execute the case with the node's code."""
    schedule = ForkSchedule.default(CHAIN_ID, _FORKS[case["fork"]])
    rules = schedule.rules(NUMBER, TIMESTAMP)
    assert rules.blob is not None
    environment = BlockEnvironment(
        rules=rules,
        coinbase=bytes.fromhex(case["coinbase"]),
        number=NUMBER,
        timestamp=TIMESTAMP,
        gas_limit=GAS_LIMIT,
        block_hash=lambda number: block_hash(number) if 0 <= number < NUMBER else b"",
        base_fee_per_gas=BASE_FEE_WEI,
        prev_randao=bytes.fromhex(case["prevRandao"]),
        blob_base_fee=fees.blob_base_fee(case["excessBlobGas"], rules.blob),
        parent_beacon_block_root=_BEACON_ROOT,
        foreign=ZvmMachine("zvm") if zvm else None,
    )
    with Database.open(None) as database:
        states = database.state
        before = states.prepare(EMPTY_ROOT, _state_diff(case))
        execution = BlockExecution(environment, states.reader_over(before), before)
        rejected = []
        for index, transaction in enumerate(transactions):
            try:
                execution.add(transaction, states)
            except TransactionError:
                rejected.append(index)
        header = execution.seal(_HEADER, states, withdrawals=_withdrawals(case)).block.header
    assert header.requests_hash is not None
    return Result(
        header.state_root.hex(),
        header.receipts_root.hex(),
        header.logs_bloom.hex(),
        header.gas_used,
        header.requests_hash.hex(),
        tuple(rejected),
    )


def _withdrawals(case: Case) -> tuple[Withdrawal, ...]:
    return tuple(
        Withdrawal(index, index, bytes.fromhex(item["address"]), item["amount"])
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
        "currentGasLimit": hex(GAS_LIMIT),
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
