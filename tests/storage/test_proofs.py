"""S10: a proof and its value come from one walk."""

from collections import Counter

import pytest

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, AccountChange, StateDiff
from zevm.storage.database import Database
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.schema import Version
from zevm.storage.store import Batch

ADDRESS = b"\x11" * 20


def test_s10_a_proof_reads_each_node_of_a_slot_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Database.open(None) as database:
        states = database.state
        diff = StateDiff(
            {ADDRESS: AccountChange(1, 5, EMPTY_KECCAK)}, {ADDRESS: {slot: slot + 1 for slot in range(99)}}
        )
        update, batch = states.prepare(EMPTY_ROOT, diff), Batch()
        states.apply(batch, update, Version(0))
        database.write(batch)
        reads = Counter()
        nodes = states._nodes.of

        def counted(owner: bytes) -> trie.Nodes:
            return lambda path, node_hash: reads.update([node_hash]) or nodes(owner)(path, node_hash)

        monkeypatch.setattr(states._nodes, "of", counted)
        proof = states.prove_account(update.root, ADDRESS, [7])
        assert proof.slots[0].value == 8
        assert proof.account is not None
        assert set(reads.values()) == {1}
        wanted = [*proof.proof, *proof.slots[0].proof]
        assert len(reads) == len(wanted)
        assert trie.get_with_proof(nodes(keccak256(ADDRESS)), proof.account.storage_root, bytes(32))[0] is None
