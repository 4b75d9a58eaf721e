"""Two pairs of zEVM and Lodestar that make one chain, through kills of either program and a pair that goes away.

    python -m verification.consensus.run --slots 200

Transactions of every type of the fork are sent in each slot. Ends with 0 when both nodes have the same blocks, every
transaction of a block has the same receipt on both, `finalized` never went back, and finality was late only where a
Lodestar was away, or a zEVM for half an epoch. --alone runs one pair until finality, with a kill of zEVM in each epoch:
the slice that CI runs.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.consensus.folders import FolderError, working_folder
from deploy.consensus.network import SECONDS_PER_SLOT, SLOTS_PER_EPOCH, Network, NetworkError, Ports, begun, missing
from deploy.consensus.peers import keep_joined
from deploy.consensus.programs import ProgramError
from verification.consensus.campaign import FIRST_FINAL_SLOT, RECOVERY_EPOCHS, Action, Campaign, CampaignError, say

ABSENT_SLOTS = 20
ALONE_SLOTS = 80
PERIOD_SLOTS = 200
"""The disturbances come again after this many slots."""

LAST_DISTURBANCE = 128
MIN_SLOTS = LAST_DISTURBANCE + ABSENT_SLOTS + (1 + RECOVERY_EPOCHS) * SLOTS_PER_EPOCH
"""Of two pairs: with fewer, finality after the last disturbance would not be seen."""


def disturbances(slots: int) -> Iterator[Action]:
    """The disturbances of two pairs: a kill of each program, both zEVMs at once, a pair that is away for 20 slots.

    Each leaves finality time to return. None begins so late that its end is not seen.
    """

    def kill_both(campaign: Campaign) -> None:
        campaign.kill_execution(0)
        campaign.kill_execution(1)

    for begin in range(0, slots - MIN_SLOTS + 1, PERIOD_SLOTS):
        yield Action(begin + 10, lambda campaign: campaign.kill_execution(0))
        yield Action(begin + 18, lambda campaign: campaign.kill_execution(1))
        yield Action(begin + 34, kill_both)
        yield Action(begin + 44, lambda campaign: campaign.kill_beacon(1))
        yield Action(begin + 86, lambda campaign: campaign.kill_beacon(0))
        yield Action(begin + LAST_DISTURBANCE, lambda campaign: campaign.stop_pair(1))
        returns = begin + LAST_DISTURBANCE + ABSENT_SLOTS
        yield Action(returns, lambda campaign: campaign.return_pair(1), needs_step=False)


def kill_in_each_epoch(slots: int) -> Iterator[Action]:
    """A kill of the first zEVM in the middle of each epoch."""
    for middle in range(SLOTS_PER_EPOCH // 2, slots, SLOTS_PER_EPOCH):
        yield Action(middle, lambda campaign: campaign.kill_execution(0))


def is_final(campaign: Campaign) -> bool:
    """Whether a block of the chain is final on every node, and each epoch until now had its kill."""
    newest = campaign.looks[-len(campaign.network.pairs) :]
    return all(look.finalized > 0 and campaign.kills >= look.slot // SLOTS_PER_EPOCH for look in newest)


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign of the command line."""
    arguments = _arguments(words)
    reason = missing()
    if reason is not None:
        print(f"Error: {reason}", file=sys.stderr)
        return 2
    slots = arguments.slots or (ALONE_SLOTS if arguments.alone else PERIOD_SLOTS)
    try:
        with working_folder(arguments.folder) as folder:
            return _run(folder, slots, arguments.seconds_per_slot, alone=arguments.alone)
    except FolderError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except (CampaignError, ProgramError, NetworkError, OSError) as error:
        print(f"FAULT: {error}")
        return 1
    except KeyboardInterrupt:
        print("stopped before the end", file=sys.stderr)
        return 130


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run two pairs of zEVM and Lodestar through kills and absences.")
    parser.add_argument(
        "--slots", type=int, help=f"length of the run; default {PERIOD_SLOTS}, or at most {ALONE_SLOTS} alone"
    )
    parser.add_argument(
        "--seconds-per-slot", type=int, metavar="SECONDS", help="default: the shortest that this machine permits now"
    )
    parser.add_argument("--alone", action="store_true", help="one pair, until finality")
    parser.add_argument("--folder", type=Path, help="folder for logs and data, which is kept; default: a temporary one")
    arguments = parser.parse_args(words)
    least = FIRST_FINAL_SLOT if arguments.alone else MIN_SLOTS
    if arguments.slots is not None and arguments.slots < least:
        parser.error(f"--slots {arguments.slots}: want at least {least}, or finality is not seen")
    seconds = arguments.seconds_per_slot
    if seconds is not None and seconds not in SECONDS_PER_SLOT:
        first, last = SECONDS_PER_SLOT[0], SECONDS_PER_SLOT[-1]
        parser.error(f"--seconds-per-slot {seconds}: want {first} to {last}")
    return arguments


@contextmanager
def joined(network: Network) -> Iterator[None]:
    """Keep the beacon nodes joined, as a network that is run does; looks once a slot."""
    nodes = [pair.beacon_node for pair in network.pairs]
    stopping = threading.Event()
    keeper = threading.Thread(target=keep_joined, args=(nodes, network.slots.seconds, stopping, say), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()


def _run(folder: Path, slots: int, seconds_per_slot: int | None, *, alone: bool) -> int:
    pairs = 1 if alone else 2
    ports = [Ports.free() for _ in range(pairs)]
    began = time.monotonic()
    with (
        begun(folder, ports, validators=4 * pairs, seconds_per_slot=seconds_per_slot) as network,
        joined(network),
    ):
        campaign = Campaign(network)
        print(f"slots of {network.slots.seconds} s; logs and data are in {network.plan.folder}", flush=True)
        if alone:
            campaign.run(kill_in_each_epoch(slots), slots, until=is_final)
            if not is_final(campaign):
                raise CampaignError(f"nothing was final after {slots} slots and {campaign.kills} kills")
        else:
            campaign.run(disturbances(slots), slots)
        for name, value in campaign.check().items():
            print(f"{name}: {value}")
    print(f"seconds: {time.monotonic() - began:.0f}")
    return 0


if __name__ == "__main__":
    # so that the network's programs end with this one
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
