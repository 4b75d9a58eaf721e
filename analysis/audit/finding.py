"""Findings of an audit: a rule, a severity, a place, a reason, and whether an execution has shown the weakness."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any


class Severity(IntEnum):
    """The weight of a finding, in ascending order."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def label(self) -> str:
        """The name on the command line: low, medium, high."""
        return self.name.lower()


class Evidence(Enum):
    """Support of a finding: an execution on a copy of the state, or the code alone."""

    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a finding.

    function: signature or selector, "fallback", or "" for the whole contract. offset: bytes from the start of the
    deployed code (EVM) or of the module (WebAssembly); None if unknown. source, line: from a source map, from 1.
    """

    function: str = ""
    offset: int | None = None
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}" if self.line is not None else ""
        code = "" if self.offset is None else f"0x{self.offset:x}"
        return " ".join(part for part in (self.function, where, code) if part) or "contract"


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness. rule: an identifier of rules.RULES. details: figures of the trial that confirms it."""

    rule: str
    severity: Severity
    place: Place
    reason: str
    evidence: Evidence = Evidence.SUSPECTED
    details: str = ""

    def as_json(self) -> dict[str, Any]:
        """The members of `--json` and zvm_auditContract."""
        place = self.place
        return {
            "rule": self.rule,
            "severity": self.severity.label,
            "evidence": self.evidence.value,
            "function": place.function,
            "offset": place.offset,
            "source": place.source or None,
            "line": place.line,
            "reason": self.reason,
            "details": self.details or None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one contract's audit.

    name: of the contract. machine: "evm" or "wasm". functions: how many were examined. notes: parts of the code that
    were not examined, each a sentence.
    """

    name: str
    machine: str
    findings: tuple[Finding, ...]
    functions: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def severity(self) -> Severity | None:
        """The highest severity; None without findings."""
        return max((finding.severity for finding in self.findings), default=None)

    def as_json(self) -> dict[str, Any]:
        """The members of `--json` and zvm_auditContract."""
        return {
            "contract": self.name,
            "machine": self.machine,
            "functions": self.functions,
            "severity": None if self.severity is None else self.severity.label,
            "findings": [finding.as_json() for finding in self.findings],
            "notes": list(self.notes),
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings once each, the gravest first; of the same rule, function and offset the best supported one."""
    best: dict[tuple[str, str, int | None], Finding] = {}
    for finding in findings:
        key = (finding.rule, finding.place.function, finding.place.offset)
        known = best.get(key)
        if known is None or _weight(finding) > _weight(known):
            best[key] = finding
    return tuple(sorted(best.values(), key=_order))


def _weight(finding: Finding) -> tuple[bool, int]:
    return finding.evidence is Evidence.CONFIRMED, finding.severity


def _order(finding: Finding) -> tuple[Any, ...]:
    place = finding.place
    confirmed = finding.evidence is Evidence.CONFIRMED
    return -finding.severity, not confirmed, finding.rule, place.function, place.offset or 0


def worst(reports: Sequence[Report]) -> Severity | None:
    """The highest severity of several reports; None without findings."""
    return max((report.severity for report in reports if report.severity is not None), default=None)
