"""Kill -9 a leader and its followers at random moments under load; nothing acknowledged is missing, and all end equal.

The data directories live through all kills. Load: transactions of several types to any node, contracts in both
machines, changes of the state outside of blocks, reverts, reorganisations. The ways between the nodes lose, repeat,
reorder and delay datagrams, and are cut and slow for a while. After each round of kills, every follower must be where
its leader is within a bounded time: head, state, receipts. A transaction that was answered must be in all chains,
unless a revert may have taken it back; a block that a follower has told of must be its own after a kill. At the end a
new follower executes the whole chain.

    python -m verification.replication.run --kills 1000
    python -m verification.replication.run --seconds 3600 --namespaces

Ends with 0 when nothing was lost and all are equal.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

from verification.replication.campaign import Campaign, DivergedError
from verification.replication.network import Namespaces, Network
from verification.replication.nodes import StartError

PROGRESS_KILLS = 50


def campaign(folder: Path, arguments: argparse.Namespace, stack: ExitStack) -> Campaign:
    """The nodes and the ways between them."""
    namespaces = None
    if arguments.namespaces:
        namespaces = Namespaces()
        stack.callback(namespaces.close)
        print(f"two network namespaces; netem loses packets: {'yes' if namespaces.loses else 'no, the relays do'}")
    random = Random(arguments.seed)
    network = Network(arguments.followers, random, namespaces)
    stack.callback(network.close)
    made = Campaign(folder, network, random, arguments.bound_seconds)
    stack.callback(made.close)
    return made


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Kill leaders and followers, and compare.")
    parser.add_argument("--kills", type=int, default=20, help="of leader and followers together")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time, with fewer kills")
    parser.add_argument("--followers", type=int, default=3)
    parser.add_argument("--namespaces", action="store_true", help="two network namespaces, with a cable between them")
    parser.add_argument("--bound-seconds", type=float, default=30, help="longest time until all are equal again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--evidence", type=Path, help="folder for the logs and states of a failure (default: a new temporary one)"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign of the command line."""
    arguments = _options(words)
    end = time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory(prefix="zevm-replication-") as folder, ExitStack() as stack:
        running, told = campaign(Path(folder), arguments, stack), 0
        try:
            while (killed := sum(running.kills.values())) < arguments.kills and time.monotonic() < end:
                running.round()
                if killed - told >= PROGRESS_KILLS:
                    told = killed
                    print(running.summary(), flush=True)
            running.finish()
        except (DivergedError, StartError) as error:
            evidence = arguments.evidence or Path(tempfile.mkdtemp(prefix="zevm-replication-failure-"))
            running.save_evidence(evidence)
            print(f"FAILED with --seed {arguments.seed}: {error}\nlogs, states and heads: {evidence}")
            return 1
        print(f"{running.summary()}: nothing lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
