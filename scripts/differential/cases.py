"""Random blocks as plain data: accounts, a block's context, and transactions without nonces and signatures.

A case is a JSON object, so that it can be shrunk, written to a file and run again. Numbers are integers, bytes hex.
"""

from random import Random
from typing import Any

from chain.predeploys import SYSTEM_CONTRACTS
from scripts.differential.code import SLOTS, CodeWriter

Case = dict[str, Any]

KEYS = tuple(bytes(31) + bytes((index,)) for index in range(1, 6))
"""Private keys of the senders."""
CHAIN_ID = 31_337
GAS_LIMIT = 30_000_000
BASE_FEE_WEI = 7
FORKS = ("Prague", "Osaka")
ETHER = 10**18

CONTRACTS = tuple(bytes((0xC0 + index,)) * 20 for index in range(6))
EMPTY = bytes((0xEE,)) * 20
DEPOSIT_CONTRACT = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
COINBASES = (bytes((0xBB,)) * 20, CONTRACTS[0])


def new_case(seed: int, fork: str, senders: list[bytes]) -> Case:
    """The case of a seed. senders: addresses of KEYS."""
    random = Random(f"{seed}/{fork}")
    targets = [*CONTRACTS, *senders, EMPTY]
    writer = CodeWriter(random, targets)
    accounts: dict[str, Any] = {
        address.hex(): {"balance": 0, "nonce": 1, "code": code.hex(), "storage": {}}
        for _, address, code in SYSTEM_CONTRACTS
    }
    for address in CONTRACTS:
        accounts[address.hex()] = {
            "balance": random.choice((0, 1, 10**6, ETHER)),
            "nonce": random.choice((1, 1, 2, (1 << 64) - 2)) if random.random() < 0.2 else 1,
            "code": writer.write(random.randrange(1, 14)).hex(),
            "storage": {
                str(slot): random.choice((1, 2, writer.word() or 3)) for slot in range(SLOTS) if random.random() < 0.4
            },
        }
    for address in senders:
        delegated = random.random() < 0.2
        accounts[address.hex()] = {
            "balance": 100 * ETHER if random.random() < 0.95 else random.choice((10**15, 0)),
            "nonce": random.randrange(3),
            "code": (b"\xef\x01\x00" + random.choice(CONTRACTS)).hex() if delegated else "",
            "storage": {},
        }
    # neither side may begin with empty accounts (EIP-161)
    accounts = {key: account for key, account in accounts.items() if any(account.values())}
    return {
        "fork": fork,
        "seed": seed,
        "accounts": accounts,
        "coinbase": random.choice(COINBASES).hex(),
        "excessBlobGas": random.choice((0, 0, 10**7, 5 * 10**7)),
        "prevRandao": random.randbytes(32).hex(),
        "transactions": [_transaction(random, writer) for _ in range(random.randrange(1, 9))],
        "withdrawals": [
            {"address": random.choice(targets).hex(), "amount": random.choice((0, 1, 10**9))}
            for _ in range(random.randrange(3))
        ],
    }


def _transaction(random: Random, writer: CodeWriter) -> dict[str, Any]:
    kind = random.choices((0, 1, 2, 3, 4), (3, 2, 5, 2, 3))[0]
    creates = kind < 3 and random.random() < 0.25
    data = writer.write(random.randrange(1, 8)) if creates else random.randbytes(random.choice((0, 4, 36, 200)))
    tip = random.choice((0, 1, 3, 10**9))
    transaction: dict[str, Any] = {
        "type": kind,
        "sender": random.randrange(len(KEYS)),
        "to": None if creates else writer.target().hex(),
        "value": random.choice((1, 10**6, ETHER)) if random.random() < 0.3 else 0,
        "data": data.hex(),
        "gas": 0,
        "maxFee": random.choice((BASE_FEE_WEI, 50, 10**10)),
        "tip": tip,
        "accessList": [],
        "authorizations": [],
        "blobs": [],
        "maxBlobFee": 10**12 if random.random() < 0.95 else 1,
        "nonceOffset": random.choice((1, -1)) if random.random() < 0.03 else 0,
        # of typed transactions the specification does not ask for the chain's number
        "chainId": 5 if kind == 0 and random.random() < 0.05 else CHAIN_ID,
    }
    transaction["maxFee"] = max(transaction["maxFee"], tip) if random.random() < 0.97 else transaction["maxFee"]
    if kind > 0:
        transaction["accessList"] = [
            [writer.target().hex(), [random.randrange(SLOTS) for _ in range(random.randrange(3))]]
            for _ in range(random.randrange(3))
        ]
    if kind == 3:
        transaction["blobs"] = [
            bytes((1 if random.random() < 0.98 else 2,)).hex() + random.randbytes(31).hex()
            for _ in range(random.choice((0, 7)) if random.random() < 0.05 else random.choice((1, 1, 2, 6)))
        ]
    if kind == 4:
        transaction["authorizations"] = [_authorization(random) for _ in range(random.choice((1, 1, 2, 3)))]
        if random.random() < 0.03:
            transaction["authorizations"] = []
    transaction["gas"] = _gas(random, transaction)
    return transaction


def _gas(random: Random, transaction: dict[str, Any]) -> int:
    """A limit that mostly suffices to begin with, and now and then is about what beginning costs."""
    if random.random() < 0.04:
        return random.choice((0, 20_999, 21_000, 53_000))
    size = len(transaction["data"]) // 2
    begin = 21_000 + 40 * size + 25_000 * len(transaction["authorizations"]) + 8_000 * len(transaction["accessList"])
    begin += 32_000 if transaction["to"] is None else 0
    return begin + random.choice((0, 500, 5_000, 40_000, 200_000, 500_000, 3_000_000))


def _authorization(random: Random) -> dict[str, Any]:
    return {
        "key": random.randrange(len(KEYS)),
        "chainId": random.choice((0, CHAIN_ID, CHAIN_ID, 5)),
        "address": random.choice((*CONTRACTS, bytes(20), EMPTY)).hex(),
        "nonceOffset": random.choice((0, 0, 0, 1, 1, 2)),
        "broken": random.random() < 0.05,
    }
