"""Every public write of the chain runs on the writer's thread, and raises on any other one."""

import inspect

import pytest

from tests.chain.chain_fixtures import MANUAL, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.writer import Writer, WrongThreadError
from zevm.chain.view import ChainView

FOR_ANY_THREAD = {
    "start": "before and beside the writer's work",
    "take_up": "gives its work to the writer",
    "close": "ends the writer",
    "blob_sidecar_of": "reads",
}
WRITES = sorted(
    name
    for name, function in vars(Chain).items()
    if inspect.isfunction(function) and not name.startswith("_") and name not in FOR_ANY_THREAD
)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_on_another_thread_is_refused_and_changes_nothing(name: str) -> None:
    chain = open_chain(options=MANUAL)
    try:
        chain.writer.run(chain.send_transaction, transfer(0))
        before = (chain.head, chain.settings, chain.snapshots.taken, chain.pool.hashes(), chain.chain_id)
        with pytest.raises(WrongThreadError, match="on the thread 'MainThread': give it to the chain's writer"):
            getattr(chain, name)()
        assert (chain.head, chain.settings, chain.snapshots.taken, chain.pool.hashes(), chain.chain_id) == before
    finally:
        chain.close()


def test_what_the_chain_adds_to_its_view_is_a_write_or_named_here() -> None:
    assert len(WRITES) >= 20
    assert set(FOR_ANY_THREAD) <= set(vars(Chain))
    assert not set(WRITES) & set(vars(ChainView))


def test_a_writer_knows_its_own_thread() -> None:
    writer = Writer()
    try:
        writer.run(writer.assert_here)
        with pytest.raises(WrongThreadError):
            writer.assert_here()
    finally:
        writer.stop()
