"""Run a private proof-of-stake network of zEVM nodes and Lodestars on loopback, until Ctrl-C.

    python -m deploy.consensus.run --nodes 2

Every start begins a new chain. scripts/install_consensus_client.sh installs Lodestar.
"""

import argparse
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deploy.consensus.folders import FolderError, working_folder
from deploy.consensus.network import (
    CHAIN_ID,
    SLOTS_PER_EPOCH,
    Network,
    NetworkError,
    Ports,
    begun,
    missing,
)
from deploy.consensus.peers import DEFAULT_EVERY_SECONDS, keep_joined
from deploy.consensus.programs import Program, ProgramError

MAX_NODES = 8
VALIDATORS_PER_NODE = 4
MAX_PORT_OFFSET = 55_000
MAX_RESTARTS = 5
"""Of one program; after that something is wrong that a start does not mend."""


def main() -> int:
    """Run the network of the command line."""
    arguments = _arguments()
    reason = missing()
    if reason is not None:
        return _failed(reason)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        ports = [Ports.usual(index + arguments.port_offset) for index in range(arguments.nodes)]
        for index, own in enumerate(ports):
            own.check_free(index)
        with working_folder(arguments.folder) as folder:
            _run(folder, ports, arguments.seconds_per_slot)
    except (FolderError, ProgramError, NetworkError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        _tell("Stopped")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a private proof-of-stake network on loopback, until Ctrl-C.")
    parser.add_argument("--nodes", type=int, default=2, metavar="NUMBER", help=f"pairs, 1 to {MAX_NODES}; default 2")
    parser.add_argument(
        "--seconds-per-slot", type=int, default=3, metavar="SECONDS", help="time from block to block; default 3"
    )
    parser.add_argument("--folder", type=Path, help="folder for logs and data; default: a temporary one")
    parser.add_argument(
        "--port-offset", type=int, default=0, metavar="NUMBER", help="added to every port, for a second network"
    )
    arguments = parser.parse_args()
    limits = {"nodes": (1, MAX_NODES), "seconds_per_slot": (1, 60), "port_offset": (0, MAX_PORT_OFFSET)}
    for name, (least, most) in limits.items():
        value = getattr(arguments, name)
        if not least <= value <= most:
            parser.error(f"--{name.replace('_', '-')} {value}: want {least} to {most}")
    return arguments


def _run(folder: Path, ports: list[Ports], seconds_per_slot: int) -> None:
    nodes = len(ports)
    _tell(f"Starting {nodes} zEVM and {nodes} Lodestar; their logs are in {folder}. Ctrl-C stops everything.")
    with begun(
        folder, ports, validators=nodes * VALIDATORS_PER_NODE, seconds_per_slot=seconds_per_slot, tell=_tell
    ) as network:
        for pair in network.pairs:
            _tell(f"{pair.execution.name}: http://{pair.url}, beacon node {pair.beacon_node.url}")
        wait_seconds = max(0, round(network.slots.start(1) - time.time()))
        final_seconds = 4 * SLOTS_PER_EPOCH * seconds_per_slot
        _tell(f"Chain {CHAIN_ID}: the first block comes in {wait_seconds} s, finality {final_seconds} s after it")
        stopping = threading.Event()
        joining = threading.Thread(target=_keep_joined, args=(network, stopping), daemon=True)
        joining.start()
        try:
            keep_running(network)
        finally:
            stopping.set()
            _tell("Stopping")


def _keep_joined(network: Network, stopping: threading.Event) -> None:
    if len(network.pairs) > 1:
        keep_joined([pair.beacon_node for pair in network.pairs], DEFAULT_EVERY_SECONDS, stopping)


def keep_running(network: Network) -> None:
    """Start again what ends by itself, as Compose does. Raises ProgramError where that does not help."""
    ended: queue.SimpleQueue[Program] = queue.SimpleQueue()
    starts: dict[Program, Callable[[], None]] = {}
    for pair in network.pairs:
        starts[pair.execution] = pair.start_execution
        starts[pair.beacon] = partial(pair.start_beacon, network.slots)
    restarts = dict.fromkeys(starts, 0)
    for program in starts:
        program.tell_end(ended.put)
    while True:
        program = ended.get()
        ending = program.ending()
        if restarts[program] == MAX_RESTARTS:
            raise ProgramError(f"{ending}, after {MAX_RESTARTS} new starts")
        restarts[program] += 1
        _tell(f"{ending}. It is started again")
        starts[program]()


def _tell(text: str) -> None:
    print(text, flush=True)


def _failed(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
