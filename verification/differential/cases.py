"""Random blocks as plain data: accounts, a block's context, and transactions without nonces and signatures.

A case is a JSON object, so that it can be shrunk, written to a file and run again. Numbers are integers, bytes hex.
"""

from random import Random
from typing import Any

from verification.differential.code import SLOTS, CodeWriter, op, push
from verification.differential.inputs import precompile_call
from zevm.chain.rules.predeploys import CONSOLIDATION_REQUESTS_ADDRESS, SYSTEM_CONTRACTS, WITHDRAWAL_REQUESTS_ADDRESS
from zevm.chain.vm.calls import contract_address
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

Case = dict[str, Any]

KEYS = tuple(bytes(31) + bytes((index,)) for index in range(1, 13))
"""Private keys of the senders."""
CHAIN_ID = 31_337
NUMBER = 10
TIMESTAMP = 1_000_000
GAS_LIMIT = 30_000_000
TRANSACTION_GAS_LIMIT = 1 << 24
"""Of EIP-7825."""
DEEP_GAS_LIMIT = 10**12
"""So much that calls reach the depth of 1,024 although each keeps a 64th back."""
BASE_FEE_WEI = 7
FORKS = ("Prague", "Osaka")
SERIES_SENDERS = 3
"""Senders of a series of plain transactions."""
SERIES_GAS_LIMIT = 2_000_000
"""Most gas of one of them, so that a block has many."""
ETHER = 10**18

CONTRACTS = tuple(bytes((0xC0 + index,)) * 20 for index in range(6))
EMPTY = bytes((0xEE,)) * 20
DEPOSIT_CONTRACT = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
COINBASE = bytes((0xBB,)) * 20
_DEPOSIT_TOPIC = keccak256(b"DepositEvent(bytes,bytes,bytes,bytes,bytes)")
_DEPOSIT_OFFSETS, _DEPOSIT_SIZES = (160, 256, 320, 384, 512), (48, 32, 8, 96, 8)
_QUEUES = ((WITHDRAWAL_REQUESTS_ADDRESS, 3), (CONSOLIDATION_REQUESTS_ADDRESS, 4))
"""The contracts of EIP-7002 and EIP-7251, and how many slots a request has in their queues."""
_SIGNATURES = ("other", "highS", "zeroR", "parity", "largeS")
"""Ways in which an authorization's signature is wrong."""


def new_case(seed: int, fork: str, senders: list[bytes]) -> Case:
    """The case of a seed. senders: addresses of KEYS."""
    random = Random(f"{seed}/{fork}")
    if fork == "Prague" and seed % 50 == 7:
        return _deep_case(random, seed, fork, senders)
    is_series = seed % 5 == 3
    targets = [*CONTRACTS, *senders, EMPTY, DEPOSIT_CONTRACT]
    writer = CodeWriter(random, targets)
    accounts = _system_accounts(random)
    for address in CONTRACTS:
        writer.own = address
        accounts[address.hex()] = _contract(random, writer)
    for address in senders:
        sender = accounts[address.hex()] = _sender(random, writer)
        if is_series and address in senders[:SERIES_SENDERS]:
            sender["code"] = ""
        if random.random() < 0.1:
            accounts[contract_address(Address(address), sender["nonce"]).hex()] = _squatter(random)
    return {
        # neither side may begin with empty accounts (EIP-161)
        "accounts": {key: account for key, account in accounts.items() if any(account.values())},
        "coinbase": random.choice((COINBASE, COINBASE, CONTRACTS[0], EMPTY, senders[0], bytes(19) + b"\4")).hex(),
        "transactions": _series(random, writer)
        if is_series
        else [_transaction(random, writer) for _ in range(random.randrange(1, 9))],
        "withdrawals": [
            {"address": writer.target().hex(), "amount": random.choice((0, 1, 10**9))}
            for _ in range(random.randrange(3))
        ],
        **_context(random, seed, fork, GAS_LIMIT),
    }


def _context(random: Random, seed: int, fork: str, gas_limit: int) -> Case:
    return {
        "fork": fork,
        "seed": seed,
        "gasLimit": gas_limit,
        "excessBlobGas": random.choice((0, 0, 10**7, 5 * 10**7, 10**8)),
        "prevRandao": random.randbytes(32).hex(),
    }


def _contract(random: Random, writer: CodeWriter) -> dict[str, Any]:
    return {
        "balance": random.choice((0, 1, 10**6, ETHER)),
        "nonce": random.choice((1, 2, (1 << 64) - 2, (1 << 64) - 1)) if random.random() < 0.2 else 1,
        "code": writer.write(random.randrange(1, 14)).hex(),
        "storage": {
            str(slot): random.choice((1, 2, writer.word() or 3)) for slot in range(SLOTS) if random.random() < 0.4
        },
    }


def _sender(random: Random, writer: CodeWriter) -> dict[str, Any]:
    delegated = random.random() < 0.35
    balance = 100 * ETHER if random.random() < 0.95 else random.choice((10**15, 0))
    nonce = random.randrange(3) if random.random() < 0.98 else (1 << 64) - random.choice((1, 2))
    to = random.choice(CONTRACTS) if random.random() < 0.5 else writer.target()
    code = (b"\xef\x01\x00" + to).hex() if delegated else ""
    return {"balance": balance, "nonce": nonce, "code": code, "storage": {}}


def _squatter(random: Random) -> dict[str, Any]:
    """An account where a creation wants to go: one with a nonce, code or storage bars it (EIP-684, EIP-7610)."""
    account = {"balance": 0, "nonce": 0, "code": "", "storage": {}}
    return account | random.choice(({"balance": 5}, {"nonce": 1}, {"code": "00"}, {"balance": 1, "storage": {"1": 1}}))


def _system_accounts(random: Random) -> dict[str, Any]:
    """The system contracts, their queues now and then in use, and a deposit contract that logs at every call."""
    accounts: dict[str, Any] = {
        address.hex(): {"balance": 0, "nonce": 1, "code": code.hex(), "storage": {}}
        for _, address, code in SYSTEM_CONTRACTS
    }
    for address, width in _QUEUES:
        if random.random() < 0.25:
            head, length = random.randrange(3), random.randrange(20)
            # slots 0 to 3: the excess, the count of this block, the queue's head and tail
            numbers = [random.choice((0, 1, 50, (1 << 256) - 1)), random.choice((0, 0, 3)), head, head + length]
            numbers[2:] = numbers[2:] if length else [0, 0]
            storage = {slot: number for slot, number in enumerate(numbers) if number}
            for slot in range(4 + width * head, 4 + width * (head + length)):
                storage[slot] = random.getrandbits(160 if (slot - 4) % width == 0 else 256) or 1
            accounts[address.hex()]["storage"] = {str(slot): number for slot, number in storage.items()}
    accounts[DEPOSIT_CONTRACT.hex()] = {"balance": 0, "nonce": 1, "code": _deposit_code(random).hex(), "storage": {}}
    return accounts


def _deposit_code(random: Random) -> bytes:
    """Logs a deposit (EIP-6110), or something else. A malformed event would make the whole block invalid."""
    event = b"".join(offset.to_bytes(32, "big") for offset in _DEPOSIT_OFFSETS)
    for size in _DEPOSIT_SIZES:
        event += size.to_bytes(32, "big") + random.randbytes(size).ljust((size + 31) // 32 * 32, b"\0")
    topic = _DEPOSIT_TOPIC if random.random() < 0.8 else random.randbytes(32)
    code = push(len(event)) + push(len(event)) + op("CODESIZE", "SUB", "PUSH0", "CODECOPY")
    return code + push(int.from_bytes(topic, "big")) + push(len(event)) + op("PUSH0", "LOG1", "STOP") + event


def _deep_case(random: Random, seed: int, fork: str, senders: list[bytes]) -> Case:
    """One contract that calls or creates itself down to the greatest depth, in a block with enough gas for that."""
    name = random.choice(("CALL", "DELEGATECALL", "CALLCODE", "CREATE"))
    if name == "CREATE":
        code = op("CODESIZE", "PUSH0", "PUSH0", "CODECOPY", "CODESIZE", "PUSH0", "PUSH0", "CREATE")
    else:
        words = 5 if name in ("CALL", "CALLCODE") else 4
        code = op(*["PUSH0"] * words, "ADDRESS", "GAS", name)
    code += push(random.randrange(2)) + op("SLOAD", "ADD", "PUSH0", "SSTORE", "PUSH0", "PUSH0", "RETURN")
    accounts = _system_accounts(random)
    accounts[senders[0].hex()] = {"balance": 10**6 * ETHER, "nonce": 0, "code": "", "storage": {}}
    for address in CONTRACTS:
        accounts[address.hex()] = {"balance": 9, "nonce": 1, "code": code.hex(), "storage": {}}
    transaction = _bare_transaction(2, 0, CONTRACTS[0])
    return {
        "accounts": accounts,
        "coinbase": COINBASE.hex(),
        "transactions": [transaction | {"gas": DEEP_GAS_LIMIT}],
        "withdrawals": [],
        **_context(random, seed, fork, DEEP_GAS_LIMIT),
    }


def _bare_transaction(kind: int, sender: int, to: bytes | None) -> dict[str, Any]:
    return {
        "type": kind,
        "sender": sender,
        "to": None if to is None else to.hex(),
        "value": 0,
        "data": "",
        "gas": 0,
        "maxFee": 50,
        "tip": 1,
        "accessList": [],
        "authorizations": [],
        "blobs": [],
        "maxBlobFee": 10**12,
        "nonceOffset": 0,
        "chainId": CHAIN_ID,
        "highS": False,
    }


def _transaction(random: Random, writer: CodeWriter) -> dict[str, Any]:
    kind = random.choices((0, 1, 2, 3, 4), (3, 2, 5, 2, 4))[0]
    creates = kind < 3 and random.random() < 0.25
    to = random.choice(CONTRACTS) if random.random() < 0.6 else writer.target()
    # the other half of the keys signs authorizations, which raise their nonces
    sender = random.randrange(len(KEYS) // 2 if random.random() < 0.8 else len(KEYS))
    transaction = _bare_transaction(kind, sender, None if creates else to)
    tip = random.choice((0, 1, 3, 10**9))
    maximum = random.choice((BASE_FEE_WEI, 50, 10**10))
    transaction |= {
        "value": random.choice((1, 10**6, ETHER)) if random.random() < 0.3 else 0,
        "data": _creation_data(random, writer).hex() if creates else _data(random).hex(),
        "maxFee": max(maximum, tip) if random.random() < 0.97 else maximum,
        "tip": tip,
        "highS": random.random() < 0.01,
        "nonceOffset": random.choice((1, -1)) if random.random() < 0.03 else 0,
        # of typed transactions the specification does not ask for the chain's number
        "chainId": 5 if kind == 0 and random.random() < 0.05 else CHAIN_ID,
    }
    if kind > 0:
        transaction["accessList"] = [
            [writer.target().hex(), [random.randrange(SLOTS) for _ in range(random.randrange(3))]]
            for _ in range(random.randrange(3))
        ]
    if kind == 3:
        transaction["maxBlobFee"] = 10**12 if random.random() < 0.95 else 1
        transaction["blobs"] = _blobs(random)
    if kind == 4 and random.random() < 0.97:
        transaction["authorizations"] = [_authorization(random, writer) for _ in range(random.choice((1, 1, 2, 4)))]
    if not creates and random.random() < 0.06:
        number, data = precompile_call(random)
        transaction |= {"to": number.to_bytes(20, "big").hex(), "data": data.hex()}
    transaction["gas"] = _gas(random, transaction)
    return transaction


def _series(random: Random, writer: CodeWriter) -> list[dict[str, Any]]:
    """Transactions that mostly have no lists and create nothing: the core runs such ones in one call."""
    return [
        _plain_transaction(random, writer) if random.random() < 0.95 else _transaction(random, writer)
        for _ in range(random.randrange(10, 50))
    ]


def _plain_transaction(random: Random, writer: CodeWriter) -> dict[str, Any]:
    transaction = _transaction(random, writer)
    while transaction["type"] not in (0, 2) or transaction["to"] is None:
        transaction = _transaction(random, writer)
    return transaction | {
        "sender": random.randrange(SERIES_SENDERS),
        "accessList": [],
        "gas": min(transaction["gas"], SERIES_GAS_LIMIT),
    }


def _data(random: Random) -> bytes:
    """Call data; a long one costs its floor (EIP-7623)."""
    size = random.choice((0, 4, 36, 200, 3_000))
    return random.randbytes(size) if random.random() < 0.7 else bytes(size)


def _creation_data(random: Random, writer: CodeWriter) -> bytes:
    kind = random.random()
    if kind < 0.6:
        return writer.initcode()
    if kind < 0.65:
        return bytes(random.choice((0, 49_152, 49_153)))
    return writer.write(random.randrange(1, 8))


def _blobs(random: Random) -> list[str]:
    """Versioned hashes: mostly as many as may be; at times too many, none, or of another version."""
    count = random.choice((0, 7, 9, 10)) if random.random() < 0.1 else random.choice((1, 1, 2, 6))
    return [bytes((1 if random.random() < 0.98 else 2,)).hex() + random.randbytes(31).hex() for _ in range(count)]


def _gas(random: Random, transaction: dict[str, Any]) -> int:
    """A limit that mostly suffices to begin with, and now and then is about what beginning costs."""
    kind = random.random()
    if kind < 0.02:
        return random.choice((0, 20_999, 21_000, 53_000))
    data = bytes.fromhex(transaction["data"])
    tokens = len(data) + 3 * (len(data) - data.count(0))
    floor = 21_000 + 10 * tokens
    if kind < 0.03:
        return max(0, floor + random.choice((-1, 0, 1)))
    if kind < 0.06:
        return random.choice((TRANSACTION_GAS_LIMIT, TRANSACTION_GAS_LIMIT + 1, GAS_LIMIT))
    begin = 21_000 + 4 * tokens + 25_000 * len(transaction["authorizations"])
    begin += sum(2_400 + 1_900 * len(slots) for _, slots in transaction["accessList"])
    if transaction["to"] is None:
        begin += 32_000 + 2 * ((len(data) + 31) // 32)
    if kind < 0.08:
        return max(0, begin + random.choice((-1, 0, 1)))
    spare = random.choice((0, 5_000, 40_000, 200_000, 500_000, 1_000_000, 3_000_000, 6_000_000))
    return max(begin, floor) + spare


def _authorization(random: Random, writer: CodeWriter) -> dict[str, Any]:
    """Delegates to a contract, an account that may be delegated itself, a precompile, or ends a delegation."""
    return {
        "key": random.randrange(len(KEYS) // 2, len(KEYS)),
        "chainId": random.choice((0, CHAIN_ID, CHAIN_ID, CHAIN_ID, 5)),
        "address": (bytes(20) if random.random() < 0.15 else writer.target()).hex(),
        "nonceOffset": random.choice((0, 0, 0, 0, 1, 2)) if random.random() < 0.97 else MAX_NONCE_OFFSET,
        "signature": "good" if random.random() < 0.9 else random.choice(_SIGNATURES),
    }


MAX_NONCE_OFFSET = 1 << 64
"""More than any nonce: the greatest one is signed then."""
