"""Which tests are unit tests: `make unit` runs them, and `make test` measures the coverage of the code by them.

Lengthy ones are measured with them, but `make unit` leaves them out: it is for every commit.
"""

import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts.check_sizes import files_of
from scripts.syntax import PRODUCT
from testing.left_behind import left_behind, process_state, restore
from testing.prepared import keep_characters, keep_constants, keep_rewritten

HERE = Path(__file__).parent
UNIT_FOLDERS = tuple(HERE / name for name in ("core", "storage", "chain", "contracts", "analysis", "covenant", "rpc"))
"""They need no npm, no network and no data from elsewhere."""

UNIT_FILES = tuple(
    HERE / "node" / f"{name}.py"
    for name in (
        "replication/test_following",
        "test_audit_command",
        "test_contract_commands",
        "test_contract_refusals",
        "test_embedded",
        "test_private_files",
        "test_pytest_reports",
        "test_undecodable_head",
    )
)
"""As these folders; they reach code of lower rooms that no test there does. The Makefile names them too."""

CLIENT_FOLDERS = tuple(HERE / name for name in ("clients", "twins"))
"""They need the npm tools."""

# what tests/clients/bin/solc has answered once: for forge and Hardhat, here and in a clone
os.environ.setdefault("SOLC_CACHE", str(HERE.parent / "examples" / "cache" / "solc"))

SECOND_PART = "not unit and not lengthy"
"""What the Makefile asks of the tests that run without probes of coverage."""

LONG_TEST_SECONDS = 600
"""Until a slow or lengthy test counts as hung: the longest take a minute alone, and four on a busy machine."""

LONGEST_FIRST = (
    "rpc/test_no_method_delays_others.py",
    "verification/abuse",
    "clients/test_readme.py",
    "core/test_evm_engines.py",
    "package",
    "foreign",
    "clients/test_foreign_project.py",
    "verification",
    "contracts/test_zig_storage.py",
    "contracts/test_zig_codec.py",
    "rpc/methods/zvm/test_zvm_deploy_zig.py",
    "contracts",
    "twins",
    "covenant",
    "clients",
    "node",
)
"""Files and folders that take minutes: begun first, so that no worker is left alone with one at the end."""


@cache
def _rank(file: Path) -> int:
    path = file.relative_to(HERE).as_posix()
    return next((rank for rank, first in enumerate(LONGEST_FIRST) if path.startswith(first)), len(LONGEST_FIRST))


@cache
def _is_unit(path: Path) -> bool:
    return path.parent == HERE or any(folder in path.parents for folder in UNIT_FOLDERS) or path in UNIT_FILES


@cache
def _is_client(path: Path) -> bool:
    return any(folder in path.parents for folder in CLIENT_FOLDERS)


@cache
def _may_be_slow(file: Path) -> bool:
    return not _is_unit(file) or ".slow" in file.read_text()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the second part of `make test` the import of files whose tests are all in the first."""
    is_spared = config.option.markexpr == SECOND_PART and collection_path.name.startswith("test_")
    return True if is_spared and not _may_be_slow(collection_path) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Before there are workers."""
    keep_rewritten(_test_files(config), config)
    folders = (*PRODUCT, "testing", "verification", "tests")
    keep_constants(file for folder in folders for file in files_of(folder, ".py"))
    keep_characters()


def _test_files(config: pytest.Config) -> Iterator[Path]:
    """Those that will be collected."""
    for argument in dict.fromkeys(config.args):
        path = config.invocation_params.dir / argument.partition("::")[0]
        for file in files_of(str(path), ".py") if path.is_dir() else [path]:
            if file.name.startswith("test_") and not pytest_ignore_collect(file, config):
                yield file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _is_client(item.path):
            item.add_marker(pytest.mark.clients)
        if _has(item, "slow", "lengthy") and not _has(item, "timeout"):
            item.add_marker(pytest.mark.timeout(LONG_TEST_SECONDS))
        if not _has(item, "slow", "lengthy"):
            if _is_unit(item.path):
                item.add_marker(pytest.mark.unit)
        elif _has(item, "slow") and not _may_be_slow(item.path):
            raise pytest.UsageError(
                f"{item.nodeid}: name the mark .slow in this file, so that `make test` looks into it"
            )
        elif _has(item, "lengthy") and not _is_unit(item.path):
            # neither part of `make test` would run it
            raise pytest.UsageError(
                f"{item.nodeid}: lengthy is for tests of UNIT_FOLDERS and UNIT_FILES, others are slow"
            )
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: (_rank(item.path), files[item.path]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three for two cores: a fifth of a test's time is waiting, for timers, disks and processes; in the second part two
    fifths, and so four."""
    cores = len(os.sched_getaffinity(0))
    return 2 * cores if config.option.markexpr == SECOND_PART else cores + (cores + 1) // 2


def _has(item: pytest.Item, *marks: str) -> bool:
    return any(item.get_closest_marker(mark) is not None for mark in marks)


def _restored() -> Iterator[None]:
    before = process_state()
    yield
    changes = list(left_behind(before, process_state()))
    if changes:
        restore(before)
        told = "; ".join(change.text for change in changes)
        print(f"not restored, and so done here: {told}")
        assert not any(change.is_ours for change in changes), f"not restored: {told}"


@pytest.fixture(autouse=True)
def restored_by_each_test() -> Iterator[None]:
    """Restores loggers, environment, signal handlers and folder; fails the test that left its own of them changed.

    Those of a library, and signal handlers, are restored without a word: web3.py's WebSocketProvider sets some.
    """
    yield from _restored()


@pytest.fixture(autouse=True, scope="module")
def restored_by_each_module() -> Iterator[None]:
    """As each test's, for fixtures that a module's tests share."""
    yield from _restored()


@pytest.fixture
def trusted_setup() -> None:
    """KZG's, in a process that stays for the tests that follow, as it takes three seconds to load.

    The system ends a process with the thread that began it, as a node's threads end with the node, and the last
    embedded node of a test ends what all of them share.
    """
    from zevm.chain.concurrency.shared import _ENDINGS
    from zevm.chain.native.process import BLOBS

    if BLOBS.end_idle in _ENDINGS:
        _ENDINGS.remove(BLOBS.end_idle)
    BLOBS.prepare()


# what imports and collection make lasts: to walk it again and again takes a quarter of their time
gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is there now lasts to the end: no garbage collection walks it, not even once."""
    gc.freeze()
