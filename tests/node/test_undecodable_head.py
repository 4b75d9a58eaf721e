"""B11: a head that no decoder takes, as earlier versions could write it, is told, checked and rewound; S5: in steps."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from tests.chain.chain_fixtures import MANUAL, STORE_AND_LOG, creation, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.canonical import rewinding
from zevm.chain.canonical.chain import batch_version, stored_genesis
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types import Header
from zevm.node.config import load_settings
from zevm.node.hints import told
from zevm.node.network import existing_chain, open_chain
from zevm.node.repair import check_database, rewind_database
from zevm.storage import rlp
from zevm.storage.database import Database
from zevm.storage.errors import CorruptionError
from zevm.storage.flat_state import FLAT_ROOT_KEY
from zevm.storage.keccak import keccak256
from zevm.storage.schema import Version, undo_key
from zevm.storage.store import Batch

BLOCKS = 12


def far_header(parent: Header) -> bytes:
    """The RLP of a child of `parent` whose time has 65 bits."""
    items = list(rlp.decode_list(parent.encode()))
    items[0], items[8] = parent.hash, rlp.encode_int(parent.number + 1)
    items[11] = (2**65 - 1).to_bytes(9, "big")
    return rlp.encode(items)


def build(path: Path, *, damaged: bool = True) -> None:
    """A chain of a few blocks with transactions and patches; upon it, by hand, a block that does not decode."""
    with Database.open(path) as database:
        chain = Chain(database, load_default_genesis(), MANUAL)
        contract = None
        for nonce in range(BLOCKS):
            transaction = creation(nonce, STORE_AND_LOG) if contract is None else transfer(nonce, to=contract)
            chain.writer.run(chain.send_transaction, transaction)
            chain.writer.run(chain.mine)
            contract = contract or chain.receipts(chain.head.header.hash)[0].contract_address
            chain.writer.run(chain.patch_state, lambda state, nonce=nonce: state.set_balance(b"\x77" * 20, nonce + 1))
        parent, root = chain.head.header, chain.head.state.root
        chain.close()
        if damaged:
            header = far_header(parent)
            batch = Batch()
            body = rlp.encode([[], [], []])
            ledger, block_hash = database.ledger, keccak256(header)
            ledger.put_block(batch, block_hash=block_hash, header=header, body=body, receipts=rlp.encode([]))
            ledger.append(batch, number=parent.number + 1, block_hash=block_hash, transaction_hashes=[], log_keys=[])
            batch.put(undo_key(Version(parent.number + 1)), rlp.encode([root, root]))
            batch.put(FLAT_ROOT_KEY, root)
            batch_version(batch, Version(parent.number + 1))
            database.write(batch)


@pytest.mark.lengthy
def test_b11_a_head_that_does_not_decode_is_told_and_can_be_rewound(tmp_path: Path) -> None:
    build(tmp_path / "data")
    settings = load_settings({"datadir": str(tmp_path / "data")})
    with Database.open(settings.datadir) as database, pytest.raises(CorruptionError, match="timestamp"):
        open_chain(database, settings)
    with (
        pytest.raises(CorruptionError, match=r"cannot be read: .*timestamp") as caught,
        existing_chain(settings),
    ):
        pass
    assert "`zevm db rewind N`" in told(caught.value)
    for deep in (False, True):
        problems = list(check_database(settings, deep=deep, progress=lambda *_: None))
        assert any("timestamp" in problem for problem in problems)
    assert rewind_database(settings, BLOCKS) == (BLOCKS + 1, BLOCKS)
    assert list(check_database(settings, deep=True, progress=lambda *_: None)) == []
    with existing_chain(settings) as chain:
        chain.writer.run(chain.mine)
        assert chain.head.number == BLOCKS + 1
        assert chain.head.state.account(b"\x77" * 20).balance == BLOCKS


@pytest.mark.lengthy
@pytest.mark.parametrize("step", [1, 2, 5, 256])
def test_s5_a_rewind_goes_in_steps_each_of_which_is_a_sound_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    build(tmp_path / "data", damaged=False)
    monkeypatch.setattr(rewinding, "STEP_BLOCKS", step)
    heads = []
    with Database.open(tmp_path / "data") as database:
        genesis = stored_genesis(database)
        assert genesis is not None

        def look(part: str, done: int, total: int) -> None:
            if part != "blocks" or not done:
                return
            head = 1 + total - done
            heads.append(head)
            chain = Chain(database, genesis, MANUAL)
            try:
                assert chain.head.number == head
                assert list(deep_problems(chain.canonical)) == []
                balance = chain.head.state.account(b"\x77" * 20)
                assert (0 if balance is None else balance.balance) == head
            finally:
                chain.close()

        rewinding.rewind_ledger(database, 1, look)
    assert heads == [max(1, head) for head in range(BLOCKS - step, 1 - step, -step)]


@pytest.mark.lengthy
def test_s5_a_rewind_takes_memory_for_a_step_and_not_for_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewinding, "STEP_BLOCKS", 16)
    peaks = []
    for blocks in (40, 400):
        with Database.open(tmp_path / str(blocks), sync=False) as database:
            chain = Chain(database, load_default_genesis(), MANUAL)
            chain.writer.run(chain.mine, blocks)
            chain.close()
            tracemalloc.start()
            rewinding.rewind_ledger(database, 1)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] + 200_000
