"""Slither's findings on Solidity sources, if the user has it: a separate program under a licence of its own (AGPL).

Its process gets the source's path and answers with JSON; nothing of it is imported.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zevm.analysis.audit.errors import AuditError
from zevm.analysis.audit.finding import Finding, Place, Report, Severity, in_order
from zevm.chain.concurrency.deadline import ExecutionTimeoutError

_SEVERITIES = {"High": Severity.HIGH, "Medium": Severity.MEDIUM, "Low": Severity.LOW}
"""Slither's impacts; its Informational and Optimization are no weaknesses."""


def slither_report(path: Path, timeout_seconds: float) -> Report:
    """Slither's findings on a source; its detectors' names as rules. Raises AuditError, ExecutionTimeoutError."""
    program = shutil.which("slither")
    if program is None:
        raise AuditError("no program `slither` on the path; it installs by: pip install slither-analyzer")
    try:
        done = subprocess.run(
            [program, str(path), "--json", "-"], capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise ExecutionTimeoutError(f"no answer in {timeout_seconds:g} seconds") from None
    return Report(f"{path.name} (Slither)", "evm", in_order(_findings(_answer(done))), 0, ())


def _answer(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    try:
        document = json.loads(done.stdout)
        if not document["success"]:
            raise AuditError(str(document["error"]).splitlines()[0])
        return list(document["results"].get("detectors", []))
    except (ValueError, KeyError, TypeError):
        told = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise AuditError(f"no JSON, but {told[:200]}") from None


def _findings(detected: list[dict[str, Any]]) -> Iterator[Finding]:
    for item in detected:
        severity = _SEVERITIES.get(item.get("impact", ""))
        if severity is not None:
            yield Finding(f"slither-{item['check']}", severity, _place(item), " ".join(item["description"].split()))


def _place(item: dict[str, Any]) -> Place:
    """The place of a finding's first element."""
    for element in item.get("elements", []):
        mapping = element.get("source_mapping") or {}
        lines = mapping.get("lines") or [None]
        return Place(element.get("name", ""), None, mapping.get("filename_relative", ""), lines[0])
    return Place()
