"""Execute random blocks here and in Ethereum's executable specification until the time is over, and compare.

    python scripts/differential/run.py --seconds 3600 --seed 1
    python scripts/differential/run.py --case differential-17-Osaka.json     # run a failing case again

Every case has transactions that must be refused beside good ones; a second run takes the accepted ones alone, since the
oracle numbers its receipts with the refused ones. A difference is shrunk and written to a file. Ends with 1 then.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from scripts.differential.build import Result, address_of, for_oracle, result_of, run_here, transactions_of  # noqa: E402
from scripts.differential.cases import CONTRACTS, FORKS, KEYS, Case, new_case  # noqa: E402

ORACLE_PYTHON = ROOT / ".oracle" / "bin" / "python"
SHRINK_ATTEMPTS = 400


class Oracle:
    """The specification in a process of its own."""

    def __init__(self) -> None:
        if not ORACLE_PYTHON.exists():
            raise SystemExit("the specification is missing; run: scripts/differential/install.sh")
        command = [str(ORACLE_PYTHON), str(ROOT / "scripts" / "differential" / "oracle.py")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, case: Case, accepted: frozenset[int] | None = None) -> Result:
        """Its result for the case, of the transactions with these indices or of all."""
        transactions = transactions_of(case)
        if accepted is not None:
            transactions = [transactions[index] for index in sorted(accepted)]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(for_oracle(case, transactions)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the specification's process ended at seed {case['seed']}, {case['fork']}")
        return result_of(json.loads(answer))


def differences(case: Case, oracle: Oracle, *, zvm: bool) -> dict[str, tuple[object, object]]:
    """Field -> (here, there), for the fields that differ."""
    transactions = transactions_of(case)
    here, there = run_here(case, transactions, zvm=zvm), oracle.run(case)
    if there.rejected:
        there = there._replace(receipts_root=here.receipts_root)
        if here.rejected == there.rejected:
            accepted = frozenset(range(len(transactions))) - set(here.rejected)
            again = oracle.run(case, accepted)
            there = there._replace(receipts_root=again.receipts_root)
    return {
        name: pair
        for name, pair in zip(Result._fields, zip(here, there, strict=True), strict=True)
        if pair[0] != pair[1]
    }


def smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less."""
    for name in ("transactions", "withdrawals"):
        for index in range(len(case[name])):
            copy = deepcopy(case)
            del copy[name][index]
            yield copy
    for address in [account.hex() for account in CONTRACTS]:
        account = case["accounts"][address]
        code = account["code"]
        for size in (0, len(code) // 4 * 2, max(0, len(code) - 2)):
            if size < len(code):
                copy = deepcopy(case)
                copy["accounts"][address]["code"] = code[:size]
                yield copy
        if account["storage"]:
            copy = deepcopy(case)
            copy["accounts"][address]["storage"] = {}
            yield copy


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A case that still fails and is as small as so many attempts make it."""
    attempts = 0
    progress = True
    while progress and attempts < SHRINK_ATTEMPTS:
        progress = False
        for candidate in smaller(case):
            attempts += 1
            if fails(candidate):
                case, progress = candidate, True
                break
            if attempts >= SHRINK_ATTEMPTS:
                break
    return case


def report(case: Case, found: dict[str, tuple[object, object]], folder: Path) -> None:
    """Write a failing case and say how to run it again."""
    file = folder / f"differential-{case['seed']}-{case['fork']}.json"
    file.write_text(json.dumps(case, indent=1))
    for name, (here, there) in found.items():
        print(f"  {name}: here {here}, there {there}")
    print(f"  again: python scripts/differential/run.py --case {file}", flush=True)


def campaign(seconds: float, seed: int, folder: Path, *, zvm: bool) -> int:
    """Run until the time is over; how many cases differed."""
    senders, counts = [address_of(key) for key in KEYS], Counter[str]()
    end = time.monotonic() + seconds
    with Oracle() as oracle:
        while time.monotonic() < end:
            for fork in FORKS:
                case = new_case(seed, fork, senders)
                found = differences(case, oracle, zvm=zvm)
                counts["blocks"] += 1
                counts["transactions"] += len(case["transactions"])
                if found:
                    counts["differences"] += 1
                    print(f"seed {seed}, {fork}: {', '.join(found)}", flush=True)
                    small = shrink(case, lambda candidate: bool(differences(candidate, oracle, zvm=zvm)))
                    report(small, differences(small, oracle, zvm=zvm), folder)
            seed += 1
    print(
        f"{counts['blocks']} blocks, {counts['transactions']} transactions, {counts['differences']} differences, "
        f"next seed {seed}"
    )
    return counts["differences"]


def main() -> int:
    """1 where a block differed."""
    parser = argparse.ArgumentParser(description="Compare the node's execution with the executable specification.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; later ones follow")
    parser.add_argument("--case", type=Path, metavar="FILE", help="run this case alone")
    parser.add_argument("--zvm", action="store_true", help="with WebAssembly contracts switched on here")
    parser.add_argument("--output", type=Path, default=Path(os.curdir), metavar="FOLDER", help="for failing cases")
    arguments = parser.parse_args()
    if arguments.case is None:
        return int(campaign(arguments.seconds, arguments.seed, arguments.output, zvm=arguments.zvm) > 0)
    with Oracle() as oracle:
        found = differences(json.loads(arguments.case.read_text()), oracle, zvm=arguments.zvm)
    for name, (here, there) in found.items():
        print(f"{name}: here {here}, there {there}")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
