"""The compose files of deploy/consensus: held against the genesis, the node's settings, and the script that is run."""

import contextlib
import itertools
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.consensus import run
from deploy.consensus.folders import working_folder
from deploy.consensus.network import (
    BEACON_CHAIN,
    FORKS,
    GENESIS,
    HERE,
    LODESTAR,
    Network,
    Plan,
    Ports,
    Slots,
    fitting_slot,
    genesis_hash,
    missing,
    python_path,
    share,
)
from deploy.consensus.programs import ENDS_WITH_ITS_PARENT, Program, ProgramError
from testing.node_process import ROOT
from zevm.chain.rules.genesis import load_genesis
from zevm.node.settings import setting_flags

NETWORKS = {"two": 2, "four": 4}


def _compose(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((HERE / f"{name}.yml").read_text())
    return content


def _options(command: list[str]) -> dict[str, str]:
    """The options of a command line in which each has a value."""
    assert len(command) % 2 == 0
    assert all(flag.startswith("--") for flag in command[::2])
    return dict(zip(command[::2], command[1::2], strict=True))


def _plan(folder: Path, pairs: int) -> Plan:
    return Plan(folder, [Ports.usual(index) for index in range(pairs)], 16, genesis_hash())


@pytest.mark.parametrize(("name", "count"), NETWORKS.items())
def test_every_node_has_a_beacon_node_of_its_own(name: str, count: int) -> None:
    compose = _compose(name)
    services = compose["services"]
    pairs = {f"{kind}-{number + 1}" for kind in ("node", "beacon") for number in range(count)}
    assert set(services) == pairs | {"beginning", "peers"}
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports == [f"127.0.0.1:{8545 + number}:8545" for number in range(count)]
    assert services["peers"]["command"] == [f"http://beacon-{number + 1}:9596" for number in range(count)]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service["volumes"]]
    assert {source for source in mounted if not source.startswith(".")} == set(compose["volumes"])
    assert all((HERE / source).exists() for source in mounted if source.startswith("."))


@pytest.mark.parametrize(("name", "count"), NETWORKS.items())
def test_the_pairs_share_the_validators_and_one_genesis(name: str, count: int) -> None:
    services = _compose(name)["services"]
    ranges = []
    for number in range(count):
        options = _options(services[f"beacon-{number + 1}"]["command"])
        assert options["--genesisEth1Hash"] == genesis_hash()
        assert options["--execution.urls"] == f"http://node-{number + 1}:8551"
        validators = int(options["--genesisValidators"])
        ranges.append(tuple(map(int, options["--startValidators"].split(".."))))
        assert ranges[-1] == share(validators, count, number)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == validators - 1
    assert all(one[1] + 1 == other[0] for one, other in itertools.pairwise(ranges))


@pytest.mark.parametrize(("name", "count"), NETWORKS.items())
def test_compose_gives_the_options_that_the_script_gives(name: str, count: int, tmp_path: Path) -> None:
    """The script is what tests run; the compose files differ from it in names, and in what stands in a file there."""
    pair = Network(_plan(tmp_path, count)).pairs[1]
    ours = _options(pair.beacon.command[pair.beacon.command.index("dev") + 1 :] + Slots(0, 6).options())
    service = _compose(name)["services"]["beacon-2"]
    theirs = _options(service["command"])
    assert set(ours) - {"--genesisTime", "--listenAddress"} == set(theirs) - {"--rest.address"}
    assert '--genesisTime "$$(cat /beginning/genesis-time)" "$$@"' in service["entrypoint"][2]
    assert service["entrypoint"][2].startswith(f"rm -rf /{BEACON_CHAIN} && ")
    assert (theirs["--dataDir"], Path(ours["--dataDir"])) == ("/lodestar", pair.folder / "lodestar")
    same = ["--genesisValidators", "--startValidators", "--genesisEth1Hash", "--sync.isSingleNode", "--targetPeers"]
    for flag in (
        *same,
        "--network.maxPeers",
        "--network.rateLimitMultiplier",
        "--eth1",
        "--discv5",
        "--mdns",
        "--params.SECONDS_PER_SLOT",
    ):
        assert ours[flag] == theirs[flag], flag
    assert {flag for flag in ours if flag.endswith("_FORK_EPOCH")} == {f"--params.{fork}_FORK_EPOCH" for fork in FORKS}
    assert service["environment"]["LODESTAR_PRESET"] == "minimal"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_nodes_flags_are_the_nodes(name: str) -> None:
    services = _compose(name)["services"]
    known = {flag for row in setting_flags().values() for flag in row.names}
    for service, content in services.items():
        if not service.startswith("node-"):
            continue
        command, *words = content["command"]
        options = _options(words)
        assert command == "run"
        assert set(options) <= known
        assert options["--authrpc-vhosts"] == options["--allow-host"] == service
        others = sorted({name for name in services if name.startswith("node-")} - {service})
        assert options["--forward-transactions"] == ",".join(f"http://{other}:8545" for other in others)
        assert options["--init"] == "/consensus/genesis.json"
        assert f"./{GENESIS.name}:{options['--init']}:ro" in content["volumes"]
        chain = content["volumes"][0].split(":")[0]
        assert f"{chain}:/zevm:ro" in services[service.replace("node", "beacon")]["volumes"], "for the secret"
    datadir = re.search(r"ZEVM_DATADIR=/var/lib/zevm/(\S+)", (ROOT / "Dockerfile").read_text())[1]
    assert _options(services["beacon-1"]["command"])["--jwt-secret"] == f"/zevm/{datadir}/jwtsecret"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_image_of_lodestar_has_the_version_that_is_tested(name: str) -> None:
    package = json.loads((HERE / "lodestar/package.json").read_text())
    version = package["dependencies"]["@chainsafe/lodestar"]
    parts = {name: pin for name, pin in package["overrides"].items() if name.startswith("@lodestar/")}
    assert set(parts.values()) == {version}
    locked = json.loads((HERE / "lodestar/package-lock.json").read_text())["packages"]
    for part in ("@chainsafe/lodestar", *parts):
        assert locked[f"node_modules/{part}"]["version"] == version, part
    images = [service["image"] for key, service in _compose(name)["services"].items() if key.startswith("beacon-")]
    assert set(images) == {f"chainsafe/lodestar:v{version}"}


def test_the_genesis_begins_after_the_merge_with_webassembly() -> None:
    genesis = load_genesis(GENESIS)
    assert genesis.chain_id == 32382
    assert genesis.schedule.terminal_total_difficulty == 0
    assert genesis.schedule.zvm == "zvm"
    assert not genesis.schedule.development


@pytest.mark.parametrize(("validators", "pairs"), [(16, 4), (8, 2), (5, 3), (1, 1)])
def test_each_validator_has_one_pair(validators: int, pairs: int) -> None:
    shares = [share(validators, pairs, index) for index in range(pairs)]
    held = [number for first, last in shares for number in range(first, last + 1)]
    assert held == list(range(validators))


def test_slots_are_told_by_the_clock() -> None:
    slots = Slots(1000, 3)
    assert [slots.at(time) for time in (999.9, 1000.0, 1002.9, 1003.0)] == [-1, 0, 0, 1]
    assert slots.at(slots.start(7)) == 7


@pytest.mark.parametrize(("seconds", "slot"), [(0.5, 2), (5.0, 2), (5.1, 3), (15.0, 6), (90.0, 12)])
def test_a_slot_is_as_long_as_a_restart_demands(seconds: float, slot: int) -> None:
    assert fitting_slot(seconds) == slot


def test_a_program_that_ends_or_says_nothing_shows_its_log(tmp_path: Path) -> None:
    program = Program("it", ["sh", "-c", "echo first; echo why >&2; exit 3"], tmp_path / "log", cwd=tmp_path)
    with pytest.raises(ProgramError, match=r"^it ended with code 3 \(why\); its log is \S*log$"):
        program.start(re.compile("ready"), 20)
    assert (tmp_path / "log").read_text() == "first\nwhy\n"
    program = Program("it", ["sh", "-c", "echo $WORD; exec sleep 60"], tmp_path / "log", cwd=tmp_path,
                      environment={"WORD": "waiting"})  # fmt: skip
    with pytest.raises(ProgramError, match=r"^it was not ready within 0.2 s \(waiting\); its log is \S*log$"):
        program.start(re.compile("ready"), 0.2)
    program.kill()
    assert not program.runs
    program.start(re.compile("waiting"), 20)
    assert program.runs
    program.stop()
    assert (tmp_path / "log").read_text() == "first\nwhy\nwaiting\nwaiting\n"


BAD_WORDS = {
    ("--nodes", "0"): "--nodes 0: want 1 to 8",
    ("--nodes", "9"): "--nodes 9: want 1 to 8",
    ("--nodes", "two"): "invalid int value: 'two'",
    ("--seconds-per-slot", "0"): "--seconds-per-slot 0: want 1 to 60",
    ("--port-offset", "-1"): "--port-offset -1: want 0 to 55000",
    ("--port-offset", "55001"): "--port-offset 55001: want 0 to 55000",
}


@pytest.mark.parametrize(("words", "message"), BAD_WORDS.items())
def test_bad_words_get_one_line(
    words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["run", *words])
    with pytest.raises(SystemExit):
        run.main()
    assert message in capsys.readouterr().err


def test_a_used_folder_and_a_missing_client_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").touch()
    monkeypatch.setattr("sys.argv", ["run", "--folder", str(tmp_path), "--port-offset", "20000"])
    monkeypatch.setattr(run, "missing", lambda: None)
    assert run.main() == 1
    assert capsys.readouterr().err == (
        f"Error: --folder {tmp_path}: is not empty, and every start begins a new chain; give another\n"
    )
    monkeypatch.setattr("deploy.consensus.network.INSTALLED", tmp_path / "absent")
    monkeypatch.setattr(run, "missing", missing)
    assert run.main() == 1
    assert "is missing: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rpc", "engine", "rest", "peers"])
def test_a_port_in_use_gets_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "missing", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        # the usual ones may be held by another program of this machine
        ports = replace(Ports.free(), **{name: port})
        monkeypatch.setattr(Ports, "usual", lambda _: ports)
        monkeypatch.setattr("sys.argv", ["run", "--nodes", "1"])
        assert run.main() == 1
    errors = capsys.readouterr().err
    reason = f"Error: port {port}, .* of node 1: Address already in use; stop what holds it, or move every port .*\n"
    assert re.fullmatch(reason, errors)


ENDLESS = "echo Engine API on port; exec sleep 60"
ENDING = "echo Started REST API server; printf '[\\033[31merror\\033[39m: it broke\\n  at a place\\n'; exit 3"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """A network of one pair whose programs are a shell's."""
    network = Network(_plan(tmp_path, 1))
    network.slots = Slots(0, 6)
    (pair,) = network.pairs
    pair.execution = Program("zEVM", ["sh", "-c", ENDLESS], tmp_path / "log", cwd=tmp_path)
    pair.beacon = Program("Lodestar", ["sh", "-c", ENDING], tmp_path / "log", cwd=tmp_path)
    with network:
        yield network
    assert not pair.execution.runs


def test_what_ends_is_started_again_and_at_last_named(
    network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair,) = network.pairs
    pair.start_execution()
    pair.start_beacon(network.slots)
    with pytest.raises(ProgramError) as raised:
        run.keep_running(network)
    ending = f"Lodestar ended with code 3 ([error: it broke); its log is {tmp_path}/log"
    assert str(raised.value) == f"{ending}, after 5 new starts"
    assert capsys.readouterr().out == f"{ending}. It is started again\n" * 5


def test_a_beacon_node_starts_without_the_chain_that_it_had(network: Network) -> None:
    """And with the record of what its validators have signed."""
    (pair,) = network.pairs
    kept, forgotten = pair.folder / "lodestar/validator-db/CURRENT", pair.folder / BEACON_CHAIN / "CURRENT"
    for file in (kept, forgotten):
        file.parent.mkdir(parents=True)
        file.touch()
    pair.start_beacon(network.slots)
    assert kept.exists()
    assert not forgotten.parent.exists()


SLOW_MATCH = """
import vm from "node:vm";
const match = () => { const end = Date.now() + 50; while (Date.now() < end); return true; };
const context = { match };
new vm.Script("answer = match()").runInNewContext(context, { timeout: 1 });
console.log(context.answer);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is missing")
def test_a_busy_machine_makes_no_address_invalid() -> None:
    """Lodestar's library gives up matching an address after 0.4 s, and takes it for none."""
    command = ["node", "--import", str(LODESTAR / "polyfill.mjs"), "--input-type=module", "--eval", SLOW_MATCH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "true\n"), done.stderr


def test_a_kill_is_named_and_a_stop_is_none(network: Network, tmp_path: Path) -> None:
    (pair,) = network.pairs
    ended: queue.SimpleQueue[Program] = queue.SimpleQueue()
    pair.execution.tell_end(ended.put)
    for end in (pair.execution.stop, pair.execution.kill):
        pair.start_execution()
        end()
    pair.execution.command[-1] = "echo Engine API on port; kill -9 $$"
    pair.start_execution()
    assert ended.get(timeout=20) is pair.execution
    assert pair.execution.ending() == f"zEVM was killed by SIGKILL; its log is {tmp_path}/log"
    assert ended.empty()


def test_a_program_does_not_outlive_a_network_that_is_killed(tmp_path: Path) -> None:
    if not ENDS_WITH_ITS_PARENT:
        pytest.skip("util-linux has no setpriv here")
    os.mkfifo(tmp_path / "held")
    reading = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    code = """
import os, re, sys
from pathlib import Path
from deploy.consensus.programs import Program
command = ["sh", "-c", "exec 3> held; echo ready; exec sleep 60"]
Program("it", command, Path("log"), cwd=Path()).start(re.compile("ready"), 20)
os.kill(os.getpid(), 9)
"""
    environment = os.environ | {"PYTHONPATH": python_path()}
    child = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    holders = select.poll()
    holders.register(reading, select.POLLHUP)
    assert holders.poll(20_000) == [(reading, select.POLLHUP)], "the program lives on"
    os.close(reading)


def test_a_temporary_folder_stays_for_its_logs_only_after_an_error() -> None:
    kept: list[Path] = []
    for error in (None, KeyboardInterrupt, ProgramError):
        with contextlib.suppress(KeyboardInterrupt, ProgramError), working_folder(None) as folder:
            kept.append(folder)
            if error is not None:
                raise error("it")
    assert [folder.exists() for folder in kept] == [False, False, True]
    kept[-1].rmdir()
