"""`zevm doctor`: each part has a case in which it is not well."""

import importlib.util
import os
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import zevm.node.doctor
import zevm.node.extras
from tests.node.conftest import Command, Start
from zevm.contracts import toolchain
from zevm.contracts.errors import CompilerMissingError
from zevm.core.loading import Core
from zevm.node.config import load_settings
from zevm.node.doctor import PARTS, Finding, Verdict, _files_below, findings
from zevm.node.extras import missing_extras
from zevm.storage.database import Database
from zevm.storage.directory import FORMAT_NAME, DirectoryLock, write_format
from zevm.storage.schema import OLDEST_OPENED_VERSION

Case = Callable[[Path, pytest.MonkeyPatch], Any]


@contextmanager
def taken_port() -> Iterator[int]:
    """A port at which something listens that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def finding_of(part: str, folder: Path, **settings: Any) -> Finding:
    """What is said of one part."""
    given = {"datadir": str(folder), "port": "0"} | {name: str(value) for name, value in settings.items()}
    return next(finding for finding in findings(load_settings(given, None)) if finding.part == part)


def made(folder: Path) -> Path:
    """A data directory."""
    Database.open(folder).close()
    return folder


def test_all_is_well_in_an_empty_folder(tmp_path: Path) -> None:
    told = list(findings(load_settings({"datadir": str(tmp_path / "none"), "port": "0"}, None)))
    assert [finding.part for finding in told] == list(PARTS)
    assert not [finding for finding in told if finding.verdict is Verdict.FAULT]
    assert not (tmp_path / "none").exists()
    assert finding_of("database", made(tmp_path / "chain")).text.endswith("bytes; `zevm db check` reads all of it")


def test_a_version_that_a_block_depends_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.1" if name == "trie" else version(name))
    told = finding_of("version", tmp_path)
    assert told.verdict is Verdict.FAULT
    assert "trie 4.0.0, and 0.0.1 is installed" in told.text
    assert told.remedy == "install zevm-node again"


def test_no_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zevm.node.doctor, "CORE", Core(None, "it was installed without the core"))
    told = finding_of("engine", tmp_path)
    assert told == ("engine", "note", "py-evm, which is slower: it was installed without the core", told.remedy)
    assert told.remedy
    monkeypatch.setenv("ZEVM_NO_CORE", "1")
    assert finding_of("engine", tmp_path).remedy == "unset ZEVM_NO_CORE"


def test_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zevm.node.extras, "find_spec", lambda name: None if name in ("aioquic", "web3") else object())
    told = finding_of("extras", tmp_path)
    assert told[1:] == ("note", "not installed: web3, quic", "pip install 'zevm-node[web3,quic]'")


@pytest.mark.parametrize("there", [(), ("sdk",), ("exporter/otlp/proto/http",)])
def test_a_namespace_that_another_library_has_made_is_no_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    """`opentelemetry` is there as soon as a library that can be traced has installed the interface alone."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    for part in ("trace", *there):
        (tmp_path / "api" / part).mkdir(parents=True)
    namespace = ModuleType("opentelemetry")
    namespace.__path__ = [str(tmp_path / "api")]
    monkeypatch.setitem(sys.modules, namespace.__name__, namespace)
    missing = missing_extras()
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        del sys.modules[name]
    assert "telemetry" in missing


def test_missing_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    toolchain.zig.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    told = finding_of("compilers", tmp_path)
    toolchain.zig.cache_clear()
    assert told.text == "only Vyper"
    for sentence in ("pip install 'zevm-node[zig]'", "npm install --save-dev solc", "assemblyscript"):
        assert sentence in told.remedy


def test_no_compiler_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise CompilerMissingError("no compiler")

    monkeypatch.setattr(zevm.node.doctor, "COMPILERS", dict.fromkeys(("Zig and C", "Vyper"), missing))
    told = finding_of("compilers", tmp_path)
    assert (told.text, told.remedy) == ("none", "no compiler; no compiler")


def test_a_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zevm.node.doctor, "ANSWER_SECONDS", 0.1)
    with taken_port() as port:
        told = finding_of("port", tmp_path, port=port)
    assert told.verdict is Verdict.FAULT
    assert told.text == f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert "--port" in told.remedy


def test_a_node_at_the_port_and_in_the_directory(zevm: Command, start: Start) -> None:
    node = start()
    told = zevm("doctor", "--port", str(node.port))
    assert told.returncode == 0, told.stdout
    assert "note   port: anvil/zEVM/v" in told.stdout
    assert "note   database: the data directory .zevm is in use by process" in told.stdout


def test_directories_that_no_node_takes(tmp_path: Path, zevm: Command) -> None:
    foreign, older, damaged = tmp_path / "foreign", made(tmp_path / "older"), made(tmp_path / "damaged")
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("my only copy")
    write_format(older, OLDEST_OPENED_VERSION - 1)
    (damaged / FORMAT_NAME).write_text("zEVM?")
    said = {foreign: "thesis.txt", older: "zevm db migrate", damaged: "damaged"}
    for folder, words in said.items():
        told = finding_of("database", folder)
        assert told.verdict is Verdict.FAULT
        assert words in told.text + told.remedy
    printed = zevm("doctor", "--datadir", str(older), "--port", "0")
    assert printed.returncode == 1
    assert f"`zevm db migrate --datadir {older}`" in printed.stdout


def test_a_directory_in_use(tmp_path: Path) -> None:
    folder = made(tmp_path / "chain")
    lock = DirectoryLock(folder)
    told = finding_of("database", folder)
    lock.release()
    assert told.verdict is Verdict.REMARK
    assert "in use" in told.text
    assert "--datadir" in told.remedy


@contextmanager
def closed_to_this_user(folder: Path) -> Iterator[None]:
    """Nothing below the folder may be seen; root, who may see all, is another user meanwhile."""
    folder.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


def test_a_directory_that_may_not_be_seen(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    path = closed / "chain"
    closed.mkdir()
    made(path)
    settings = load_settings({"datadir": str(path)}, None)
    with closed_to_this_user(closed):
        told = {part: PARTS[part](settings) for part in ("database", "disk", "clock")}
    remedy = "chown it to this user, or give another --datadir"
    assert told["database"] == (Verdict.FAULT, f"{path} cannot be read: Permission denied", remedy)
    assert not told["disk"][1].endswith(str(path)), "of a folder above, which it may see"
    assert told["clock"][0] is Verdict.GOOD


def test_files_that_a_running_node_deletes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").write_text("x")
    seen = [(str(tmp_path), [], ["gone", "here"])]
    monkeypatch.setattr(os, "walk", lambda _: seen)
    assert [status.st_size for status in _files_below(tmp_path)] == [1]
    assert finding_of("clock", tmp_path).verdict is Verdict.GOOD


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    told = finding_of("disk", tmp_path)
    assert (told.verdict, told.text) == (Verdict.REMARK, f"1 bytes free at {tmp_path}")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert finding_of("disk", tmp_path).verdict is Verdict.FAULT


def test_a_clock_behind_the_newest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, now = made(tmp_path / "chain"), time.time()
    assert finding_of("clock", folder).verdict is Verdict.GOOD
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    told = finding_of("clock", folder)
    assert told.verdict is Verdict.REMARK
    assert "86,4" in told.text


@pytest.mark.parametrize(("hard", "able"), [(resource.RLIM_INFINITY, "`ulimit -n 16416`"), (4_096, "`ulimit -n 4096`")])
def test_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard: int, able: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, hard))
    told = finding_of("open files", tmp_path)
    assert told.text == "1,024 files, and all allowed connections take 16,416"
    assert told.remedy.startswith(able)
