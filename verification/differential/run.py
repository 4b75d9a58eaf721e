"""Execute random blocks here and in Ethereum's executable specification until the time is over, and compare.

    python -m verification.differential.run --seconds 3600 --seed 1
    python -m verification.differential.run --seconds 600 --nests                 # calls within creations within calls
    python -m verification.differential.run --case differential-17-Osaka.json     # run a failing case again
    python -m verification.differential.run --evm py-evm     # on the other engine

Every case has transactions that must be refused among good ones; a second run has only the accepted ones, since the
oracle numbers its receipts with the refused ones. A difference is shrunk and written to a file. Ends with 1 then.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from verification.differential.build import Result, address_of, for_oracle, result_of, run_here, transactions_of
from verification.differential.cases import FORKS, KEYS, Case, new_case
from verification.differential.coverage import Coverage
from verification.differential.nests import nest_case
from verification.differential.shrink import shrink
from verification.differential.specification import KnownFaultError, Specification
from verification.evm_option import add_evm_option
from zevm.chain.vm.engines.engine import Engine

SHRINK_ATTEMPTS = 400


def run_there(case: Case, specification: Specification, accepted: frozenset[int] | None = None) -> Result:
    """The specification's result for the case, of the transactions with these indices or of all."""
    transactions = transactions_of(case)
    if accepted is not None:
        transactions = [transactions[index] for index in sorted(accepted)]
    return result_of(specification.ask(for_oracle(case, transactions)))


def differences(
    case: Case, specification: Specification, *, zvm: bool, engine: Engine | None = None
) -> dict[str, tuple[object, object]]:
    """Field -> (here, there), for the fields that differ; none where the specification's fault is known.

    engine: that runs it here; None for the default.
    """
    transactions = transactions_of(case)
    here = run_here(case, transactions, zvm=zvm, engine=engine)
    try:
        there = run_there(case, specification)
    except KnownFaultError:
        return {}
    if there.rejected:
        there = there._replace(receipts_root=here.receipts_root)
        if here.rejected == there.rejected:
            accepted = frozenset(range(len(transactions))) - set(here.rejected)
            again = run_there(case, specification, accepted)
            there = there._replace(receipts_root=again.receipts_root)
    return {
        name: pair
        for name, pair in zip(Result._fields, zip(here, there, strict=True), strict=True)
        if pair[0] != pair[1]
    }


def report(case: Case, found: dict[str, tuple[object, object]], folder: Path) -> None:
    """Write a failing case and say how to run it again."""
    file = folder / f"differential-{case['seed']}-{case['fork']}.json"
    file.write_text(json.dumps(case, indent=1))
    for name, (here, there) in found.items():
        print(f"  {name}: here {here}, there {there}")
    print(f"  again: python -m verification.differential.run --case {file}", flush=True)


class Limits(NamedTuple):
    """The end of a campaign: after a number of seconds, or a number of seeds if they come first."""

    seconds: float
    seeds: int = sys.maxsize


def campaign(
    specification: Specification,
    seed: int,
    limits: Limits,
    folder: Path,
    *,
    zvm: bool,
    coverage: Coverage | None = None,
    engine: Engine | None = None,
    make_case: Callable[[int, str, list[bytes]], Case] = new_case,
) -> int:
    """Run the cases from a seed on; how many of them differed. Failing cases go to the folder.

    engine: that runs them here; None for the default.
    """
    senders, counts = [address_of(key) for key in KEYS], Counter[str]()
    stop, end = seed + limits.seeds, time.monotonic() + limits.seconds

    def differ(case: Case) -> bool:
        return bool(differences(case, specification, zvm=zvm, engine=engine))

    while seed < stop and time.monotonic() < end:
        for fork in FORKS:
            case = make_case(seed, fork, senders)
            found = differences(case, specification, zvm=zvm, engine=engine)
            counts["blocks"] += 1
            counts["transactions"] += len(case["transactions"])
            if coverage is not None:
                coverage.add(case)
            if found:
                counts["differences"] += 1
                print(f"seed {seed}, {fork}: {', '.join(found)}", flush=True)
                small = shrink(case, differ, SHRINK_ATTEMPTS)
                report(small, differences(small, specification, zvm=zvm, engine=engine), folder)
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
    parser.add_argument("--seeds", type=int, default=sys.maxsize, help="how many at most")
    parser.add_argument("--case", type=Path, metavar="FILE", help="run this case alone")
    parser.add_argument("--zvm", action="store_true", help="with WebAssembly contracts switched on here")
    parser.add_argument("--nests", action="store_true", help="blocks of trees of calls and creations")
    parser.add_argument("--coverage", action="store_true", help="tell what the cases exercised")
    parser.add_argument("--output", type=Path, default=Path(os.curdir), metavar="FOLDER", help="for failing cases")
    add_evm_option(parser)
    arguments = parser.parse_args()
    print(f"engine {arguments.evm.value}", flush=True)
    kind = {"zvm": arguments.zvm, "engine": arguments.evm}
    with Specification() as specification:
        if arguments.case is not None:
            return run_again(specification, arguments.case, **kind)
        coverage = Coverage() if arguments.coverage else None
        limits = Limits(arguments.seconds, arguments.seeds)
        count = campaign(
            specification,
            arguments.seed,
            limits,
            arguments.output,
            coverage=coverage,
            make_case=nest_case if arguments.nests else new_case,
            **kind,
        )
    if coverage is not None:
        print(coverage.report())
    return int(count > 0)


def run_again(specification: Specification, file: Path, *, zvm: bool, engine: Engine) -> int:
    """A case from a file; 1 where it differs."""
    found = differences(json.loads(file.read_text()), specification, zvm=zvm, engine=engine)
    for name, (here, there) in found.items():
        print(f"{name}: here {here}, there {there}")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
