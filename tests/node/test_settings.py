"""Settings: every source, their order, and what a wrong one says."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from inspect import signature
from pathlib import Path

import pytest
from pydantic import ValidationError

from zevm.chain.rules.forks import LATEST_FORK, Fork
from zevm.node.commands.run import run_for
from zevm.node.config import load_settings, program_settings
from zevm.node.errors import SettingsError
from zevm.node.network import chain_options
from zevm.node.settings import NodeSettings, Settings, setting_flags
from zevm.rpc.limits import Limits, limit_rows


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No zevm.toml of the tree and no ZEVM_ variables of the caller."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ZEVM_{name.upper()}", raising=False)
    monkeypatch.delenv("ZEVM_CONFIG", raising=False)
    return tmp_path


def _refusal(**flags: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.exit_code == 2
    return message


def test_defaults() -> None:
    settings = load_settings({})
    assert (settings.port, settings.host, settings.accounts) == (8545, ("127.0.0.1",), 10)
    assert settings.limits == Limits()
    assert settings.balance_wei == 10_000 * 10**18
    assert (settings.automine, settings.interval_ms) == (True, 0)
    assert settings.model_fields_set == set()


def test_without_a_size_limit_no_bound_of_bodies_is_left() -> None:
    limits = load_settings({"no_request_size_limit": True}).limits
    for name in ("http_body_bytes", "input_bytes", "json_structure", "json_names"):
        assert getattr(limits, name) >= 2**31, name


def test_flags_beat_the_environment_which_beats_the_file(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / "zevm.toml").write_text("port = 1\naccounts = 1\nchain-id = 1\n")
    monkeypatch.setenv("ZEVM_PORT", "2")
    monkeypatch.setenv("ZEVM_ACCOUNTS", "2")
    settings = load_settings({"port": "3"})
    assert (settings.port, settings.accounts, settings.chain_id) == (3, 2, 1)


def test_tables_and_lists_in_the_file(empty_folder: Path) -> None:
    file = empty_folder / "other.toml"
    file.write_text('host = ["127.0.0.1", "::1"]\nno_mining = true\n[rpc]\ncall-gas = 7\n[pool]\nglobal_slots = 9\n')
    settings = load_settings({}, file)
    assert settings.host == ("127.0.0.1", "::1")
    assert settings.no_mining
    assert (settings.limits.call_gas, settings.pool_limits.global_slots) == (7, 9)


def test_the_file_named_by_the_environment(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / "named.toml").write_text("port = 4\n")
    monkeypatch.setenv("ZEVM_CONFIG", "named.toml")
    assert load_settings({}).port == 4


def test_every_limit_is_a_flag_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start for each digit of the limits' numbers tells all variables apart."""
    rows, defaults = list(limit_rows()), Limits()
    others = {row.name: getattr(defaults, row.name) + 1 for row in rows}
    for bit in range(len(rows).bit_length()):
        given = {row.name for number, row in enumerate(rows, 1) if number >> bit & 1}
        with monkeypatch.context() as patched:
            for name in given:
                patched.setenv(f"ZEVM_RPC_{name.upper()}", str(others[name]))
            limits = load_settings({}).limits
        for name, other in others.items():
            assert getattr(limits, name) == (other if name in given else getattr(defaults, name)), name
    assert all(setting_flags()[f"rpc_{row.name}"].names == (row.flag,) for row in rows)


def test_every_setting_has_a_flag_of_its_own_and_a_meaning() -> None:
    names = [name for flag in setting_flags().values() for name in flag.names]
    assert len(names) == len(set(names))
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"--{name.replace('_', '-')}" in setting_flags()[name].names, name


ANVIL_FLAGS = (
    "--port -p --host --accounts -a --balance --mnemonic -m --mnemonic-random --derivation-path --chain-id --chain",
    "--hardfork --block-time -b --blockTime --no-mining --no-mine --mixed-mining --order --max-transactions",
    "--gas-limit --block-gas-limit --disable-block-gas-limit --disable-gas-limit --enable-tx-gas-limit --gas-price",
    "--block-base-fee-per-gas --base-fee --disable-min-priority-fee --no-priority-fee --timestamp --number",
    "--slots-in-an-epoch --init --config-out --ipc --ipcpath --allow-origin --no-request-size-limit",
    "--code-size-limit --disable-code-size-limit --disable-console-log --no-console-log --auto-impersonate",
    "--auto-unlock --disable-pool-balance-checks --disable-default-create2-deployer --no-create2 --quiet -q --silent",
    "--json --steps-tracing --tracing --preserve-historical-states",
)


@pytest.mark.parametrize("name", " ".join(ANVIL_FLAGS).split())
def test_anvils_flags_are_here(name: str) -> None:
    assert any(name in flag.names for flag in setting_flags().values())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "70000"}, "--port: '70000': want at most 65535"),
        ({"port": "abc"}, "--port: 'abc': want a whole number"),
        ({"hardfork": "atlantis"}, "--hardfork: 'atlantis': unknown hardfork; use one of frontier, homestead"),
        ({"mnemonic": "a b c"}, "--mnemonic: [hidden]: not an English BIP-39 phrase"),
        ({"derivation_path": "x"}, "--derivation-path: 'x': a derivation path begins with m/"),
        ({"balance": "-1"}, "--balance: '-1': want at least 0"),
        ({"block_time": "nan"}, "--block-time: 'nan': want a finite number"),
        ({"order": "random"}, "--order: 'random': want 'fees' or 'fifo'"),
        ({"unlock": "0x12"}, "'0x12' is not an address"),
        ({"rpc_evm_workers": "0"}, "--rpc-evm-workers: '0': want more than 0"),
        ({"rpc_evm_workers": "1025"}, "--rpc-evm-workers: '1025': want at most 1024"),
        ({"rpc_quic_idle_seconds": "inf"}, "--rpc-quic-idle-seconds: 'inf': want at most 1000000000"),
        ({"rpc_quic_streams": str(2**60 + 1)}, "want at most 1152921504606846976"),
        ({"rpc_quic_datagram_bytes": "1199"}, "--rpc-quic-datagram-bytes: '1199': want at least 1200"),
        ({"rpc_quic_largest_datagram_bytes": "65528"}, "want at most 65527"),
        ({"pool_global_slots": str(2**60 + 1)}, "want at most 1152921504606846976"),
        ({"no_mining": True, "block_time": "1"}, "--no-mining cannot be used with --block-time"),
        ({"mixed_mining": True}, "--mixed-mining needs --block-time"),
        ({"follow": "host"}, "--follow: 'host' is not the address of a node (HOST:PORT)"),
        ({"follow_ca": "quic-ca.pem"}, "--follow-ca needs --follow"),
        ({"follow_development": True}, "--follow-development needs --follow"),
        ({"memory": True, "fresh": True}, "--memory cannot be used with --fresh"),
        ({"authrpc": True, "block_time": "1"}, "--block-time cannot be used with --authrpc"),
        ({"authrpc_port": "8551", "block_time": "1"}, "--block-time cannot be used with --authrpc"),
        ({"authrpc_port": "70000"}, "--authrpc-port: '70000': want at most 65535"),
        ({"safe_distance": "-1"}, "--safe-distance: '-1': want at least 0"),
        ({"gas_limit": "30000000", "disable_block_gas_limit": True}, "--gas-limit cannot be used with"),
    ],
)
def test_a_wrong_flag_says_which_and_why(flags: dict[str, object], words: str) -> None:
    assert words in _refusal(**flags)


@pytest.mark.parametrize("name", ["addr", "port", "vhosts", "jwtsecret"])
def test_every_flag_of_the_engine_api_asks_for_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load_settings({}).external_consensus
    assert load_settings({"authrpc": True}).external_consensus
    assert f"--authrpc.{name}" in setting_flags()[f"authrpc_{name}"].names, "geth's flag"
    monkeypatch.setenv(f"ZEVM_AUTHRPC_{name.upper()}", "8551")
    settings = load_settings({})
    assert settings.external_consensus
    assert chain_options(settings).external_consensus
    assert (settings.limits.engine_reorg_blocks, settings.limits.engine_side_blocks) == (128, 1_024)


def test_a_wrong_variable_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEVM_CHAIN_ID", "0")
    assert _refusal() == "ZEVM_CHAIN_ID: '0': want at least 1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 'x'", "zevm.toml: port: 'x': want a whole number"),
        ("prot = 1", "zevm.toml: no such setting: prot (is port meant?)"),
        ("[rpc]\ncall_gass = 1", "no such setting: rpc_call_gass (is rpc_call_gas meant?)"),
        ("port = ", "zevm.toml: not TOML"),
        ("port = true", "zevm.toml: port: True: want a whole number"),
        ("block_time = true", "zevm.toml: block_time: True: want a number"),
        ("hardfork = 1", "zevm.toml: hardfork: 1: unknown hardfork; use one of frontier"),
        ("[port]", "zevm.toml: port: {}: want a whole number"),
    ],
)
def test_a_wrong_file_says_where(empty_folder: Path, text: str, words: str) -> None:
    (empty_folder / "zevm.toml").write_text(text)
    assert words in _refusal()


def test_a_missing_file_is_told() -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read: no such file"):
        load_settings({}, Path("absent.toml"))


@pytest.mark.parametrize(
    ("name", "fork"),
    [
        ("Cancun", Fork.CANCUN),
        ("spurious-dragon", Fork.SPURIOUS_DRAGON),
        ("merge", Fork.PARIS),
        ("latest", LATEST_FORK),
    ],
)
def test_forks_by_any_spelling(name: str, fork: Fork) -> None:
    assert load_settings({"hardfork": name}).hardfork is fork


@pytest.mark.parametrize(
    ("flags", "automine", "interval_ms"),
    [
        ({}, True, 0),
        ({"block_time": "2.5"}, False, 2500),
        ({"block_time": "1", "mixed_mining": True}, True, 1000),
        ({"no_mining": True}, False, 0),
    ],
)
def test_mining_modes(flags: dict[str, object], automine: bool, interval_ms: int) -> None:
    settings = load_settings(flags)
    assert (settings.automine, settings.interval_ms) == (automine, interval_ms)


def test_fractions_of_an_ether() -> None:
    settings = load_settings({"balance": "0.000000000000000001"})
    assert isinstance(settings, NodeSettings)
    assert (settings.balance, settings.balance_wei) == (Decimal("1e-18"), 1)


def test_a_certificate_and_its_key_belong_together() -> None:
    for name in ("quic_cert", "quic_key"):
        with pytest.raises(ValidationError, match="--quic-cert and --quic-key belong together"):
            Settings(**{name: Path("x.pem")})


def test_the_command_line_has_the_flags_that_are_given_and_all_where_one_is_unknown() -> None:
    every = {*setting_flags(), "config", "chains", "help_limits"}
    assert set(signature(run_for(None)).parameters) == every
    for arguments in (["-p1"], ["--port", "1", "--prot"], ["--help"], ["-h"], ["--help-limits"], ["--balance", "-1"]):
        assert set(signature(run_for(arguments)).parameters) == every, arguments
    for name, flag in setting_flags().items():
        for written in flag.names:
            assert set(signature(run_for([written, "1"])).parameters) == {name}
    assert [*signature(run_for(["--no-mining", "--config=a", "--port=1", "--chains", "b"])).parameters] == [
        "port", "no_mining", "config", "chains",
    ]  # fmt: skip
    assert not signature(run_for([])).parameters


@pytest.mark.parametrize("variable", ["ZEVM_BALANCE", "zevm_balance"])
def test_a_variable_is_read_alone_as_among_others(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "7")
    assert load_settings({}).balance == 7
    monkeypatch.setenv("ZEVM_PORT", "")
    settings = load_settings({})
    assert (settings.balance, settings.port) == (Decimal(7), 8545)
    assert load_settings({"balance": "8"}).balance == 8


def test_threads_load_from_their_own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """One class serves all loads at a time."""
    monkeypatch.setenv("ZEVM_ACCOUNTS", "3")
    with ThreadPoolExecutor(4) as threads:
        of_commands = [threads.submit(load_settings, {}) for _ in range(20)]
        of_programs = [threads.submit(program_settings, {}, {}) for _ in range(20)]
    assert {loaded.result().accounts for loaded in of_commands} == {3}
    assert {loaded.result().accounts for loaded in of_programs} == {10}


def test_a_genesis_file_may_have_the_name_of_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEVM_INIT", "1")
    assert load_settings({}).init == Path("1")
