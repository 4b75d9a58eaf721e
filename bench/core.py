"""Measure the core against the functions in Python that it replaces, in turns.

    python -m bench.core [--rounds 15]

Each row: the median time of a call in Python and in the core, in microseconds, and the median of the rounds' ratios,
which is steadier than the times where the machine does other work as well.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import median

from sha3 import keccak_256

from zevm.chain.types import transaction
from zevm.chain.types.transaction import Transaction, TransactionType
from zevm.core import CORE, references
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.primitives import Address, TrieKey

Call = Callable[[], object]
ROUND_SECONDS = 0.02


def microseconds(call: Call, calls: int) -> float:
    """The time of one call, measured over a number of them."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def rows() -> Iterator[tuple[str, Call, Call]]:
    """Rows of the table: a name, the call in Python, the call of the core."""
    rng = Random(1)
    assert CORE.library is not None
    core = CORE.library
    for size in (32, 64, 532, 10_000):
        text = rng.randbytes(size)
        yield (
            f"keccak256 of {size} bytes",
            lambda text=text: keccak_256(text).digest(),  # type: ignore[misc]
            lambda text=text: core.keccak256(text),  # type: ignore[misc]
        )
    siblings = [rng.randbytes(532) for _ in range(64)]
    yield (
        "keccak256 of 64 branches",
        lambda: [keccak_256(text).digest() for text in siblings],
        lambda: core.keccak_many(siblings),
    )
    log = [b"a" * 20, [b"t" * 32] * 3, b"d" * 32]
    raw = core.rlp_encode(log)
    yield "rlp.encode of a log", lambda: references["rlp_encode"](log), lambda: core.rlp_encode(log)
    yield "rlp.decode of a log", lambda: references["rlp_decode"](raw), lambda: core.rlp_decode(raw)
    accounts = {TrieKey(rng.randbytes(32)): rng.randbytes(70) for _ in range(10_000)}
    held = trie.update(trie.by_hash({}), EMPTY_ROOT, accounts)
    nodes = trie.by_hash(held.nodes)
    for count in (1, 3, 200):
        changes = dict.fromkeys(list(accounts)[:count], b"changed" * 10)
        yield (
            f"trie.update of {count} of 10,000",
            lambda changes=changes: references["trie_update"](nodes, held.root, changes),  # type: ignore[misc]
            lambda changes=changes: core.trie_update(nodes, held.root, changes),  # type: ignore[misc]
        )
    key = next(iter(accounts))
    yield (
        "trie.get",
        lambda: references["trie_get"](nodes, held.root, key),
        lambda: core.trie_get(nodes, held.root, key),
    )
    for count in (1, 200):
        items = [rng.randbytes(110) for _ in range(count)]
        yield (
            f"ordered root of {count}",
            lambda items=items: references["ordered_root"](items),  # type: ignore[misc]
            lambda items=items: core.ordered_root(items),  # type: ignore[misc]
        )
    yield transaction_row(rng)


def transaction_row(rng: Random) -> tuple[str, Call, Call]:
    """A transfer, decoded with its two hashes."""
    encoded = Transaction(
        TransactionType.DYNAMIC_FEE, 31_337, 7, 10**9, 2 * 10**9, 21_000, Address(rng.randbytes(20)), 10**18,
        y_parity=1, r=rng.getrandbits(255), s=rng.getrandbits(254),
    ).encoded  # fmt: skip

    def hashes(decode: Callable[[bytes], Transaction]) -> tuple[bytes, bytes]:
        decoded = decode(encoded)
        return decoded.hash, decoded.signing_hash

    in_python = transaction.decode_in_python
    return "a transfer decoded, with hashes", lambda: hashes(in_python), lambda: hashes(Transaction.decode)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the core against the functions that it replaces.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each row (15)")
    rounds = parser.parse_args().rounds
    if CORE.library is None:
        raise SystemExit(f"bench.core: {CORE.reason}")
    print(f"core: {CORE.description}\n{'':34}{'Python us':>12}{'core us':>12}{'ratio':>8}")
    for name, python, core in rows():
        calls = max(1, int(ROUND_SECONDS * 1e6 / microseconds(python, 1)))
        pairs = [(microseconds(python, calls), microseconds(core, calls)) for _ in range(rounds)]
        slow, fast = (median(times) for times in zip(*pairs, strict=True))
        print(f"{name:34}{slow:12.2f}{fast:12.2f}{median(one / other for one, other in pairs):8.1f}")


if __name__ == "__main__":
    main()
