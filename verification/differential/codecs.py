"""Compare codecs with the executable specification: RLP, tries, transactions of all types, headers of all forks.

    python -m verification.differential.codecs --seconds 600 --seed 1

Good encodings must give the same hashes, roots and senders; bytes altered in one place must be refused on both sides,
or read alike by both. Ends with 1 where something differs.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from verification.differential.build import sign
from verification.differential.cases import CHAIN_ID, KEYS
from verification.differential.specification import Specification
from zevm.chain.errors import TransactionError
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import AccessListEntry, Authorization, Header, Transaction, TransactionType
from zevm.chain.types.signatures import SECP256K1_ORDER
from zevm.chain.vm.validation import validate_static
from zevm.storage import rlp, trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, TrieKey

Answer = dict[str, Any]

HEADER_FIELDS = {
    "frontier": 15,
    "byzantium": 15,
    "berlin": 15,
    "london": 16,
    "paris": 16,
    "shanghai": 17,
    "cancun": 20,
    "prague": 21,
    "osaka": 21,
}
"""Fields that a header has, by the specification's name of the fork."""
_STRICTER = ("too long for uint", "only in a pooled transaction")
"""Known differences: like geth, refuse integers beyond 64 bits (a parity: 8) that the specification accepts."""


def _number(random: Random, bits: int) -> int:
    return random.choice((0, 1, 127, 128, (1 << bits) - 1, random.getrandbits(random.randrange(1, bits + 1))))


def random_item(random: Random, depth: int = 4) -> rlp.Item:
    """Bytes or nested lists, of sizes about the borders of the encoding."""
    if depth and random.random() < 0.5:
        return [random_item(random, depth - 1) for _ in range(random.choice((0, 1, 2, 5, 18)))]
    return random.randbytes(random.choice((0, 1, 1, 2, 54, 55, 56, 57, 255, 256)))


def mutate(random: Random, data: bytes) -> bytes:
    """A byte changed, left out or put in; mostly near the beginning, where sizes stand."""
    place = random.randrange(min(len(data), random.choice((4, 12, len(data)))))
    byte = random.choice((0x00, 0x01, 0x7F, 0x80, 0x81, 0xB7, 0xB8, 0xC0, 0xC1, 0xF8, 0xFF, random.randrange(256)))
    kind = random.randrange(4)
    if kind == 3:
        return data[: random.randrange(len(data))] if random.random() < 0.5 else data + bytes((byte,))
    return data[:place] + (b"" if kind == 1 else bytes((byte,))) + data[place + (kind != 2) :]


def misencode(random: Random, data: bytes) -> bytes:
    """The same items, one of them not in the one form that RLP allows, or with a leading zero. data: good RLP."""
    item = rlp.decode(data)
    strings = _count_strings(item)
    return _encode_with_fault(random, item, [random.randrange(strings)]) if strings else b"\xf8\x00"


def _count_strings(item: rlp.Item) -> int:
    return 1 if isinstance(item, bytes) else sum(map(_count_strings, item))


def _encode_with_fault(random: Random, item: rlp.Item, left: list[int]) -> bytes:
    """left: how many strings come before the wrong one."""
    if not isinstance(item, bytes):
        return rlp.wrap_list(b"".join([_encode_with_fault(random, part, left) for part in item]))
    left[0] -= 1
    if left[0] != -1:
        return rlp.encode_bytes(item)
    size = len(item)
    forms = [rlp.encode_bytes(b"\0" + item), b"\xb9" + size.to_bytes(2, "big") + item]
    if size < 56:
        forms.append(bytes((0x80 + size,)) + item if size == 1 else b"\xb8" + bytes((size,)) + item)
    return random.choice(forms)


def random_transaction(random: Random) -> Transaction:
    """Signed, of any type, its fields over their whole ranges."""
    kind = TransactionType(random.randrange(5))
    price = _number(random, 128)
    typed: dict[str, Any] = {}
    if kind >= TransactionType.ACCESS_LIST:
        typed["access_list"] = tuple(
            AccessListEntry(
                Address(random.randbytes(20)), tuple(random.randbytes(32) for _ in range(random.randrange(3)))
            )
            for _ in range(random.randrange(3))
        )
    if kind is TransactionType.BLOB:
        typed["blob_versioned_hashes"] = tuple(b"\1" + random.randbytes(31) for _ in range(random.randrange(1, 4)))
        typed["max_fee_per_blob_gas"] = _number(random, 256)
    if kind is TransactionType.SET_CODE:
        typed["authorization_list"] = tuple(_authorization(random) for _ in range(random.randrange(1, 4)))
    creates = kind < TransactionType.BLOB and random.random() < 0.3
    transaction = Transaction(
        type=kind,
        chain_id=None if kind is TransactionType.LEGACY and random.random() < 0.4 else CHAIN_ID,
        nonce=_number(random, 64),
        max_priority_fee_per_gas=_number(random, 128) if kind >= TransactionType.DYNAMIC_FEE else price,
        max_fee_per_gas=price,
        gas_limit=_number(random, 64),
        to=None if creates else Address(random.randbytes(20)),
        value=_number(random, 256),
        data=random.randbytes(random.choice((0, 1, 55, 56, 300))),
        **typed,
    )
    y_parity, r, s = sign(transaction.signing_hash, random.choice(KEYS))
    if random.random() < 0.1:
        y_parity, s = 1 - y_parity, SECP256K1_ORDER - s
    return transaction.with_signature(y_parity, r, s)


def _authorization(random: Random) -> Authorization:
    numbers = [_number(random, bits) for bits in (256, 64, 8, 256, 256)]
    return Authorization(numbers[0], Address(random.randbytes(20)), *numbers[1:])


def random_header(random: Random, fields: int) -> Header:
    """With this number of fields, from 15 on."""
    tail = (
        ("base_fee_per_gas", _number(random, 256)),
        ("withdrawals_root", random.randbytes(32)),
        ("blob_gas_used", _number(random, 64)),
        ("excess_blob_gas", _number(random, 64)),
        ("parent_beacon_block_root", random.randbytes(32)),
        ("requests_hash", random.randbytes(32)),
    )
    return Header(
        parent_hash=Hash32(random.randbytes(32)),
        uncles_hash=random.randbytes(32),
        coinbase=Address(random.randbytes(20)),
        state_root=Hash32(random.randbytes(32)),
        transactions_root=Hash32(random.randbytes(32)),
        receipts_root=Hash32(random.randbytes(32)),
        logs_bloom=random.randbytes(256),
        difficulty=_number(random, 80),
        number=_number(random, 64),
        gas_limit=_number(random, 64),
        gas_used=_number(random, 64),
        timestamp=_number(random, 64),
        extra_data=random.randbytes(random.choice((0, 1, 32))),
        mix_hash=random.randbytes(32),
        nonce=random.randbytes(8),
        **dict(tail[: fields - 15]),  # type: ignore[arg-type]
    )


def _nested(item: rlp.Item) -> Any:
    return item.hex() if isinstance(item, bytes) else [_nested(part) for part in item]


def _rlp_here(question: Answer) -> Answer:
    items = rlp.decode(bytes.fromhex(question["data"]))
    return {"items": _nested(items), "encoded": rlp.encode(items).hex()}


def _trie_here(question: Answer) -> Answer:
    """In two steps, the first of which puts in more than is left."""
    plain = {bytes.fromhex(key): bytes.fromhex(value) for key, value in question["entries"].items()}
    entries = {TrieKey(keccak256(key) if question["secured"] else key): value for key, value in plain.items()}
    fleeting = TrieKey(b"\x12\x34")
    first = {key: b"other" * (1 + key[0] % 9) for key in list(entries)[::2] if key} | {fleeting: b"gone"}
    before = trie.update(lambda _path, _hash: None, EMPTY_ROOT, first)
    after = trie.update(trie.by_hash(before.nodes), before.root, {fleeting: b""} | entries)
    return {"root": after.root.hex()}


def _transaction_here(question: Answer) -> Answer:
    transaction = Transaction.decode(bytes.fromhex(question["data"]))
    if transaction.sidecar is not None:
        raise rlp.RlpError("the sidecar is only in a pooled transaction")
    return {"hash": transaction.hash.hex(), "sender": _sender(transaction)}


def _sender(transaction: Transaction) -> str | None:
    """None where the signature would be refused; other rules do not count here."""
    # of typed transactions the specification does not ask for the chain's number
    chain_id = CHAIN_ID if transaction.type is TransactionType.LEGACY else transaction.chain_id or 0
    try:
        validate_static(transaction, ForkSchedule.default(chain_id, Fork.OSAKA).rules(1, 1))
    except TransactionError as error:
        if "invalid sender" in error.message or "invalid chain id" in error.message:
            return None
    return transaction.sender.hex()


def _header_here(question: Answer) -> Answer:
    header = Header.decode(bytes.fromhex(question["data"]))
    wanted = HEADER_FIELDS[question["fork"]]
    have = len(rlp.split_list(header.encode()))
    if have != wanted:
        raise rlp.RlpError(f"a header of {question['fork']} has {wanted} fields, not {have}")
    return {"hash": header.with_changes().hash.hex()}


_HERE: Mapping[str, Callable[[Answer], Answer]] = {
    "rlp": _rlp_here,
    "trie": _trie_here,
    "transaction": _transaction_here,
    "header": _header_here,
}


def new_question(seed: int) -> Answer:
    """The question of a seed."""
    random = Random(f"codec {seed}")
    codec = random.choice(tuple(_HERE))
    if codec == "trie":
        keys = [random.randbytes(random.choice((1, 2, 2, 3, 32))) for _ in range(random.choice((0, 1, 2, 20, 150)))]
        entries = {key.hex(): random.randbytes(random.choice((1, 5, 31, 32, 33, 200))).hex() for key in keys}
        return {"codec": codec, "entries": entries, "secured": random.random() < 0.3}
    fork = random.choice(tuple(HEADER_FIELDS))
    if codec == "header":
        header = random_header(random, HEADER_FIELDS[fork])
        wide = {"number": 1 << 64} if random.random() < 0.05 else {}
        data = header.with_changes(**wide).encode()
    else:
        data = rlp.encode(random_item(random)) if codec == "rlp" else random_transaction(random).encoded
    kind = random.random()
    if kind < 0.45:
        data = mutate(random, data)
    elif kind < 0.6:
        start = int(codec == "transaction" and data[0] < 0xC0)
        data = data[:start] + misencode(random, data[start:])
    return {"codec": codec, "data": data.hex(), "chainId": CHAIN_ID, "fork": fork}


def answer_here(question: Answer) -> Answer:
    """The result of this node's codecs. A refusal has its reason."""
    try:
        return _HERE[question["codec"]](question)
    except rlp.RlpError as error:
        return {"refused": str(error)}


def differs(question: Answer, there: Answer) -> bool:
    """Whether the specification's answer is another, apart from where the node is stricter for a reason."""
    here = answer_here(question)
    if "refused" in here:
        return "refused" not in there and not any(reason in here["refused"] for reason in _STRICTER)
    return here != there


def campaign(specification: Specification, seed: int, seconds: float, questions: int = sys.maxsize) -> int:
    """Ask until the time is over or the number of questions is reached; return the number of differing answers."""
    counts, stop, end = Counter[str](), seed + questions, time.monotonic() + seconds
    while seed < stop and time.monotonic() < end:
        question = new_question(seed)
        there = specification.ask(question)
        counts[f"{question['codec']} {'refused' if 'refused' in there else 'taken'}"] += 1
        if differs(question, there):
            counts["differences"] += 1
            print(f"seed {seed}: here {answer_here(question)}, there {there}, asked {question}", flush=True)
        seed += 1
    print(f"{dict(sorted(counts.items()))}, next seed {seed}")
    return counts["differences"]


def main() -> int:
    """1 where an answer differed."""
    parser = argparse.ArgumentParser(description="Compare codecs with the executable specification.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first question; later ones follow")
    arguments = parser.parse_args()
    with Specification() as specification:
        return int(campaign(specification, arguments.seed, arguments.seconds) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
