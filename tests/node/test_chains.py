"""Several chains in one process (`zevm run --chains`)."""

import json
import re
from pathlib import Path

import pytest

from testing.node_process import NodeProcess
from testing.ports import free_ports
from tests.node.conftest import Command, Start
from zevm.node.chains import MOST_CHAINS, NamedChain, chains_in
from zevm.node.errors import SettingsError

TWO = '[[chain]]\nname = "l1"\n[[chain]]\nname = "l2"\n'
ALICE, BOB = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def chains_of(text: str, **flags: object) -> list[NamedChain]:
    """The chains of a file with this text."""
    file = Path("chains.toml")
    file.write_text(text)
    return chains_in(file, flags)


def test_what_a_chain_does_not_say_is_counted_on() -> None:
    one, two = chains_of(TWO)
    assert (one.name, two.name) == ("l1", "l2")
    assert (one.settings.port, two.settings.port) == (8545, 8546)
    assert (one.settings.chain_id, two.settings.chain_id) == (31337, 31338)
    assert (one.settings.datadir, two.settings.datadir) == (Path(".zevm-l1"), Path(".zevm-l2"))


def test_a_chains_own_setting_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEVM_GAS_LIMIT", "3000000")
    text = (
        f"accounts = 3\ngas-limit = 1000000\nbalance = 5\n{TWO}port = 9000\naccounts = 4\n[chain.rpc]\nlog-blocks = 7\n"
    )
    one, two = chains_of(text, accounts="2", port="7000")
    assert [chain.settings.accounts for chain in (one, two)] == [2, 4]
    assert [chain.settings.port for chain in (one, two)] == [7000, 9000]
    assert [chain.settings.gas_limit for chain in (one, two)] == [3_000_000, 3_000_000]
    assert [chain.settings.balance for chain in (one, two)] == [5, 5]
    assert two.settings.limits.log_blocks == 7 != one.settings.limits.log_blocks


def test_a_port_of_the_systems_choice_is_for_all() -> None:
    assert [chain.settings.port for chain in chains_of(TWO, port="0")] == [0, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 1\n", "chains.toml: names no chain; begin the settings of each with a line [[chain]]"),
        ('chain = "l1"\n', "chains.toml: names no chain; "),
        ("[[chain]]\n" * (MOST_CHAINS + 1), "chains.toml: 33 chains, want at most 32; start another process"),
        ("[[chain]]\n", "chains.toml: chain 1: wants a name of letters, digits and _, such as "),
        ('[[chain]]\nname = "../l1"\n', "chains.toml: chain ../l1: wants a name of "),
        ("[[chain]]\nname = 3\n", "chains.toml: chain 3: wants a name of "),
        ('[[chain]]\nname = "l1"\n' * 2, "chains.toml: the name l1 is of l1 and of l1; each chain needs its own"),
        (f"{TWO}port = 8545\n", "chains.toml: the port 8545 is of l1 and of l2; each chain needs its own"),
        (f"{TWO}zns-port = 8545\n", "chains.toml: the port 8545 is of l1 and of l2; "),
        (f"{TWO}chain-id = 31337\n", "chains.toml: the chain id 31337 is of l1 and of l2; "),
        (f'{TWO}datadir = ".zevm-l1"\n', "chains.toml: the data directory .zevm-l1 is of l1 and of l2; "),
        (f'ipc = "/tmp/both.ipc"\n{TWO}', "chains.toml: the socket /tmp/both.ipc is of l1 and of l2; "),
        (f'{TWO}datadir = "x/../.zevm-l1"\n', "chains.toml: the data directory x/../.zevm-l1 is of l1 and of l2; "),
        (f'state = "both.json"\n{TWO}', "chains.toml: the file both.json is of l1 and of l2; each chain needs its own"),
        (f'dump-state = "both.json"\n{TWO}', "chains.toml: the file both.json is of l1 and of l2; "),
        (f'config-out = "both.json"\n{TWO}', "chains.toml: the file both.json is of l1 and of l2; "),
        (f'{TWO}fork-url = "http://localhost:8545@3"\n', "chains.toml: l2 forks l1, which answers only once all "),
        (
            '[[chain]]\nname = "l1"\nfork-url = "http://a:b@127.0.0.1:8546/"\n[[chain]]\nname = "l2"\n',
            "chains.toml: l1 forks l2",
        ),
        (f'{TWO}fork-url = "http://[::1]:8546"\n', "chains.toml: l2 forks l2, "),
        (
            '[[chain]]\nname = "l1"\nquic-port = 5000\n[[chain]]\nname = "l2"\nfollow = "127.0.0.1:5000"\n',
            "chains.toml: l2 follows l1",
        ),
        (f"{TWO}prot = 1\n", "chains.toml: chain l2: no such setting: prot (is port meant?)"),
        (f"prot = 1\n{TWO}", "chains.toml: no such setting: prot (is port meant?)"),
        (f"{TWO}port = 99999\n", "chains.toml: chain l2: port: 99999: "),
        ("[[chain]\n", "chains.toml: not TOML: "),
    ],
)
def test_files_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        chains_of(text)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        f"{TWO}quic-port = 8545\n",
        f'{TWO}fork-url = "http://127.0.0.1:7545"\n',
        f'{TWO}fork-url = "http://example.org:8545"\n',
        f'load-state = "both.json"\n{TWO}',
        f'config-out = "/dev/null"\n{TWO}',
        f'{TWO}state = "l2.json"\n',
    ],
)
def test_what_chains_may_have_together(text: str) -> None:
    assert [chain.name for chain in chains_of(text)] == ["l1", "l2"]


def test_one_folder_by_two_names_is_one_folder() -> None:
    Path(".zevm-l1").mkdir()
    Path("other").symlink_to(".zevm-l1")
    with pytest.raises(SettingsError, match="the data directory other is of l1 and of l2"):
        chains_of(f'{TWO}datadir = "other"\n')


def test_refused_on_the_command_line(zevm: Command) -> None:
    Path("chains.toml").write_text(TWO)
    Path("zevm.toml").write_text("")
    both = zevm("run", "--chains", "chains.toml", "--config", "zevm.toml")
    assert both.returncode == 2
    assert "--config cannot be used with --chains" in both.stderr
    absent = zevm("run", "--chains", "none.toml")
    assert "none.toml: cannot be read: no such file or directory" in absent.stderr


def begun(start: Start, ports: list[int], text: str = "") -> NodeProcess:
    """Two chains at these ports."""
    first, second = TWO.split("[[chain]]")[1:]
    Path("chains.toml").write_text(f"{text}[[chain]]{first}port = {ports[0]}\n[[chain]]{second}port = {ports[1]}\n")
    node = start("--chains", "chains.toml", wait=False)
    for port in ports:
        node.wait_for_line(re.compile(rf"Listening on 127.0.0.1:{port}"), timeout_seconds=60)
    return node


def call(node: NodeProcess, port: int, method: str, *params: object) -> object:
    node.port = port
    with node.connect() as client:
        return client.call(method, *params)


def newest_time(node: NodeProcess, port: int) -> int:
    """The time of the next block, which is made."""
    call(node, port, "evm_mine")
    block = call(node, port, "eth_getBlockByNumber", "latest", False)
    assert isinstance(block, dict)
    return int(block["timestamp"], 16)


def test_two_chains_have_one_clock_and_nothing_else_together(start: Start) -> None:
    ports = one, two = free_ports(2)
    node = begun(start, ports)
    assert [call(node, port, "eth_chainId") for port in ports] == [hex(31337), hex(31338)]
    call(node, one, "eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x5"})
    assert [call(node, port, "eth_blockNumber") for port in ports] == ["0x1", "0x0"]
    assert call(node, one, "eth_getBalance", BOB) != call(node, two, "eth_getBalance", BOB)

    snapshot, before = call(node, two, "evm_snapshot"), newest_time(node, one)
    call(node, one, "evm_increaseTime", 100_000)
    assert newest_time(node, two) >= before + 100_000
    call(node, two, "evm_revert", snapshot)
    assert newest_time(node, two) < before + 50_000
    node.wait_for_line(re.compile(r"^\[l1\] eth_sendTransaction"))
    node.wait_for_line(re.compile(r"^\[l2\] evm_revert"))
    assert node.stop() == 0

    node = begun(start, ports, "json-logs = true\n")
    assert call(node, one, "eth_blockNumber") == "0x2"
    line = node.wait_for_line(re.compile(r'^.*"eth_blockNumber".*$'))
    assert json.loads(line[0])["chain"] == "l1"
    assert node.stop() == 0


def test_a_chain_that_cannot_start_ends_all(start: Start, zevm: Command) -> None:
    ports = free_ports(2)
    running = start("--memory")
    Path("chains.toml").write_text(f"{TWO}port = {running.port}\n")
    refused = zevm("run", "--chains", "chains.toml", "--port", str(ports[0]))
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{running.port}" in refused.stderr
    assert not Path(".zevm-l1").exists()


@pytest.mark.slow
def test_two_chains_take_little_more_memory_than_one(start: Start) -> None:
    """At most 1.3 times: code, tables and the core are the process's. Both are measured in processes of their own."""

    def resident_mebibytes(node: NodeProcess, ports: list[int]) -> float:
        for port in ports:
            call(node, port, "eth_sendTransaction", {"from": ALICE, "to": BOB, "value": "0x5"})
        resident = node.resident_mebibytes()
        assert node.stop() == 0
        return resident

    one = start("--memory")
    single = resident_mebibytes(one, [one.port])
    ports = free_ports(2)
    assert resident_mebibytes(begun(start, ports, "memory = true\n"), ports) <= 1.3 * single
