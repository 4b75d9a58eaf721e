"""Times the trie against py-trie in one run: accounts inserted per second, and 100 of 10,000 accounts updated."""

import random
import time
from collections.abc import Callable
from statistics import median

from trie import HexaryTrie

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, Account, encode_account
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import TrieKey, Wei

ACCOUNTS = 10_000
CHANGED = 100


def entries(count: int, seed: int) -> dict[TrieKey, bytes]:
    """Secure keys of `count` addresses, with account values that depend on the seed."""
    source = random.Random(seed)
    return {
        TrieKey(keccak256(number.to_bytes(20, "big"))): encode_account(Account(number, Wei(source.getrandbits(64))))
        for number in range(count)
    }


def seconds(action: Callable[[], object], rounds: int) -> float:
    """Median duration of `action`."""
    durations = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        durations.append(time.perf_counter() - began)
    return median(durations)


def squash(reference: HexaryTrie, changes: dict[TrieKey, bytes]) -> None:
    """Apply `changes` to py-trie in one batch, which is then dropped."""
    with reference.squash_changes() as batch:
        for key, value in changes.items():
            batch[key] = value


def main() -> None:
    """Print both figures of both tries, and check that their roots agree."""
    accounts = entries(ACCOUNTS, seed=1)
    changes = dict(random.Random(2).sample(sorted(entries(ACCOUNTS, seed=3).items()), CHANGED))
    built = trie.update(trie.by_hash({}), EMPTY_ROOT, accounts)
    updated = trie.update(trie.by_hash(built.nodes), built.root, changes)

    reference = HexaryTrie({}, prune=False)
    reference_insert = seconds(lambda: squash(reference, accounts), 1)
    insert = seconds(lambda: trie.update(trie.by_hash({}), EMPTY_ROOT, accounts), 5)
    assert reference.root_hash == built.root
    reference_change = seconds(lambda: squash(HexaryTrie(reference.db, built.root), changes), 5)
    change = seconds(lambda: trie.update(trie.by_hash(built.nodes), built.root, changes), 15)
    squash(reference, changes)
    assert reference.root_hash == updated.root

    print(row(f"insert, accounts/s of {ACCOUNTS:,}", ACCOUNTS / insert, ACCOUNTS / reference_insert))
    print(row(f"update {CHANGED} of {ACCOUNTS:,}, ms", change * 1e3, reference_change * 1e3))
    print(f"times faster: {reference_insert / insert:.0f} and {reference_change / change:.0f}")


def row(name: str, ours: float, theirs: float) -> str:
    """One line of the table."""
    return f"{name:<32} {ours:>12,.2f}   py-trie {theirs:>12,.2f}"


if __name__ == "__main__":
    main()
