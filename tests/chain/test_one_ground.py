"""A read that a change of the chain's ground comes between sees the chain before or the one after, not both."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.chain.chain_fixtures import ALICE, MANUAL, open_chain, transfer
from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.deadline import NotAtHandError
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.chain.view import Ground
from zevm.storage.database import Database


@pytest.fixture
def chain() -> Iterator[Chain]:
    opened = open_chain(options=MANUAL)
    yield opened
    opened.close()


def another(chain: Chain) -> Ground:
    """The ground of a chain with nobody's money and another id."""
    genesis = load_default_genesis()
    schedule = genesis.schedule.with_changes(chain_id=genesis.chain_id + 1)
    return Ground(Database.open(None), replace(genesis, schedule=schedule, accounts={}), chain.options)


def begin_again(chain: Chain) -> None:
    chain.writer.run(chain.begin_again, another(chain))


def test_a_read_of_two_grounds_is_begun_again(chain: Chain) -> None:
    seen: list[int] = []

    def read() -> tuple[bytes, int]:
        parent = chain.head.header.hash
        seen.append(chain.chain_id)
        if len(seen) == 1:
            begin_again(chain)
        return parent, chain.chain_id

    assert chain.on_one_ground(read) == (chain.head.header.hash, 31338)
    assert seen == [31337, 31338]


def test_an_error_of_a_ground_that_is_gone_is_told_to_nobody(chain: Chain) -> None:
    tries: list[int] = []

    def read(wanted: int, *, also: int) -> int:
        tries.append(wanted)
        if len(tries) == 1:
            begin_again(chain)
            raise KeyError(wanted)
        return wanted + also

    assert chain.on_one_ground(read, 3, also=4) == 7
    assert tries == [3, 3]


def test_an_error_of_the_ground_that_is_there_is_told_once(chain: Chain) -> None:
    tries: list[int] = []

    def read() -> None:
        tries.append(1)
        raise KeyError(1)

    with pytest.raises(KeyError):
        chain.on_one_ground(read)
    assert tries == [1]


def test_a_state_is_of_the_block_that_was_found(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, changed = chain.resolve, threading.Event()

    def resolve_and_change(reference: object) -> object:
        found = resolve(reference)  # type: ignore[arg-type]
        if not changed.is_set():
            changed.set()
            begin_again(chain)
        return found

    monkeypatch.setattr(chain, "resolve", resolve_and_change)
    assert chain.state_at(BlockReference(number=0)).account(ALICE) is None


@contextmanager
def a_change_under_way(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A change of the ground that waits for the event before its end."""
    half, go_on = threading.Event(), threading.Event()
    changing = chain._changing_ground

    @contextmanager
    def slowly() -> Iterator[None]:
        with changing():
            yield
            half.set()
            assert go_on.wait(20)

    monkeypatch.setattr(chain, "_changing_ground", slowly)
    change = threading.Thread(target=begin_again, args=(chain,))
    change.start()
    assert half.wait(20)
    try:
        yield go_on
    finally:
        go_on.set()
        change.join()


def test_who_reads_while_the_ground_changes_waits_for_its_end(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.writer.run(chain.send_transaction, transfer(0))
    assert chain.pool.executable_count == 1
    looked: list[int] = []
    with a_change_under_way(chain, monkeypatch) as go_on:

        def read() -> int:
            looked.append(chain.chain_id)
            if len(looked) == 1:
                threading.Timer(0.05, go_on.set).start()
            return chain.chain_id

        assert chain.on_one_ground(read) == 31338
    assert len(looked) == 2
    assert chain.pool.executable_count == 0


def test_an_event_loop_is_told_that_the_ground_changes(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> Callable[[], object]:
        with pytest.raises(NotAtHandError) as raised:
            chain.state_at(LATEST)
        return raised.value.provide

    with a_change_under_way(chain, monkeypatch) as go_on:
        provide = asyncio.run(asyncio.wait_for(read(), 20))
        threading.Timer(0.05, go_on.set).start()
        provide()
        assert chain.chain_id == 31338
    assert chain.state_at(LATEST).account(ALICE) is None
