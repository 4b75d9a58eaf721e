"""Reports as SARIF 2.1.0 (OASIS), which code hosts and editors show next to the source."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from zevm.analysis.audit.finding import Evidence, Finding, Report, Severity
from zevm.analysis.audit.rules import RULES, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SECURITY_SEVERITY = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "3.0"}
"""GitHub's scale, from 0.1 to 10."""
_NUMBERS = {identifier: place for place, identifier in enumerate(RULES)}


def sarif_of(reports: Iterable[tuple[str, Report]], version: str) -> dict[str, Any]:
    """The document of one run. reports: (file or address, report). version: of this program."""
    results = [_result(where, report, finding) for where, report in reports for finding in report.findings]
    driver = {
        "name": "zEVM audit",
        "version": version,
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _rule(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule.identifier,
        "name": "".join(part.capitalize() for part in rule.identifier.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.meaning},
        "help": {"text": f"{rule.remedy} Not found: {rule.misses}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"security-severity": _SECURITY_SEVERITY[rule.severity], "tags": ["security"]},
    }
    if rule.swc:
        described["properties"]["tags"] = ["security", rule.swc]
    return described


def _result(where: str, report: Report, finding: Finding) -> dict[str, Any]:
    place = finding.place
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(place.source or where)}}
    if place.line is not None:
        location["region"] = {"startLine": place.line}
    elif place.offset is not None:
        location["region"] = {"byteOffset": place.offset}
    name = f"{report.name}.{place.function}" if place.function else report.name
    details = f" {finding.details}." if finding.details else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": _NUMBERS[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{report.name}: {finding.reason} ({finding.evidence.value}).{details}"},
        "locations": [
            {"physicalLocation": location, "logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}]}
        ],
        "properties": {
            "evidence": finding.evidence.value,
            "confirmed": finding.evidence is Evidence.CONFIRMED,
            "severity": finding.severity.label,
            "codeOffset": place.offset,
        },
    }
