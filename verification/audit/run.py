"""The audit's figures: how many of the known weaknesses it finds, and how many sound contracts it accuses.

    python -m verification.audit.run
    python -m verification.audit.run --only Reentrancy.sol --verbose

Sound contracts are this folder's, OpenZeppelin's and the examples. Ends with 0 if at least 90 % of the labelled cases
of reentrancy, access control and delegatecall are found and at most 10 % of the sound contracts are accused of one.
`--write` puts the table into docs/audit.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from verification.audit.labels import ROOT, Case, own_cases
from zevm.analysis.audit.audit import audit
from zevm.analysis.audit.finding import Evidence, Report, Severity
from zevm.analysis.audit.loading import subjects_of
from zevm.analysis.audit.rules import ACCESS, DELEGATECALL, REENTRANCY, RULES
from zevm.analysis.audit.subject import Subject
from zevm.analysis.audit.threads import in_deep_thread
from zevm.analysis.audit.trial.ground import blank_ground
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.zvm.machine import ZvmMachine
from zevm.contracts.options import BuildOptions

TOOLS = ROOT / "tests" / "clients"
DOCUMENT = ROOT / "docs" / "audit.md"
MEASURED = (REENTRANCY, ACCESS, DELEGATECALL)
"""The rules whose figures have limits."""
LEAST_FOUND, MOST_ACCUSED = 0.9, 0.1
SECONDS_EACH = 60.0
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
EXAMPLES = (
    "examples/src/Box.sol", "examples/src/Collectible.sol", "examples/src/Counter.sol", "examples/src/Token.sol",
    "examples/src/Vault.sol", "examples/vyper/Savings.vy", "verification/audit/contracts/OpenZeppelin.sol",
    *(f"examples/twins/{name}.sol" for name in (
        "Escrow", "Exchange", "Items", "ManagedToken", "Multisig", "OwnedCollectible", "Registry", "SimpleToken")),
    *(f"contracts/zig/{name}.zig" for name in (
        "counter", "escrow", "exchange", "items", "managed_token", "multisig", "owned_collectible", "registry",
        "simple_token", "token")),
)  # fmt: skip
"""Sources whose contracts are all sound."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One case with its report."""

    case: Case
    report: Report

    @property
    def confirmed(self) -> set[str]:
        """The rules that a trial has confirmed."""
        return {item.rule for item in self.report.findings if item.evidence is Evidence.CONFIRMED}

    @property
    def told(self) -> set[str]:
        """The rules with a finding."""
        return {item.rule for item in self.report.findings}


def judged(files: Sequence[str] = (), *, tuned_only: bool = False, verbose: bool = False) -> list[Judged]:
    """Every case of these files, or of all, with its report. Raises BuildError."""
    cases = {(case.file, case.contract): case for case in own_cases()}
    sources = {case.file for case in cases.values()} | {ROOT / name for name in EXAMPLES}
    found = []
    for source in sorted(sources):
        if files and source.name not in files:
            continue
        for subject in subjects_of(source, BuildOptions(tools=TOOLS)):
            case = cases.get((source, subject.name))
            if case is None and source.parent.name == "contracts" and source.name != "OpenZeppelin.sol":
                continue  # an interface's neighbour without a label
            if tuned_only and case is not None and case.held_back:
                continue
            found.append(Judged(case or Case(source, subject.name, frozenset()), _report(subject)))
            if verbose:
                _tell(found[-1])
    return found


def _report(subject: Subject) -> Report:
    ground = blank_ground(ZvmMachine("zvm", console=True))
    return in_deep_thread(lambda: audit(subject, ground=ground, deadline=Deadline.after(SECONDS_EACH)))


def figures(results: Iterable[Judged]) -> list[str]:
    """The table in Markdown."""
    every = list(results)
    rows = [
        "| rule | labelled | found | of them confirmed | held back: found | missed | sound contracts accused |",
        "|---|---|---|---|---|---|---|",
    ]
    sound = [item for item in every if not item.case.weaknesses]
    for rule in RULES:
        weak = [item for item in every if rule in item.case.weaknesses]
        held = [item for item in weak if item.case.held_back]
        hits = [item for item in weak if rule in item.told]
        missed = ", ".join(item.case.contract for item in weak if rule not in item.told) or "none"
        accused = [item.case.contract for item in sound if rule in item.told]
        sure = sum(rule in item.confirmed for item in hits)
        kept = f"{sum(rule in item.told for item in held)} of {len(held)}"
        names = f" ({', '.join(accused)})" if 0 < len(accused) <= 4 else ""
        share = f"{len(accused)} of {len(sound)}{names}"
        rows.append(f"| `{rule}` | {len(weak)} | {len(hits)} | {sure} | {kept} | {missed} | {share} |")
    return rows


def rates(results: Iterable[Judged]) -> tuple[float, float]:
    """(share of the labelled cases that are found, share of the sound contracts accused), of the measured rules."""
    every = list(results)
    weak = [(item, rule) for item in every for rule in item.case.weaknesses if rule in MEASURED]
    sound = [item for item in every if not item.case.weaknesses]
    hits = sum(rule in item.told for item, rule in weak)
    accused = sum(bool(item.told & set(MEASURED)) for item in sound)
    return hits / max(1, len(weak)), accused / max(1, len(sound))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a figure is outside its limit."""
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    results = judged(options.only, tuned_only=options.tuned_only, verbose=options.verbose)
    table = figures(results)
    found, accused = rates(results)
    summary = (
        f"{len(results)} contracts: {found:.0%} of the labelled cases of {', '.join(MEASURED)} found, "
        f"{accused:.0%} of the sound contracts accused of one of them."
    )
    print(*table, "", summary, f"{time.monotonic() - begun:.0f} seconds", sep="\n")
    if options.write:
        _write(DOCUMENT, [*table, "", summary])
    return int(found < LEAST_FOUND or accused > MOST_ACCUSED)


def _tell(item: Judged) -> None:
    wanted, told = item.case.weaknesses, item.told
    mark = "ok" if wanted <= told and not (told - wanted) & set(MEASURED) else "LOOK"
    print(f"{mark} {item.case.file.name} {item.case.contract}: {sorted(wanted) or 'sound'}", flush=True)
    for found in item.report.findings:
        if found.severity > Severity.LOW or found.rule in wanted:
            head = f"{found.severity.label} {found.evidence.value} {found.rule} {found.place}"
            print(f"    {head}: {found.reason} | {found.details}")
    for note in item.report.notes:
        print(f"    note: {note}")


def _write(document: Path, lines: Sequence[str]) -> None:
    """Put the lines between the document's two marks."""
    text = document.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    document.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the audit on a labelled set.")
    parser.add_argument("--only", action="append", default=[], metavar="FILE", help="one source; may be repeated (all)")
    parser.add_argument("--tuned-only", action="store_true", help="leave the cases out that are held back")
    parser.add_argument("--verbose", action="store_true", help="print each contract's findings")
    parser.add_argument("--write", action="store_true", help="put the table into docs/audit.md")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
