"""The commands beside `run`: database, accounts, export and import, console, init."""

import gzip
import json
import random
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from testing.forked import ForkedNode
from testing.node_process import NodeProcess
from tests.node.conftest import Command, Start
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types import Block
from zevm.node.commands.blocks import split_items
from zevm.node.commands.console import run_code
from zevm.storage.rlp import RlpError

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def _mine(node: NodeProcess, count: int) -> None:
    with node.connect() as client:
        for _ in range(count):
            client.call("eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x1"})


def _call(node: NodeProcess, method: str, *params: object) -> object:
    with node.connect() as client:
        return client.call(method, *params)


@pytest.fixture(scope="module")
def chain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of three blocks, whose node was stopped."""
    folder = tmp_path_factory.mktemp("chain")
    with ForkedNode([sys.executable, "-m", "zevm", "run", "--port", "0"], cwd=folder) as node:
        _mine(node, 3)
        assert node.stop() == 0
    return folder / ".zevm"


@pytest.fixture
def three_blocks(chain_folder: Path, tmp_path: Path) -> None:
    """A chain of three blocks in .zevm, whose node was stopped."""
    shutil.copytree(chain_folder, tmp_path / ".zevm")


@pytest.mark.usefixtures("three_blocks")
def test_check_finds_a_sound_database_sound(zevm: Command) -> None:
    assert zevm("db", "check").stdout.startswith("sound")
    deep = zevm("db", "check", "--deep", process=True)
    assert (deep.returncode, deep.stdout) == (0, "sound\n")


@pytest.mark.usefixtures("three_blocks")
def test_check_finds_damage(zevm: Command, tmp_path: Path) -> None:
    log = max((tmp_path / ".zevm" / "leveldb").glob("*.log"), key=lambda file: file.stat().st_size)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 1
    log.write_bytes(content)
    for command in (["db", "check"], ["db", "check", "--deep"]):
        checked = zevm(*command)
        assert checked.returncode == 1, checked.stdout
        assert "problem: " in checked.stdout
        assert "zevm db rewind" in checked.stdout
    refused = zevm("run", "--port", "0")
    assert refused.returncode == 1
    assert "zevm db" in refused.stderr


@pytest.mark.usefixtures("three_blocks")
def test_rewind(zevm: Command, start: Start) -> None:
    refused = zevm("db", "rewind", "9")
    assert refused.returncode == 1
    assert "9" in refused.stderr
    rewound = zevm("db", "rewind", "1", process=True)
    assert rewound.stdout == "the head was block 3, and is block 1 now\n"
    assert "rewinding blocks" in rewound.stderr
    assert zevm("db", "check", "--deep").returncode == 0
    assert _call(start(), "eth_blockNumber") == "0x1"


@pytest.mark.usefixtures("three_blocks")
def test_stats(zevm: Command) -> None:
    told = zevm("db", "stats", "--count")
    assert "4 blocks" in told.stdout
    assert "keys" in told.stdout
    assert "counting headers, bytes" in told.stderr
    assert "counting" not in zevm("db", "stats").stderr


@pytest.mark.usefixtures("three_blocks")
def test_compact_leaves_what_is_removed(zevm: Command, start: Start) -> None:
    node = start()
    random_source = random.Random(1)
    snapshot = _call(node, "evm_snapshot")
    for _ in range(8):
        data = "0x" + random_source.randbytes(100_000).hex()
        _call(node, "eth_sendTransaction", {"from": ALICE, "to": BOB, "data": data})
    assert _call(node, "evm_revert", snapshot) is True
    assert node.stop() == 0
    told = zevm("db", "compact")
    before, after = (int(text.replace(",", "")) for text in re.findall(r"([\d,]+) bytes", told.stdout))
    assert before > 800_000
    assert after < before / 2
    assert "compacting tables" in told.stderr
    assert zevm("db", "check", "--deep").returncode == 0
    assert _call(start(), "eth_blockNumber") == "0x3"


def test_commands_need_a_database(zevm: Command) -> None:
    for command in ("db check", "db stats", "db compact", "db rewind 0", "export blocks.rlp"):
        refused = zevm(*command.split())
        assert refused.returncode == 1
        assert "there is no database at .zevm" in refused.stderr
    assert not Path(".zevm").exists()


@pytest.mark.usefixtures("three_blocks")
@pytest.mark.parametrize("name", ["blocks.rlp", "blocks.rlp.gz"])
def test_exported_blocks_can_be_imported(zevm: Command, start: Start, tmp_path: Path, name: str) -> None:
    exported = zevm("export", name, "--genesis", "genesis.json", process=name.endswith(".gz"))
    assert exported.stdout == f"{name}: blocks 0 to 3\n", exported.stderr
    content = (tmp_path / name).read_bytes()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    (tmp_path / "plain").write_bytes(content)
    with (tmp_path / "plain").open("rb") as stream:
        assert [Block.decode(item).number for item in split_items(stream)] == [0, 1, 2, 3]
    imported = zevm("import", name, "--datadir", "copy", "--genesis", "genesis.json", process=name.endswith(".gz"))
    assert imported.stdout == "imported 3 blocks; the head is block 3\n", imported.stderr
    again = zevm("import", name, "--datadir", "copy")
    assert again.stdout == "imported 0 blocks; the head is block 3\n", again.stderr
    original, copy = start(), start("--datadir", "copy")
    assert _call(original, "eth_getBlockByNumber", "0x3", True) == _call(copy, "eth_getBlockByNumber", "0x3", True)
    assert _call(copy, "eth_getBalance", BOB, "0x2") == hex(10_000 * 10**18 + 2)


@pytest.mark.usefixtures("three_blocks")
def test_a_part_can_be_exported(zevm: Command) -> None:
    assert zevm("export", "part", "--first", "2", "--last", "3").stdout == "part: blocks 2 to 3\n"
    refused = zevm("export", "part", "--first", "2", "--last", "4")
    assert "no blocks 2 to 4 in this chain, which has 0 to 3" in refused.stderr


@pytest.mark.usefixtures("three_blocks")
def test_another_chains_blocks_are_not_imported(zevm: Command) -> None:
    zevm("export", "blocks.rlp")
    refused = zevm("import", "blocks.rlp", "--datadir", "other", "--config", _config("chain-id = 5\n"))
    assert refused.returncode == 1
    assert "it is another chain's" in refused.stderr


def _config(text: str) -> str:
    Path("other.toml").write_text(text)
    return "other.toml"


@pytest.mark.usefixtures("three_blocks")
@pytest.mark.parametrize(
    ("change", "words", "kept"),
    [
        (lambda content: content[:-7], "the last block is cut short", True),
        (lambda content: b"nonsense" + content, "not a file of blocks", False),
        (lambda content: content[:-40] + bytes(40), "block", True),
    ],
)
def test_damaged_files_are_not_imported(zevm: Command, tmp_path: Path, change: object, words: str, kept: bool) -> None:
    zevm("export", "blocks.rlp", "--genesis", "genesis.json")
    content = (tmp_path / "blocks.rlp").read_bytes()
    (tmp_path / "blocks.rlp").write_bytes(change(content))  # type: ignore[operator]
    refused = zevm("import", "blocks.rlp", "--datadir", "copy", "--genesis", "genesis.json")
    assert refused.returncode == 1
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "copy").exists() == kept
    assert not kept or zevm("db", "check", "--datadir", "copy", "--deep").returncode == 0


def test_a_stream_of_items_in_small_pieces() -> None:
    class Trickle:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def read(self, _: int) -> bytes:
            piece, self.content = self.content[:3], self.content[3:]
            return piece

    items = [b"\xc0", b"\xc3\x01\x02\x03", b"\xf8\x40" + bytes(64), b"\xf9\x01\x00" + bytes(256)]
    assert list(split_items(Trickle(b"".join(items)))) == items
    with pytest.raises(RlpError, match="cut short"):
        list(split_items(Trickle(b"\xc3\x01")))
    with pytest.raises(RlpError, match="want at most"):
        list(split_items(Trickle(b"\xff" + b"\xff" * 8)))


def test_accounts(zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "key").write_text("0x" + "11" * 32 + "\n")
    assert zevm("account", "list").stdout == ""
    first = zevm("account", "new", "--password-file", "password")
    assert first.returncode == 0, first.stderr
    second = zevm("account", "import", "key", "--password-file", "password")
    assert second.stdout.startswith("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A ")
    listed = zevm("account", "list").stdout.splitlines()
    assert [line.split()[1] for line in listed] == [made.stdout.split()[0] for made in (first, second)]
    content = json.loads(Path(listed[1].split()[2]).read_text())
    assert bytes(Account.decrypt(content, "secret")).hex() == "11" * 32
    again = zevm("account", "import", "key", "--password-file", "password")
    assert again.returncode == 1
    assert "already" in again.stderr


def test_a_key_file_is_imported_with_its_password(zevm: Command, tmp_path: Path) -> None:
    content = Account.encrypt("0x" + "22" * 32, "old", kdf="pbkdf2", iterations=10)
    (tmp_path / "wallet.json").write_text(json.dumps(content))
    (tmp_path / "old").write_text("old")
    (tmp_path / "bad").write_text("bad")
    assert "wrong password" in zevm("account", "import", "wallet.json", "--password-file", "bad").stderr
    made = zevm("account", "import", "wallet.json", "--password-file", "old")
    assert made.stdout.startswith("0x1563915e194D8CfBA1943570603F7606A3115508 ")


@pytest.mark.parametrize("content", ["", "xyz", "11" * 31, "00" * 32, "ff" * 32])
def test_what_is_no_key_is_not_imported(zevm: Command, tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    (tmp_path / "password").write_text("secret\n")
    refused = zevm("account", "import", "key", "--password-file", "password")
    assert refused.returncode == 1
    assert "not a private key" in refused.stderr
    assert content == "" or content not in refused.stderr


def test_the_password_can_be_typed(zevm: Command) -> None:
    made = zevm("account", "new", stdin="secret\nsecret\n", process=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("0x")
    assert "secret" not in made.stdout + made.stderr


def test_init_begins_a_chain_that_run_serves(zevm: Command, start: Start, tmp_path: Path) -> None:
    genesis: Any = load_default_genesis().to_json()
    genesis["config"]["chainId"] = 4242
    (tmp_path / "genesis.json").write_text(json.dumps(genesis))
    made = zevm("init", "--genesis", "genesis.json", process=True)
    assert made.returncode == 0, made.stderr
    first = made.stdout.split()[-1]
    assert zevm("init", "--genesis", "genesis.json").stdout == made.stdout
    node = start()
    assert _call(node, "eth_chainId") == hex(4242)
    block = _call(node, "eth_getBlockByNumber", "0x0", False)
    assert isinstance(block, dict)
    assert block["hash"] == first
    node.stop()
    genesis["timestamp"] = "0x5"
    (tmp_path / "genesis.json").write_text(json.dumps(genesis))
    refused = zevm("init", "--genesis", "genesis.json")
    assert refused.returncode == 1
    assert "holds chain 4242" in refused.stderr


def test_console_runs_code_against_the_node(zevm: Command, start: Start) -> None:
    node = start("--memory")
    code = "print(w3.eth.chain_id, len(accounts), eth.block_number)"
    told = zevm("console", "--port", str(node.port), "--exec", code, process=True)
    assert told.stdout == "31337 10 0\n", told.stderr
    typed = zevm("console", node.url, stdin="w3.eth.chain_id + 1\n", process=True)
    assert "31338" in typed.stdout


@pytest.mark.parametrize(
    ("source", "code", "out", "err"),
    [
        ("for item in range(2): print(item)", 0, "0\n1\n", ""),
        ("a = 20\na + 1", 0, "21\n", ""),
        ("1 / 0", 1, "", "ZeroDivisionError: division by zero"),
        ("print('x'", 1, "", "SyntaxError: '(' was never closed"),
        ("exit(3)", 3, "", ""),
    ],
)
def test_console_runs_whole_programs_and_tells_of_errors(
    source: str, code: int, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        ended: object = run_code(source, {})
    except SystemExit as stop:
        ended = stop.code
    told = capsys.readouterr()
    assert (ended, told.out) == (code, out)
    assert err in told.err


def test_console_without_a_node(zevm: Command) -> None:
    refused = zevm("console", "http://127.0.0.1:9", "--exec", "1")
    assert refused.returncode == 1
    assert (
        refused.stderr
        == "zevm: no node answers at http://127.0.0.1:9: Connection refused; start one with `zevm run --port 9`\n"
    )


def test_version_and_help(zevm: Command) -> None:
    assert zevm("version").stdout == zevm("--version", process=True).stdout == "zevm 0.1.0\n"
    assert "export" in zevm("--help").stdout
    assert "--rpc-evm-timeout-seconds" in zevm("run", "--help-limits").stdout


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("contract", "send", "--nothing"), "(`zevm contract send --help` lists its flags)"),
        (("db", "check", "--nothing"), "(`zevm db check --help` lists its flags)"),
        (("run", "more"), "(`zevm --help` lists the commands, `zevm run --help` the flags)"),
        (("nothing",), "(`zevm --help` lists the commands, `zevm run --help` the flags)"),
    ],
)
def test_a_mistaken_command_is_told_where_its_help_is(zevm: Command, command: tuple[str, ...], hint: str) -> None:
    refused = zevm(*command)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"{hint}\n")


def test_b8_a_killed_database_without_its_marks_is_refused_until_it_is_accepted(
    zevm: Command, start: Start, tmp_path: Path
) -> None:
    node = start()
    with node.connect() as client:
        client.call("anvil_mine", "0x3")
    node.kill()
    for mark in (".zevm/SEQUENCE", ".zevm/marks/SEQUENCE"):
        (tmp_path / mark).unlink()
    refused = zevm("run", "--port", "0")
    assert refused.returncode == 1
    assert "`zevm db check --accept`" in refused.stderr
    assert zevm("db", "check", "--accept").stdout.endswith("sound\n")
    with start().connect() as client:
        assert client.call("eth_blockNumber") == "0x3"


def test_commands_on_a_pruned_chain(zevm: Command, start: Start) -> None:
    """Checks find nothing missing, sizes say it, and neither rewinds nor exports reach what is gone."""
    node = start("--prune", "256")
    _call(node, "anvil_mine", hex(400))
    kept = int(_call(node, "eth_getBlockByNumber", "earliest", False)["number"], 16)
    assert kept > 64
    assert node.stop() == 0
    checked = zevm("db", "check", "--deep")
    assert (checked.returncode, checked.stdout) == (0, "sound\n")
    assert f"401 blocks (pruned before {kept})" in " ".join(zevm("db", "stats").stdout.split())
    for refused, told in (
        (zevm("db", "rewind", str(kept - 1)), f"cannot go back to block {kept - 1}"),
        (zevm("export", "blocks.rlp"), f"blocks before {kept} were pruned; --first {kept} exports those that are kept"),
        (zevm("run", "--port", "0", "--prune", "255"), "want at least 256"),
        (zevm("run", "--port", "0", "--prune", "256", "--proofs", "all"), "--proofs all"),
        (zevm("run", "--port", "0", "--prune", "256", "--fork-url", "http://127.0.0.1:1"), "a fork keeps all"),
    ):
        assert refused.returncode != 0
        assert told in refused.stderr, refused.stderr
    assert zevm("export", "blocks.rlp", "--first", str(kept)).stdout == f"blocks.rlp: blocks {kept} to 400\n"
    assert zevm("db", "rewind", str(kept)).stdout == f"the head was block 400, and is block {kept} now\n"
    assert zevm("db", "check", "--deep").returncode == 0
    assert _call(start(), "eth_blockNumber") == hex(kept)


def test_a_start_prunes_a_chain_that_has_kept_everything(zevm: Command, start: Start) -> None:
    node = start()
    _call(node, "anvil_mine", hex(700))
    assert node.stop() == 0
    node = start("--prune", "256")
    for _ in range(1_000):
        # a write, which has its turn between two steps
        _call(node, "evm_snapshot")
        earliest = _call(node, "eth_getBlockByNumber", "earliest", False)["number"]
        if earliest == hex(700 - 256 + 1):
            break
    assert earliest == hex(700 - 256 + 1)
    assert node.stop() == 0
    assert zevm("db", "check", "--deep").returncode == 0
