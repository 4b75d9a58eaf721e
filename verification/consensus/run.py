"""Two pairs of zEVM and Lodestar that make one chain, through kills of either program and a pair that goes away.

    python -m verification.consensus.run --slots 200 --seconds-per-slot 3

Transactions of every type of the fork are sent in each slot. Ends with 0 when both nodes have the same blocks, every
transaction of a block has the same receipt on both, `finalized` never went back, and finality was late only after a
disturbance. --alone runs one pair until finality, with a kill of zEVM in each epoch: the slice that CI runs.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from deploy.consensus.network import SLOTS_PER_EPOCH, NetworkError, Ports, begun, missing
from deploy.consensus.peers import join
from deploy.consensus.programs import ProgramError
from verification.consensus.campaign import Action, Campaign, CampaignError

ABSENT_SLOTS = 20


def disturbances(slots: int) -> dict[int, Action]:
    """The disturbances of two pairs: a kill of each program, both zEVMs at once, and a pair that is away for 20 slots.

    The times scale with the number of slots; each leaves finality time to return.
    """

    def at(share: float) -> int:
        return max(2, round(slots * share))

    def kill_both(campaign: Campaign) -> None:
        campaign.kill_execution(0)
        campaign.kill_execution(1)

    leaves = at(0.55)
    return {
        at(0.08): lambda campaign: campaign.kill_execution(0),
        at(0.14): lambda campaign: campaign.kill_execution(1),
        at(0.20): lambda campaign: campaign.kill_beacon(1),
        at(0.38): lambda campaign: campaign.kill_beacon(0),
        leaves: lambda campaign: campaign.stop_pair(1),
        leaves + ABSENT_SLOTS: lambda campaign: campaign.return_pair(1),
        at(0.86): kill_both,
    }


def kill_in_each_epoch(slots: int) -> dict[int, Action]:
    """A kill of the first zEVM in the middle of each epoch."""
    middles = range(SLOTS_PER_EPOCH // 2, slots, SLOTS_PER_EPOCH)
    return {slot: lambda campaign: campaign.kill_execution(0) for slot in middles}


def is_final(campaign: Campaign) -> bool:
    """Whether a block of the chain is final on every node."""
    count = len(campaign.network.pairs)
    return all(look.finalized > 0 for look in campaign.looks[-count:])


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign of the command line."""
    parser = argparse.ArgumentParser(description="Run two pairs of zEVM and Lodestar through kills and absences.")
    parser.add_argument("--slots", type=int, default=200, help="length of the run; default 200")
    parser.add_argument("--seconds-per-slot", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="one pair, until finality")
    parser.add_argument("--folder", type=Path, help="folder for logs and data, which is kept; default: a temporary one")
    arguments = parser.parse_args(words)
    reason = missing()
    if reason is not None:
        print(f"Error: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="zevm-consensus-") as temporary:
        run = partial(_run, arguments.folder or Path(temporary), arguments.slots, arguments.seconds_per_slot)
        try:
            return run(alone=arguments.alone)
        except (CampaignError, ProgramError, NetworkError, OSError) as error:
            print(f"FAULT: {error}")
            return 1


def _run(folder: Path, slots: int, seconds_per_slot: int, *, alone: bool) -> int:
    pairs = 1 if alone else 2
    ports = [Ports.free() for _ in range(pairs)]
    began = time.monotonic()
    with begun(folder, ports, validators=4 * pairs, seconds_per_slot=seconds_per_slot) as network:
        for failure in join([pair.beacon_node for pair in network.pairs]):
            raise CampaignError(failure)
        campaign = Campaign(network)
        if alone:
            campaign.run(kill_in_each_epoch(slots), slots, until=is_final)
            if not is_final(campaign):
                raise CampaignError(f"nothing was final after {slots} slots")
        else:
            campaign.run(disturbances(slots), slots)
        for name, value in campaign.check().items():
            print(f"{name}: {value}")
    print(f"seconds: {time.monotonic() - began:.0f}")
    return 0


if __name__ == "__main__":
    # so that the network's programs end with this one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
