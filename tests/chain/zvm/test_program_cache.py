"""Compiled programs in memory and on disk: what is reused, what is rejected, what is made faster."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.chain.vm.support import CONTRACT, FakeAccount, environment_of, state_of
from tests.chain.zvm.contracts import contract, invoke, request_to, send
from tests.chain.zvm.zvm_modules import Module, module
from zevm.chain.concurrency.deadline import Cancellation, Deadline, ExecutionTimeoutError
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.creation import creation_data
from zevm.chain.zvm.runtime import aside, program_cache, program_files
from zevm.chain.zvm.runtime.aside import in_time
from zevm.chain.zvm.runtime.program_cache import HOT, ProgramCache
from zevm.chain.zvm.runtime.runtime import INK_PER_HEAT, End, Engine, Program, run

HASH = b"\x11" * 32
OTHER_HASH = b"\x22" * 32


class Source:
    """A contract's preparation that counts how often it is asked for."""

    def __init__(self, answer: int) -> None:
        self.calls = 0
        self.module = module(
            f"""(func (export "user_entrypoint") (param i32) (result i32)
              (if (local.get 0) (then (global.set $ink (i64.const 0)))) (i32.const {answer}))"""
        )

    def __call__(self) -> Module:
        self.calls += 1
        return self.module


def answer(program: Program, argument: int = 0, ink: int = 1) -> int:
    result = run(program, (), context=None, ink=ink, stack_words=1, arguments=(argument,))
    assert result.end is End.RETURNED
    return result.values[0]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(pooled=False)


@pytest.fixture
def caches(engine: Engine) -> Iterator[Callable[..., ProgramCache]]:
    opened: list[ProgramCache] = []

    def open_cache(directory: Path | None, **options: str) -> ProgramCache:
        opened.append(ProgramCache(directory, engine, **options))
        return opened[-1]

    yield open_cache
    for cache in opened:
        cache.close()


Caches = Callable[..., ProgramCache]


def only_file(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


def test_a_program_is_prepared_once(caches: Caches) -> None:
    cache, source, other = caches(None), Source(5), Source(6)
    first = cache.get(HASH, source, of_chain=True)
    assert cache.get(HASH, source, of_chain=True) is first
    assert answer(first) == 5
    assert answer(cache.get(OTHER_HASH, other, of_chain=True)) == 6
    assert (source.calls, other.calls) == (1, 1)


def test_a_program_outlives_the_node_on_disk(caches: Caches, tmp_path: Path) -> None:
    source = Source(5)
    kept = caches(tmp_path).get(HASH, source, of_chain=True)
    found = caches(tmp_path).get(HASH, source, of_chain=True)
    assert source.calls == 1
    assert answer(found) == 5
    assert (found.initial_pages, found.data_bytes) == (kept.initial_pages, kept.data_bytes)
    assert found.instrumented == kept.instrumented
    assert only_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_pooled_and_other_engines_share_the_files(caches: Caches, tmp_path: Path) -> None:
    source = Source(5)
    caches(tmp_path).get(HASH, source, of_chain=True)
    pooled = ProgramCache(tmp_path, Engine(pooled=True))
    assert answer(pooled.get(HASH, source, of_chain=True)) == 5
    assert source.calls == 1


def flip(place: float) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        at = int(place * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


DAMAGES: list[Callable[[bytes], bytes]] = [
    *(flip(place) for place in (0.0, 0.001, 0.005, 0.01, 0.3, 0.6, 0.9, 0.9999, 1.0)),
    lambda _content: b"",
    lambda content: content[:-1],
    lambda content: content[:40],
    lambda content: content + b"\0",
    lambda content: bytes(len(content)),
]


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_damaged_file_is_made_anew(caches: Caches, tmp_path: Path, number: int) -> None:
    source = Source(5)
    caches(tmp_path).get(HASH, source, of_chain=True)
    path = only_file(tmp_path)
    path.write_bytes(DAMAGES[number](path.read_bytes()))
    assert answer(caches(tmp_path).get(HASH, source, of_chain=True)) == 5
    assert source.calls == 2
    assert answer(caches(tmp_path).get(HASH, source, of_chain=True)) == 5
    assert source.calls == 2, "the file was not repaired"


def test_a_file_of_another_contract_or_configuration_is_not_taken(caches: Caches, tmp_path: Path) -> None:
    first, second = Source(5), Source(6)
    cache = caches(tmp_path)
    cache.get(HASH, first, of_chain=True)
    files = program_files.ProgramFiles(tmp_path, "")
    shutil.copy(files.path(HASH), files.path(OTHER_HASH))
    assert answer(cache.get(OTHER_HASH, second, of_chain=True)) == 6
    caches(tmp_path, variant="other prices").get(HASH, first, of_chain=True)
    assert (first.calls, second.calls) == (2, 1)


def test_a_change_anywhere_in_the_machine_is_another_configuration() -> None:
    loaded = {name: found.__file__ for name, found in sys.modules.items() if name.startswith("zevm.chain.zvm")}
    assert {"zevm.chain.zvm.module.instrument", "zevm.chain.zvm.price_table"} <= loaded.keys()
    read = {source.resolve() for source in program_files.sources()}
    assert [name for name, file in loaded.items() if file and Path(file).resolve() not in read] == []


@pytest.mark.parametrize("kind", ["others may write", "symbolic link"])
def test_a_file_that_others_may_have_written_is_not_executed(caches: Caches, tmp_path: Path, kind: str) -> None:
    source = Source(5)
    caches(tmp_path / "cache").get(HASH, source, of_chain=True)
    path = only_file(tmp_path / "cache")
    if kind == "symbolic link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.chmod(0o622)
    assert answer(caches(tmp_path / "cache").get(HASH, source, of_chain=True)) == 5
    assert source.calls == 2


def test_code_that_the_engine_does_not_take_is_made_anew(
    caches: Caches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(5)
    with monkeypatch.context() as patch:
        patch.setattr(Program, "serialise", lambda _: b"no machine code" * 100)
        caches(tmp_path).get(HASH, source, of_chain=True)
    assert answer(caches(tmp_path).get(HASH, source, of_chain=True)) == 5
    assert source.calls == 2


def test_a_disk_that_fails_costs_no_program(caches: Caches, tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_bytes(b"")
    assert answer(caches(obstacle / "cache").get(HASH, Source(5), of_chain=True)) == 5


def test_what_preparation_raises_goes_to_the_caller(caches: Caches) -> None:
    def refuse() -> Module:
        raise LookupError("no such module")

    cache = caches(None)
    with pytest.raises(LookupError):
        cache.get(HASH, refuse, of_chain=True)
    assert answer(cache.get(HASH, Source(5), of_chain=True)) == 5


def wait_for_optimised(cache: ProgramCache, source: Source) -> Program:
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        program = cache.get(HASH, source, of_chain=True)
        if program.optimised:
            return program
        time.sleep(0.005)
    raise AssertionError("not optimised in 30 seconds")


@pytest.mark.parametrize("heated_by", ["runs", "ink"])
def test_a_hot_program_is_optimised_in_the_background(caches: Caches, tmp_path: Path, heated_by: str) -> None:
    cache, source = caches(tmp_path), Source(5)
    program = cache.get(HASH, source, of_chain=True)
    if heated_by == "runs":
        for _ in range(HOT - 1):
            answer(program)
        assert not cache._queued
        assert cache.get(HASH, source, of_chain=True) is program
        answer(program)
    else:
        answer(program, 1, HOT * INK_PER_HEAT)
    faster = wait_for_optimised(cache, source)
    assert (answer(faster), answer(program)) == (5, 5)
    cache.close()
    assert caches(tmp_path).get(HASH, source, of_chain=True).optimised
    assert source.calls == 1


def test_memory_keeps_the_programs_used_last(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, source, other = caches(None), Source(5), Source(6)
    monkeypatch.setattr(program_cache, "CHAIN_CODE_BYTES", int(2.5 * cache.get(b"\x09" * 32, Source(9)).code_bytes))
    third = Source(7)
    cache.get(HASH, source, of_chain=True)
    cache.get(OTHER_HASH, other, of_chain=True)
    cache.get(HASH, source, of_chain=True)
    cache.get(b"\x33" * 32, third, of_chain=True)
    cache.get(HASH, source, of_chain=True)
    cache.get(OTHER_HASH, other, of_chain=True)
    assert (source.calls, other.calls, third.calls) == (1, 2, 1)


def test_memory_keeps_what_runs_in_the_core(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the core's runs the cache is not told: it sees the heat, when it needs room."""
    cache, sources = caches(None), [Source(number) for number in range(4)]
    names = [bytes((0x50 + number,)) * 32 for number in range(4)]
    for name, source in zip(names[:2], sources, strict=False):
        program = cache.get(name, source, of_chain=True)
        cache.publish(name, (program, ()))
        assert cache.answers[name] == (program, ())
    monkeypatch.setattr(program_cache, "CHAIN_CODE_BYTES", int(2.5 * program.code_bytes))
    assert answer(cache.answers[names[0]][0]) == 0
    for name, source in zip(names[2:], sources[2:], strict=True):
        cache.get(name, source, of_chain=True)
        assert answer(cache.answers[names[0]][0]) == 0
    assert list(cache.answers) == [names[0]]
    cache.get(names[0], sources[0], of_chain=True)
    assert [source.calls for source in sources] == [1, 1, 1, 1]


def test_what_the_core_takes_is_the_chains_and_the_newest(caches: Caches) -> None:
    cache, source = caches(None), Source(5)
    guest = cache.get(HASH, source)
    cache.publish(HASH, (guest, ()))
    assert not cache.answers
    assert cache.ready(HASH, of_chain=True) is None
    assert cache.ready(HASH, of_chain=False) is guest
    assert cache.get(HASH, source, of_chain=True) is guest
    cache.publish(HASH, (guest, ()))
    assert cache.answers == {HASH: (guest, ())}
    guest.heat = HOT
    assert cache.ready(HASH, of_chain=True) is None
    wait_for_optimised(cache, source)
    assert not cache.answers


def test_z2_memory_of_calls_takes_no_room_of_the_chains(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, source = caches(None), Source(5)
    size = cache.get(HASH, source, of_chain=True).code_bytes
    monkeypatch.setattr(program_cache, "GUEST_CODE_BYTES", int(1.5 * size))
    monkeypatch.setattr(program_cache, "CHAIN_CODE_BYTES", int(1.5 * size))
    for number in range(4):
        cache.get(bytes([0x40 + number]) * 32, Source(number))
    assert cache.kept()[0] == 2
    cache.get(HASH, source, of_chain=True)
    assert source.calls == 1


def test_z2_only_code_of_the_chain_is_written_and_stays_used(caches: Caches, tmp_path: Path) -> None:
    cache, source = caches(tmp_path), Source(5)
    guest = cache.get(HASH, source, deadline=Deadline.after(60))
    assert answer(guest) == 5
    guest.heat = HOT + 1
    assert cache.get(HASH, source) is guest
    assert (list(tmp_path.iterdir()), guest.is_of_chain, cache._queued) == ([], False, set())
    assert cache.get(HASH, source, of_chain=True) is guest
    only_file(tmp_path)
    assert cache.kept()[0] == 1
    assert source.calls == 1


@pytest.mark.parametrize("used_by", ["reading", "memory"])
def test_z2_the_file_used_longest_ago_goes_first(
    caches: Caches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used_by: str
) -> None:
    """The oldest file stays where each newer one is written after its program was read, or while it is in memory."""
    monkeypatch.setattr(program_files, "_PRUNE_EVERY", 1)
    source, cache = Source(1), caches(tmp_path)
    cache.get(HASH, source, of_chain=True)
    monkeypatch.setattr(program_files, "DISK_LIMIT_BYTES", int(2.5 * only_file(tmp_path).stat().st_size))
    for number in range(4):
        writer = cache if used_by == "memory" else caches(tmp_path)
        writer.get(HASH, source)
        writer.get(bytes([0x40 + number]) * 32, Source(number), of_chain=True)
    assert program_files.ProgramFiles(tmp_path, "").path(HASH).exists()
    assert len(list(tmp_path.iterdir())) == 2
    assert source.calls == 1


def test_z1_who_waits_for_a_compilation_leaves_at_the_deadline(caches: Caches) -> None:
    """The work goes on, and what it made is there for the next caller."""
    cache, source, begun, go_on = caches(None), Source(5), threading.Event(), threading.Event()

    def slow() -> Module:
        begun.set()
        assert go_on.wait(60)
        return source()

    started = time.monotonic()
    with pytest.raises(ExecutionTimeoutError):
        cache.get(HASH, slow, deadline=Deadline.after(0.2))
    assert 0.2 <= time.monotonic() - started < PATIENCE_SECONDS
    assert begun.is_set()
    # a block does not wait for it
    assert answer(cache.get(HASH, Source(6), of_chain=True)) == 6
    go_on.set()


def test_z1_who_has_left_waits_for_no_compilation_and_none_is_begun() -> None:
    cancellation, go_on, begun, calls = Cancellation(), threading.Event(), threading.Semaphore(0), []

    def slow() -> Module:
        calls.append(1)
        begun.release()
        assert go_on.wait(60)
        return Source(5)()

    busy = [ThreadPoolExecutor(1).submit(in_time, Deadline.after(60), slow) for _ in range(aside.THREADS)]
    assert [begun.acquire(timeout=30) for _ in busy] == [True] * aside.THREADS
    waiting = ThreadPoolExecutor(1).submit(in_time, Deadline(time.monotonic() + 60, cancellation), slow)
    cancellation.cancel()
    with pytest.raises(ExecutionTimeoutError):
        waiting.result(timeout=30)
    go_on.set()
    assert [future.result(timeout=30).instrumented != b"" for future in busy] == [True] * aside.THREADS
    assert len(calls) == aside.THREADS


def test_the_oldest_files_go_when_the_disk_limit_is_passed(
    caches: Caches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_files, "_PRUNE_EVERY", 1)
    cache, source = caches(tmp_path), Source(5)
    cache.get(HASH, source, of_chain=True)
    monkeypatch.setattr(program_files, "DISK_LIMIT_BYTES", int(2.5 * only_file(tmp_path).stat().st_size))
    for number in range(5):
        cache.get(bytes([0x40 + number]) * 32, source, of_chain=True)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_half_written_by_a_crash_is_removed(caches: Caches, tmp_path: Path) -> None:
    (tmp_path / "abc.partial").write_bytes(b"half")
    caches(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_z2_calls_write_nothing_and_blocks_write_what_they_deploy_and_run(tmp_path: Path) -> None:
    machine = ZvmMachine("zvm", tmp_path)
    code = contract(invoke("write_result", 0, 32))
    failing = creation_data(contract("(unreachable)"), b"payload")
    try:
        runner = Executor(
            environment_of(Fork.OSAKA, wasm_machine=machine), state_of({CONTRACT: FakeAccount(1, 0, code)})
        )
        deadline = Deadline.after(60)
        assert runner.call(request_to(CONTRACT), deadline=deadline).error is None
        assert runner.call(request_to(None, contract("(nop)")), deadline=deadline).error is None
        assert send(runner, None, failing).error is not None
        assert not tmp_path.exists() or list(tmp_path.iterdir()) == []
        assert send(runner, None, contract("(nop)")).error is None
        only_file(tmp_path)
        assert send(runner, CONTRACT).error is None
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        machine.close()
