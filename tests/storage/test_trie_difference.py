"""Keys at which two tries differ (S6): against dictionaries, and what is read for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.keccak import keccak256
from zevm.storage.trie_difference import differing_keys

# few digits and short keys, so that paths are shared, split and joined; values around the embedding size
KEYS = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0xFF]), min_size=4, max_size=4).map(bytes)
TRIES = st.dictionaries(KEYS, st.sampled_from([b"\x01", b"a", b"b" * 20, b"c" * 40]), max_size=24)


def build(nodes: dict[bytes, bytes], content: dict[bytes, bytes]) -> bytes:
    update = trie.update(nodes.get, EMPTY_ROOT, content)
    nodes.update(update.nodes)
    return update.root


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(TRIES, TRIES)
def test_s6_differences_are_those_of_dictionaries(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    nodes: dict[bytes, bytes] = {}
    roots = build(nodes, one), build(nodes, other)
    wanted = sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
    assert list(differing_keys(nodes.get, *roots)) == wanted
    assert list(differing_keys(nodes.get, *reversed(roots))) == wanted


def test_s6_one_difference_reads_one_path() -> None:
    nodes: dict[bytes, bytes] = {}
    content = {keccak256(number.to_bytes(8, "big")): b"v" * 40 for number in range(5_000)}
    key = min(content)
    roots = build(nodes, content), build(nodes, content | {key: b"w" * 40})
    read: list[bytes] = []

    def node(node_hash: bytes) -> bytes | None:
        read.append(node_hash)
        return nodes.get(node_hash)

    assert list(differing_keys(node, *roots)) == [key]
    assert len(read) <= 12
    read.clear()
    assert list(differing_keys(node, roots[0], roots[0])) == read == []
