"""N8: what failed leaves nothing behind, forgets nothing, and gives advice that works with the command at hand."""

import json
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from testing.forked import ForkedNode
from testing.node_process import NodeProcess
from tests.node.conftest import Here, Start
from zevm.node.advice import for_this_command
from zevm.node.cli import whole_app

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

FAILING = {
    "a busy port": "run --port BUSY",
    "a busy port of the consensus client": "run --port 0 --authrpc-port BUSY",
    "a host that is not there": "run --port 0 --host 203.0.113.7",
    "a folder in the way of the socket": "run --port 0 --ipc folder",
    "no folder for the socket": "run --port 0 --ipc absent/z.ipc",
    "a socket's path that is too long": f"run --port 0 --ipc {'x' * 120}",
    "no folder for the configuration": "run --port 0 --config-out absent/config.json",
    "a folder in the way of the configuration": "run --port 0 --config-out folder",
    "a genesis that is none": "run --port 0 --init bad.json",
    "a genesis without the contracts of its fork": "run --port 0 --init empty.json",
    "no genesis": "run --port 0 --init absent.json",
    "a chain before the merge, driven": "run --port 0 --authrpc --hardfork london",
    "a bad secret": "run --port 0 --authrpc-jwtsecret bad.json",
    "no state to load": "run --port 0 --load-state absent.json",
    "no folder for the state": "run --port 0 --dump-state absent/state.json",
    "an unknown account": f"run --port 0 --unlock {BOB} --password-file password",
    "a state that is none": "run --port 0 --load-state bad.json",
    "a state that is cut off": "run --port 0 --load-state cut.json",
    "a state that is too large": "run --port 0 --load-state state.json --rpc-state-file-bytes 20",
    "a state to continue that is none": "run --port 0 --state bad.json",
    "a pipe for the state": "run --port 0 --dump-state pipe",
    "a device for the state": "run --port 0 --state-interval 9 --dump-state /dev/null",
    "a pipe that is the state": "run --port 0 --state pipe",
    "a pipe of the configuration without a reader": "run --port 0 --config-out pipe",
    "a full device for the configuration": "run --port 0 --config-out /dev/full",
    "init with a genesis that is none": "init --genesis bad.json",
    "init without its genesis": "init --genesis absent.json",
    "import of no file": "import absent.rlp",
    "import of a folder": "import folder",
    "import of what are no blocks": "import bad.json",
    "import of an empty archive": "import bad.gz",
    "import of another chain": "import blocks.rlp",
    "import with a genesis that is none": "import blocks.rlp --genesis bad.json",
    "import with another genesis": "import blocks.rlp --genesis other.json",
    "export of nothing": "export out.rlp --genesis out.json",
    "check": "db check",
    "stats": "db stats",
    "compaction": "db compact",
    "rewind": "db rewind 0",
    "migration": "db migrate",
    "import of an account that is none": "account import bad.json --password-file password",
    "an account without a password": "account new --password-file absent",
}


def _mine(node: NodeProcess, count: int) -> None:
    with node.connect() as client:
        for _ in range(count):
            client.call("eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x1"})


def _entries(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def busy_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks of a chain, its genesis, another chain's, and bad files."""
    folder = tmp_path_factory.mktemp("files")
    with ForkedNode(_command("run --port 0 --datadir chain"), cwd=folder) as node:
        _mine(node, 3)
        node.stop()
    exported = ForkedNode(_command("export blocks.rlp --genesis genesis.json --datadir chain"), cwd=folder, wait=False)
    assert exported.process.wait(60) == 0, exported.tail()
    exported.kill()
    genesis = json.loads((folder / "genesis.json").read_text())
    genesis["timestamp"] = "0x5"
    (folder / "other.json").write_text(json.dumps(genesis))
    (folder / "empty.json").write_text(json.dumps({**genesis, "alloc": {}}))
    (folder / "bad.json").write_text('{"config": {}}')
    (folder / "state.json").write_text('{"block": {}, "accounts": {}, "best_block_number": 0}')
    (folder / "cut.json").write_text('{"block": {}, "accounts": {')
    (folder / "bad.gz").write_bytes(b"\x1f\x8b")
    (folder / "password").write_text("secret\n")
    return folder


def _command(line: str) -> list[str]:
    return [sys.executable, "-m", "zevm", *shlex.split(line)]


@pytest.fixture
def furnished(files: Path, tmp_path: Path) -> Path:
    """The caller's folder, with the files of `files` in it and a folder that is in the way."""
    for file in files.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize("line", FAILING.values(), ids=FAILING.keys())
def test_n8_what_fails_leaves_nothing(here: Here, furnished: Path, busy_port: str, line: str) -> None:
    before = _entries(furnished)
    arguments = line.replace("BUSY", busy_port).split()
    failed = here(*arguments, "--datadir", "deep/new")
    assert failed.code in (1, 2), failed.out
    assert _entries(furnished) == before, failed.out + failed.err


@pytest.mark.parametrize("name", [name for name, line in FAILING.items() if line.startswith("run")])
def test_n8_a_fresh_start_that_fails_forgets_nothing(
    here: Here, furnished: Path, busy_port: str, files: Path, name: str
) -> None:
    shutil.copytree(files / "chain", furnished / ".zevm")
    failed = here(*FAILING[name].replace("BUSY", busy_port).split(), "--fresh")
    assert failed.code in (1, 2), failed.out
    told = here("db", "rewind", "2")
    assert "the head was block 3" in told.out


def test_n8_an_import_that_fails_in_the_middle_says_what_it_keeps(here: Here, furnished: Path) -> None:
    content = (furnished / "blocks.rlp").read_bytes()
    (furnished / "cut.rlp").write_bytes(content[:-7])
    failed = here("import", "cut.rlp", "--genesis", "genesis.json", "--datadir", "new")
    assert failed.code == 1
    assert "blocks up to 1 are kept" in failed.err
    resumed = here("import", "blocks.rlp", "--datadir", "new")
    assert resumed.out == "imported 2 blocks; the head is block 3\n", resumed.err


def test_n8_a_failed_export_leaves_the_older_file(here: Here, furnished: Path) -> None:
    before = (furnished / "blocks.rlp").read_bytes()
    assert here("import", "blocks.rlp", "--genesis", "genesis.json").code == 0
    (furnished / "blocks.rlp").write_bytes(b"older")
    assert here("export", "blocks.rlp", "--last", "9").code == 1
    assert (furnished / "blocks.rlp").read_bytes() == b"older"
    assert here("export", "blocks.rlp").code == 0
    assert (furnished / "blocks.rlp").read_bytes() == before
    assert not list(furnished.glob(".blocks*"))


ADVICE = [
    # what fails, what it proposes, and what the proposal must lead to
    ("db stats --datadir d", "zevm run --datadir d", "Listening on"),
    ("export x --datadir d", "zevm run --datadir d", "Listening on"),
    ("import blocks.rlp --datadir d", "zevm import blocks.rlp --genesis genesis.json --datadir d", "imported 3 blocks"),
    (f"run --datadir d --unlock {BOB} --password-file password", "zevm account list --datadir d", ""),
    ("console http://127.0.0.1:FREE -e 1", "zevm run --port FREE", "Listening on 127.0.0.1:FREE"),
    ("wasm call 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --port FREE", "zevm run --port FREE", "Listening on"),
]


@pytest.mark.parametrize(("line", "proposed", "expected"), ADVICE)
def test_n8_the_advice_of_a_message_works(
    here: Here, start: Start, furnished: Path, line: str, proposed: str, expected: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = str(server.getsockname()[1])
    line, proposed, expected = (text.replace("FREE", free) for text in (line, proposed, expected))
    failed = here(*shlex.split(line))
    assert failed.code == 1, failed.out
    if proposed.startswith("zevm import"):
        assert "import into a new --datadir with its --genesis" in failed.err
    else:
        assert f"`{proposed}`" in failed.err
    words = shlex.split(proposed)[1:]
    if words[0] == "run":
        assert expected in start(*words[1:]).tail()
    else:
        assert expected in here(*words).out
    assert not (furnished / ".zevm").exists() or "--datadir" not in proposed


@pytest.mark.parametrize(
    ("message", "arguments", "expected"),
    [
        ("run `zevm db check`", ["--datadir", "a b"], "run `zevm db check --datadir 'a b'`"),
        ("`zevm db check --deep`, `zevm db rewind N`", ["--datadir=x", "--config", "c"],
         "`zevm db check --deep --datadir x --config c`, `zevm db rewind N --datadir x --config c`"),
        ("`zevm run --help` lists the flags", ["--datadir", "x"], "`zevm run --help` lists the flags"),
        ("`zevm run --datadir y`", ["--datadir", "x"], "`zevm run --datadir y`"),
        ("run `zevm db check`", ["run"], "run `zevm db check`"),
    ],
)  # fmt: skip
def test_n8_proposed_commands_are_aimed(message: str, arguments: list[str], expected: str) -> None:
    assert for_this_command(message, arguments) == expected


def test_n8_every_command_with_a_data_directory_is_walked() -> None:
    """A command that can make a data directory, or a file, is among those that fail above."""
    group = typer.main.get_command(whole_app())
    commands = {f"{name}": command for name, command in group.commands.items()}  # type: ignore[attr-defined]
    for name in ("db", "account", "wasm"):
        commands |= {f"{name} {inner}": command for inner, command in commands.pop(name).commands.items()}
    makers = {name for name, command in commands.items() if any(each.name == "datadir" for each in command.params)}
    walked = {name for name in commands for line in FAILING.values() if f"{line} ".startswith(f"{name} ")}
    assert makers - walked == {"console", "account list", "doctor"}
