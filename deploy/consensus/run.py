"""Run a private proof-of-stake network of zEVM nodes and Lodestars on loopback, until Ctrl-C.

    python -m deploy.consensus.run --nodes 2

Every start begins a new chain. scripts/install_consensus_client.sh installs Lodestar.
"""

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.consensus.network import (
    CHAIN_ID,
    SLOTS_PER_EPOCH,
    NetworkError,
    Ports,
    begun,
    missing,
)
from deploy.consensus.peers import DEFAULT_EVERY_SECONDS, keep_joined
from deploy.consensus.programs import ProgramError

MAX_NODES = 8
VALIDATORS_PER_NODE = 4


def main() -> int:
    """Run the network of the command line."""
    arguments = _arguments()
    reason = missing()
    if reason is not None:
        return _failed(reason)
    try:
        with _folder(arguments.folder) as folder:
            _run(folder, arguments.nodes, arguments.seconds_per_slot)
    except (ProgramError, NetworkError) as error:
        return _failed(str(error))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a private proof-of-stake network on loopback, until Ctrl-C.")
    parser.add_argument("--nodes", type=int, default=2, metavar="NUMBER", help=f"pairs, 1 to {MAX_NODES}; default 2")
    parser.add_argument(
        "--seconds-per-slot", type=int, default=3, metavar="SECONDS", help="time from block to block; default 3"
    )
    parser.add_argument("--folder", type=Path, help="folder for logs and data; default: a temporary one")
    arguments = parser.parse_args()
    if not 1 <= arguments.nodes <= MAX_NODES:
        parser.error(f"--nodes {arguments.nodes}: want 1 to {MAX_NODES}")
    if not 1 <= arguments.seconds_per_slot <= 60:
        parser.error(f"--seconds-per-slot {arguments.seconds_per_slot}: want 1 to 60")
    return arguments


@contextlib.contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """The folder of logs and data; a temporary one is deleted at the end. Raises NetworkError."""
    if chosen is None:
        with tempfile.TemporaryDirectory(prefix="zevm-consensus-") as folder:
            yield Path(folder)
        return
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        if any(chosen.iterdir()):
            raise NetworkError(f"--folder {chosen}: is not empty, and every start begins a new chain; give another")
    except OSError as error:
        raise NetworkError(f"--folder {chosen}: {error.strerror}; give another") from error
    yield chosen.absolute()


def _run(folder: Path, nodes: int, seconds_per_slot: int) -> None:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    ports = [Ports.usual(index) for index in range(nodes)]
    validators = nodes * VALIDATORS_PER_NODE
    print(f"Starting {nodes} zEVM and {nodes} Lodestar; their logs are in {folder}", flush=True)
    with begun(folder, ports, validators=validators, seconds_per_slot=seconds_per_slot, tell=_tell) as network:
        for pair in network.pairs:
            print(f"{pair.execution.name}: http://{pair.url}, beacon node {pair.beacon_node.url}", flush=True)
        wait_seconds = max(0, round(network.slots.start(1) - time.time()))
        print(
            f"Chain {CHAIN_ID}: the first block comes in {wait_seconds} s, finality "
            f"{4 * SLOTS_PER_EPOCH * seconds_per_slot} s after it. Ctrl-C stops everything.",
            flush=True,
        )
        if nodes > 1:
            keep_joined([pair.beacon_node for pair in network.pairs], DEFAULT_EVERY_SECONDS, stopping)
        stopping.wait()
        print("Stopping", flush=True)


def _tell(text: str) -> None:
    print(text, flush=True)


def _failed(message: str) -> int:
    print(f"Error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
