"""`zevm run` as a process: banner, stop, restart, and every start that must fail in one line."""

import json
import re
import signal
import socket
import stat
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from testing.node_process import NodeProcess
from testing.speed import PATIENCE_SECONDS
from tests.node.conftest import Command, Start
from zevm.chain.vm.engines.engine import default_engine
from zevm.core import CORE
from zevm.node.app import BLOBS_AFTER_SECONDS

ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def _send(node: NodeProcess, value: int = 1) -> str:
    with node.connect() as client:
        transaction_hash: str = client.call("eth_sendTransaction", {"from": ALICE, "to": BOB, "value": hex(value)})
        return transaction_hash


def _call(node: NodeProcess, method: str, *params: object) -> object:
    with node.connect() as client:
        return client.call(method, *params)


def _one_line(text: str) -> str:
    assert text.startswith("zevm: "), text
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    return text


def test_the_banner_has_anvils_shape(start: Start) -> None:
    node = start("--accounts", "2", "--balance", "5", "--memory")
    lines = node.tail(100).splitlines()
    titles = [lines[index - 1] for index, line in enumerate(lines) if line == "=" * 18]
    assert titles[:4] == ["Available Accounts", "Private Keys", "Wallet", "Chain ID"]
    assert titles[4:8] == ["Base Fee", "Gas Limit", "Genesis Timestamp", "Genesis Number"]
    assert f"(0) {ALICE} (5.000000000000000000 ETH)" in lines
    assert "(1) 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d" in lines
    assert "Mnemonic:          test test test test test test test test test test test junk" in lines
    assert lines[lines.index("Chain ID") + 3] == "31337"
    assert f"Core:              {CORE.description}" in lines
    assert f"EVM:               {default_engine().value}" in lines
    assert lines[-1] == f"Listening on 127.0.0.1:{node.port}"


def _helpers(node: NodeProcess) -> list[str]:
    """The command lines of a node's own processes."""
    found = []
    for children in Path(f"/proc/{node.process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found.append(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells of a process's children")
def test_the_trusted_setup_is_loaded_when_a_node_has_lived_for_a_while() -> None:
    """It takes a processor for seconds, and a test suite starts many nodes that end sooner."""
    sooner = "from zevm.node import app, cli; app.BLOBS_AFTER_SECONDS /= 20; cli.main()"
    with NodeProcess([sys.executable, "-c", sooner, "run", "--port", "0", "--memory"]) as node:
        begun = time.monotonic()
        early = _helpers(node)
        assert early == [] or time.monotonic() - begun > BLOBS_AFTER_SECONDS / 20
        while not any("trusted_setup" in line for line in _helpers(node)):
            assert time.monotonic() - begun < PATIENCE_SECONDS, "no process loads it"
            time.sleep(0.1)


def test_quiet_prints_nothing(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node = start("--memory", "-q", "--port", str(port), wait=False)
    node.port = port
    _wait_until_it_answers(node)
    _send(node)
    assert node.stop() == 0
    assert node.tail() == ""


def _wait_until_it_answers(node: NodeProcess) -> None:
    """A quiet node says nothing: the kernel tells when it listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", node.port)).close()
        except ConnectionRefusedError:
            assert node.process.poll() is None
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the node does not listen")


def test_transactions_are_logged(start: Start) -> None:
    node = start("--memory")
    before = node.line_count
    sent = _send(node)
    node.wait_for_line(re.compile(r"eth_sendTransaction"), after=before)
    node.wait_for_line(re.compile(f"    Transaction: {sent}"), after=before)
    node.wait_for_line(re.compile("    Gas used: 21000"), after=before)
    node.wait_for_line(re.compile(r'    Block Time: "\w{3}, \d\d \w{3} \d{4} [\d:]+ \+0000"'), after=before)


def test_json_logs(start: Start) -> None:
    node = start("--memory", "--json-logs")
    before = node.line_count
    sent = _send(node)
    line = node.wait_for_line(re.compile(r'.*"event": "transaction".*'), after=before)[0]
    assert json.loads(line)["hash"] == sent


def test_a_restart_keeps_chain_and_instance(start: Start) -> None:
    first = start()
    sent = _send(first)
    metadata = _call(first, "anvil_metadata")
    assert first.stop() == 0
    second = start()
    receipt = _call(second, "eth_getTransactionReceipt", sent)
    assert isinstance(receipt, dict)
    assert receipt["blockNumber"] == "0x1"
    again = _call(second, "anvil_metadata")
    assert isinstance(metadata, dict)
    assert isinstance(again, dict)
    assert again["instanceId"] == metadata["instanceId"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [((), "anvil/zEVM/v"), (("--client-version", "mine/1"), "mine/1"), (("--authrpc",), "zEVM/v")],
)
def test_n4_what_the_node_calls_itself(start: Start, flags: tuple[str, ...], expected: str) -> None:
    """N4: development tools know Anvil's name, which stands first where development methods serve."""
    node = start(*flags)
    version = str(_call(node, "web3_clientVersion"))
    assert version.startswith(expected)
    own = _call(node, "anvil_metadata")["clientVersion"]
    assert own == expected if "mine" in expected else own.endswith(f"/evm-{default_engine().value}")
    assert version == ("" if flags else "anvil/") + own


def test_fresh_begins_anew_and_keeps_the_keystore(start: Start, zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    assert zevm("account", "new", "--password-file", "password").returncode == 0
    first = start()
    _send(first)
    metadata = _call(first, "anvil_metadata")
    first.stop()
    second = start("--fresh")
    assert _call(second, "eth_blockNumber") == "0x0"
    again = _call(second, "anvil_metadata")
    assert isinstance(metadata, dict)
    assert isinstance(again, dict)
    assert again["instanceId"] != metadata["instanceId"]
    assert len(list((tmp_path / ".zevm" / "keystore").iterdir())) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_a_websocket_open(start: Start, number: signal.Signals) -> None:
    node = start("--block-time", "0.2")
    with connect(node.websocket_url) as client:
        client.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
        assert "result" in json.loads(client.recv(10))
        assert "params" in json.loads(client.recv(10))
        node.process.send_signal(number)
        with pytest.raises(ConnectionClosed):
            _receive_for_ever(client)
    assert node.process.wait(PATIENCE_SECONDS) == 0, "the client stays until it is told"
    assert not start().tail(100).count("not stopped cleanly")


def _receive_for_ever(client: ClientConnection) -> None:
    while True:
        client.recv(10)


def test_a_long_write_does_not_hold_up_the_stop(start: Start) -> None:
    node = start()
    with node.connect() as client:
        client.send(client.request("anvil_mine", hex(100_000)))
        _wait_for_blocks(node)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(PATIENCE_SECONDS) == 0
    assert "Traceback" not in node.tail(1000)
    assert 0 < int(str(_call(start(), "eth_blockNumber")), 16) < 100_000


def _wait_for_blocks(node: NodeProcess) -> None:
    with node.connect() as client:
        while client.call("eth_blockNumber") == "0x0":
            time.sleep(0.02)


def test_a_busy_port(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = start("--memory", "--port", str(port), wait=False)
        assert node.process.wait(60) == 1
        node.kill()
        assert f"cannot listen on 127.0.0.1:{port}" in _one_line(node.tail() + "\n")


def test_a_locked_data_directory(start: Start, zevm: Command) -> None:
    node = start()
    for command in (["run", "--port", "0"], ["run", "--port", "0", "--fresh"], ["db", "check"]):
        refused = zevm(*command)
        assert refused.returncode == 1
        assert f"in use by process {node.process.pid}" in _one_line(refused.stderr)
    assert _call(node, "eth_blockNumber") == "0x0"


def test_a_foreign_data_directory(zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    for extra in ([], ["--fresh"]):
        refused = zevm("run", "--port", "0", "--datadir", "mine", *extra)
        assert refused.returncode == 1
        assert "thesis.tex" in _one_line(refused.stderr)
    assert sorted(entry.name for entry in (tmp_path / "mine").iterdir()) == ["thesis.tex"]


def test_a_data_directory_of_another_chain(start: Start, zevm: Command) -> None:
    start("--chain-id", "1234").stop()
    refused = zevm("run", "--port", "0", "--chain-id", "5678")
    assert refused.returncode == 1
    assert "holds chain 1234, whose genesis is not that of --chain-id" in _one_line(refused.stderr)
    assert _call(start(), "eth_chainId") == hex(1234)


def test_a_data_directory_that_cannot_be_made(zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = zevm("run", "--datadir", "file/below")
    assert refused.returncode == 1
    assert "file/below" in _one_line(refused.stderr)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "abc"], "--port: 'abc': want a whole number"),
        (["run", "--port"], "requires an argument"),
        (["--prot", "1"], "No such option: --prot"),
        (["rnu"], "No such command"),
        (["run", "--config", "absent.toml"], "absent.toml: cannot be read"),
        (["run", "--init", "absent.json"], "absent.json"),
        (["db", "rewind", "x"], "'NUMBER': want a whole number"),
    ],
)
def test_a_wrong_command_line(zevm: Command, arguments: list[str], words: str) -> None:
    refused = zevm(*arguments)
    assert refused.returncode in (1, 2)
    assert words in _one_line(refused.stderr)


def test_a_genesis_that_is_none(zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_text('{"config": {}}')
    refused = zevm("run", "--init", "genesis.json")
    assert refused.returncode == 1
    assert "genesis.json" in _one_line(refused.stderr)


def test_settings_from_the_file_and_the_environment(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zevm.toml").write_text("chain-id = 77\naccounts = 1\nmemory = true\n")
    monkeypatch.setenv("ZEVM_ACCOUNTS", "3")
    node = start()
    assert _call(node, "eth_chainId") == hex(77)
    accounts = _call(node, "eth_accounts")
    assert isinstance(accounts, list)
    assert len(accounts) == 3


def test_a_configuration_file_that_others_could_read_is_made_private_before_keys_are_in_it(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text("{}" + " " * 100_000)
    file.chmod(0o666)
    start("--memory", "--config-out", "config.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["private_keys"]


def test_flags_reach_the_chain(start: Start, tmp_path: Path) -> None:
    arguments = "--memory --hardfork london --gas-limit 12345678 --base-fee 7 --timestamp 1000 --number 50 --no-mining"
    node = start(*arguments.split(), "--config-out", "config.json")
    block = _call(node, "eth_getBlockByNumber", "latest", False)
    assert isinstance(block, dict)
    assert (block["number"], block["timestamp"], block["baseFeePerGas"]) == (hex(50), hex(1000), "0x7")
    assert block["gasLimit"] == hex(12345678)
    assert "withdrawalsRoot" not in block
    _send(node)
    assert _call(node, "eth_blockNumber") == hex(50)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["available_accounts"][0] == ALICE.lower()
    assert written["private_keys"][0].startswith("0xac0974be")
    assert (written["base_fee"], written["gas_limit"], written["genesis_timestamp"]) == ("7", "12345678", "1000")
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o600


def test_the_default_genesis_is_now_and_the_files(start: Start) -> None:
    began = int(time.time())
    block = _call(start("--memory"), "eth_getBlockByNumber", "0x0", False)
    assert isinstance(block, dict)
    assert began <= int(block["timestamp"], 16) <= time.time()


def test_an_ipc_socket_in_the_data_directory(start: Start, tmp_path: Path) -> None:
    node = start("--ipc")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / ".zevm" / "zevm.ipc"))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}')
        client.settimeout(10)
        assert json.loads(client.recv(4096))["result"] == "0x7a69"
    node.stop()
    assert not (tmp_path / ".zevm" / "zevm.ipc").exists()


def test_a_keystore_account_signs_when_unlocked(start: Start, zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    made = zevm("account", "new", "--password-file", "password").stdout.split()[0]
    node = start("--unlock", made, "--password-file", "password")
    accounts = _call(node, "eth_accounts")
    assert isinstance(accounts, list)
    assert made.lower() in [account.lower() for account in accounts]
    signature = _call(node, "personal_sign", "0x1234", made)
    assert _call(node, "personal_ecRecover", "0x1234", signature) == made.lower()
    assert "secret" not in node.tail(1000)


def test_a_wrong_password_prevents_the_start(zevm: Command, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "guess").write_text("guess\n")
    made = zevm("account", "new", "--password-file", "password").stdout.split()[0]
    refused = zevm("run", "--unlock", made, "--password-file", "guess")
    assert refused.returncode == 1
    assert "wrong password" in _one_line(refused.stderr)


def test_metrics_and_health(start: Start) -> None:
    node = start("--memory")
    _send(node)
    with urllib.request.urlopen(f"{node.url}/metrics") as answer:
        text = answer.read().decode()
    assert "zevm_head_number 1.0" in text
    assert 'zevm_rpc_request_seconds_count{method="eth_sendTransaction",outcome="ok"} 1.0' in text
    with urllib.request.urlopen(f"{node.url}/health") as answer:
        assert json.loads(answer.read())["status"] == "ok"


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    node = start()
    with node.connect() as client:
        client.send(client.request("anvil_mine", hex(100_000)))
        _wait_for_blocks(node)
        node.process.send_signal(signal.SIGINT)
        _wait_until_it_stops_listening(node)
        node.process.send_signal(signal.SIGINT)
        assert node.process.wait(PATIENCE_SECONDS) == 130


def _wait_until_it_stops_listening(node: NodeProcess) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", node.port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("the node still listens")
