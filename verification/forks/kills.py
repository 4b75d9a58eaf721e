"""Kills of a process while it fetches what a fork reads (verification.forks.killing).

python -m verification.forks.kills --kills 1000 --seed 1
"""

import argparse
import sys
import time

from verification.forks.killing import run


def main() -> int:
    """Run the campaign, and print its outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    print(f"{dict(run(options.kills, options.seed))}, nothing was lost or wrong, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
