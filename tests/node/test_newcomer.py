"""N7, N9, N10, N11: what somebody meets who uses the command line for the first time."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.forked import ForkedNode
from testing.node_process import ROOT, NodeProcess, zevm_command
from tests.node.conftest import Here, Start
from zevm.node.cli import with_default_command
from zevm.node.colours import painter
from zevm.node.errors import SettingsError
from zevm.node.foreign_flags import FOREIGN_FLAGS, ForeignFlag, Takes
from zevm.node.help import COMMON_SETTINGS
from zevm.node.loopback import is_loopback
from zevm.node.secrets import without_secrets
from zevm.node.setting_kinds import LIMITS, POOL
from zevm.node.settings import Settings, setting_flags

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
PHRASE = "test test test test test test test test test test test test"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OUR_NAMES = {name for flag in setting_flags().values() for name in flag.names}


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with ForkedNode(zevm_command("--memory", "--chain-id", "4242")) as process:
        yield process


class TestN7OneVariableNamesTheNode:
    def test_every_command_that_calls_a_node_honours_it(
        self, here: Here, node: NodeProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ETH_RPC_URL", node.url)
        assert here("console", "--exec", "print(w3.eth.chain_id)").out == "4242\n"
        called = here("wasm", "call", BOB, "get()")
        assert "no WebAssembly contract" in called.err
        (Path("module.wasm")).write_bytes(b"\0asm\1\0\0\0")
        assert "no node answers" not in here("wasm", "deploy", "module.wasm").err

    def test_what_is_given_goes_before_it(self, here: Here, node: NodeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ETH_RPC_URL", "http://127.0.0.1:9")
        for given in ([node.url], ["--port", str(node.port)]):
            assert here("console", *given, "--exec", "print(w3.eth.chain_id)").out == "4242\n"
        assert "no node answers at http://127.0.0.1:9" in here("console", "--exec", "1").err

    def test_what_is_no_url_is_told(self, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ETH_RPC_URL", "ws://127.0.0.1:8545")
        assert "ETH_RPC_URL: 'ws://127.0.0.1:8545' is not an HTTP address" in here("console", "--exec", "1").err

    def test_the_examples_and_the_documents_know_no_other(self) -> None:
        for file in [*(ROOT / "examples").rglob("*.*js"), *(ROOT / "examples").rglob("*.py")]:
            if "node_modules" not in file.parts and file.is_file():
                assert "ZEVM_URL" not in file.read_text(), file
                assert "8545" not in file.read_text() or "ETH_RPC_URL" in file.read_text(), file
        assert "ETH_RPC_URL" in (ROOT / "docs" / "clients.md").read_text()
        assert "ETH_RPC_URL" in (ROOT / "docs" / "settings.md").read_text()


def _anvils_flags() -> list[str]:
    anvil = ROOT / "tests" / "clients" / "node_modules" / ".bin" / "anvil"
    if not anvil.exists():
        return []
    text = subprocess.run([anvil, "--help"], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^ +(?:(-\w), )?(--[\w-]+)", text, flags=re.MULTILINE)
    aliases = re.findall(r"\[aliases: (--.*?)\]", text)
    return sorted({name for pair in names for name in pair if name} | {
        name.strip() for listed in aliases for name in listed.split(",")
    })  # fmt: skip


class TestN9FlagsOfOtherNodes:
    @pytest.mark.clients
    def test_anvils_help_is_walked(self) -> None:
        flags = _anvils_flags()
        assert len(flags) > 70, "the client tools are missing: run scripts/install_client_tools.sh"
        foreign = {name for flag in FOREIGN_FLAGS for name in flag.names}
        known = OUR_NAMES | foreign | {"--help", "-h", "--version", "-V"}
        assert [name for name in flags if name not in known] == []

    @pytest.mark.parametrize("flag", FOREIGN_FLAGS, ids=lambda flag: flag.names[0])
    def test_each_is_renamed_or_noted_or_refused(self, flag: ForeignFlag, capsys: pytest.CaptureFixture[str]) -> None:
        for name in flag.names:
            values = [] if flag.takes is Takes.NOTHING else [flag.only or "5"]
            arguments = [name, *values, "--memory"]
            if not flag.accepted:
                with pytest.raises(SettingsError, match=re.escape(f"{name}, a flag of {flag.owner}'s: ")):
                    with_default_command(arguments)
                continue
            kept = with_default_command(arguments)
            ours = [] if flag.renamed is None else [flag.renamed, *([] if flag.only else values)]
            assert kept == ["run", *ours, "--memory"]
            assert capsys.readouterr().err.startswith(f"zevm: Warning: {name}, a flag of {flag.owner}'s, ")

    def test_the_table_is_sound(self) -> None:
        names = [name for flag in FOREIGN_FLAGS for name in flag.names]
        assert len(names) == len(set(names))
        assert not OUR_NAMES & set(names), "a flag of ours needs no row"
        for flag in FOREIGN_FLAGS:
            assert flag.renamed is None or flag.renamed in OUR_NAMES
            assert flag.renamed is not None or flag.about
            for mentioned in re.findall(r"--[a-z][\w.-]+", flag.about):
                assert mentioned in OUR_NAMES, mentioned

    @pytest.mark.parametrize(
        ("line", "kept"),
        [
            ("--threads=4 -vvv --no-cors", ""),
            ("--prune-history --memory", "--memory"),
            ("--prune-history 5 --memory", "--memory"),
            ("--hostname=127.0.0.1 --dev.period 2", "--host 127.0.0.1 --block-time 2"),
            ("--mnemonic-random --no-cors --ipc --threads 2", "--mnemonic-random 12 --ipc @"),
            ("--client-version --no-cors", "--client-version"),
            ("-p 1 --cache-path", "-p 1"),
            ("--log-format json --log.format=json", "--json-logs --json-logs"),
            ("--log-format text --memory", "--memory"),
        ],
    )
    def test_how_they_are_read(self, line: str, kept: str) -> None:
        assert with_default_command(line.split()) == ["run", *kept.split()]

    @pytest.mark.parametrize("line", ["--version", "-V", "run --version", "run --memory -V"])
    def test_its_version_is_asked_as_anvils(self, line: str) -> None:
        assert with_default_command(line.split()) == ["version"]

    def test_a_node_starts_with_them(self, start: Start) -> None:
        node = start("--memory", "--no-cors", "--threads", "2", "-vv", "--prune-history", "--dev")
        assert "zevm: Warning: --no-cors, a flag of Anvil's, has no effect here: " in node.tail(100)
        with node.connect() as client:
            assert client.call("eth_chainId") == "0x7a69"

    def test_forking_is_told(self, here: Here) -> None:
        told = here(
            "--fork-url", "http://127.0.0.1:9", "--fork-retry-backoff", "1", "--port", "0", "--no-storage-caching"
        )
        assert (told.code, told.err.count("\n")) == (1, 1)
        assert "eth_chainId() has no answer after 6 attempts, the last of http://127.0.0.1:9: no connection" in told.err


class TestN10KeysAreNotShown:
    @pytest.mark.parametrize("key", [KEY, "0x" + KEY])
    @pytest.mark.parametrize(
        "line",
        [
            "account import KEY", "account new KEY", "account list KEY", "KEY", "run KEY", "run --unlock KEY",
            "run --datadir /proc/KEY", "run --port KEY", "db rewind KEY", "wasm deploy KEY", "--mnemonic KEY",
            "--keystore KEY", "export /proc/KEY", "account import --key KEY", "run --init KEY",
            "wasm deploy module.wasm --creation --private-key KEY", "account new --password-file KEY",
        ],
    )  # fmt: skip
    def test_no_message_echoes_a_key(self, here: Here, line: str, key: str) -> None:
        told = here(*line.replace("KEY", key).split())
        assert told.code != 0
        assert KEY not in told.out + told.err

    def test_a_key_in_place_of_a_file_is_explained(self, here: Here) -> None:
        assert "want a file that holds the key, not the key itself" in here("account", "import", KEY).err

    def test_a_phrase_is_not_echoed(self, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
        for arguments in (["--mnemonic", PHRASE], [f"--mnemonic={PHRASE}"], ["-m", PHRASE]):
            told = here(*arguments)
            assert "not an English BIP-39 phrase" in told.err
            assert "test test" not in told.err
        monkeypatch.setenv("ZEVM_MNEMONIC", PHRASE)
        assert "test test" not in here("db", "stats").err
        monkeypatch.delenv("ZEVM_MNEMONIC")
        Path("zevm.toml").write_text(f'mnemonic = "{PHRASE}"\n')
        assert "test test" not in here("db", "stats").err

    def test_hashes_are_shown(self) -> None:
        line = ["wasm", "call", BOB, "--block", "0x" + KEY]
        assert without_secrets(f"block 0x{KEY} is unknown", line) == f"block 0x{KEY} is unknown"
        assert without_secrets(f"block 0x{KEY}", ["import", "blocks.rlp"]) == f"block 0x{KEY}"

    def test_without_a_terminal_it_is_one_sentence(self, here: Here) -> None:
        told = here("account", "new")
        assert told.err == (
            "zevm: Password: there is no terminal to ask; give the password with --password-file FILE\n"
        )
        made = here("account", "new", stdin="secret\n")
        assert (made.code, made.err) == (0, "")

    @pytest.mark.parametrize(
        ("arguments", "warned"),
        [
            ("--host 0.0.0.0", ["Anyone who reaches 0.0.0.0", "known to everyone"]),
            ("--host 0.0.0.0 --mnemonic-random", ["Anyone who reaches 0.0.0.0"]),
            ("--host 0.0.0.0 --accounts 0", []),
            ("--host 127.0.0.1,::1", []),
        ],
    )
    def test_the_banner_warns_where_others_reach_known_keys(
        self, start: Start, arguments: str, warned: list[str]
    ) -> None:
        lines = [line for line in start("--memory", *arguments.split()).tail(200).splitlines() if "WARNING" in line]
        assert len(lines) == len(warned)
        assert all(words in line for words, line in zip(warned, lines, strict=True))

    def test_which_hosts_others_reach(self) -> None:
        assert all(is_loopback(host) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"))
        assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.7", "zevm.example", ""))


def _settings_of_every_kind() -> list[str]:
    """Every setting, but of the limits, which are refused alike, one of each type and bounds."""
    kinds = {
        (name, "") if flag.panel not in (LIMITS, POOL) else (str(field.annotation), str(field.metadata)): name
        for name, field in Settings.model_fields.items()
        for flag in (setting_flags()[name],)
    }
    return list(kinds.values())


class TestN11HelpAndWords:
    def test_the_flags_that_matter_stand_first_and_in_the_help_of_zevm(self, here: Here) -> None:
        for line in (["--help"], ["run", "--help"]):
            text = here(*line).out
            panels = re.findall(r"╭─ (.*?) ─", text)
            common = next(panel for panel in panels if "ommon flags" in panel)
            assert panels.index(common) <= 1
            block = text.split(common)[1].split("╰")[0]
            assert [f"--{name.replace('_', '-')}" in block for name in COMMON_SETTINGS] == [True] * 13
            assert "<bool>" not in text

    def test_limits_are_shown_on_request(self, here: Here) -> None:
        limits = [flag.names[0] for flag in setting_flags().values() if flag.panel in (LIMITS, POOL)]
        help_text, limit_text = here("run", "--help").out, here("run", "--help-limits").out
        assert not [name for name in limits if name in help_text]
        assert [name for name in limits if name not in limit_text] == []
        assert "--datadir" not in limit_text
        assert "--help-limits" in help_text

    def test_no_option_shows_a_type_of_python(self, here: Here) -> None:
        for line in ("db check", "db stats", "import", "export", "account new", "console", "wasm deploy", "wasm call"):
            assert not re.search(r"<(bool|int|str|float|list)\b", here(*line.split(), "--help").out), line

    @pytest.mark.parametrize("name", _settings_of_every_kind())
    def test_no_wrong_value_speaks_as_a_library(self, here: Here, name: str) -> None:
        told = here("run", "--memory", "--accounts", "0", f"{setting_flags()[name].names[0]}=\x00-!", "--port", "x")
        assert told.code == 2
        assert not re.search(r"Input|should be|unable to parse|pydantic|valid (integer|number|boolean)|Errno", told.err)

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("run --port abc", "--port: 'abc': want a whole number"),
            ("run --port 70000", "--port: '70000': want at most 65535"),
            ("run --accounts -1", "--accounts: '-1': want at least 0"),
            ("run --block-time x", "--block-time: 'x': want a number"),
            ("run --order x", "--order: 'x': want 'fees' or 'fifo'"),
            ("db rewind x", "want a whole number"),
            ("account import absent", "absent: cannot be read: no such file or directory"),
            ("wasm inspect absent", "absent: cannot be read: no such file or directory"),
            ("import absent", "absent: cannot be read: no such file or directory"),
            ("run --config absent", "absent: cannot be read: no such file or directory"),
            ("init --genesis absent", "absent: cannot be read: no such file or directory"),
            ("run --prot 1", "--port"),
        ],
    )
    def test_words(self, here: Here, line: str, words: str) -> None:
        told = here(*line.split())
        assert words in told.err
        assert "Errno" not in told.err

    def test_the_version_has_a_short_flag(self, here: Here) -> None:
        assert here("-V").out == here("--version").out == here("version").out

    def test_the_newest_fork_is_spelled_as_it_is(self, start: Start) -> None:
        assert "Hardfork:          BPO2" in start("--memory").tail(100)

    def test_a_signal_is_answered(self, start: Start) -> None:
        for arguments, words in (("--memory", "in memory and is gone"), ("--datadir kept", "is kept in kept")):
            node = start(*arguments.split())
            assert node.stop() == 0
            assert f"Stopping; its chain {'was' if '--memory' in arguments else 'is'}" in node.tail(5)
            assert words in node.tail(5)

    def test_colours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal:
            def isatty(self) -> bool:
                return True

        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        text = "eth_chainId (2)\nWARNING: x\nplain\n    Error: y"
        coloured = painter(Terminal(), "auto")(text)
        assert re.sub(r"\x1b\[\d+m", "", coloured) == text
        assert coloured.count("\x1b[0m") == 3
        monkeypatch.setenv("NO_COLOR", "1")
        assert painter(Terminal(), "auto")(text) == text
        assert painter(Terminal(), "always")(text) == coloured
        with Path("file").open("w") as file:
            assert painter(file, "auto")(text) == text

    def test_the_node_has_colours_when_asked(self, start: Start) -> None:
        node = start("--memory", "--color", "always")
        assert "\x1b[1mAvailable Accounts\x1b[0m" in node.tail(200)
        with node.connect() as client:
            client.call("eth_chainId")
        node.wait_for_line(re.compile("\x1b\\[32meth_chainId\x1b\\[0m"))


def test_n11_an_unknown_method_gets_a_suggestion(start: Start) -> None:
    with start("--memory").connect() as client:
        for name, meant in (("eth_getBlance", "eth_getBalance"), ("ETH_chainid", "eth_chainId"),
                            ("net_versio", "net_version"), ("evn_mine", None), ("quite_different", None)):  # fmt: skip
            error = json.loads(client.exchange(client.request(name)))["error"]
            assert error["code"] == -32601
            assert error["message"] == f"the method {name} does not exist/is not available"
            assert error.get("data") == (None if meant is None else f"did you mean {meant}?")
