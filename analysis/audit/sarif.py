"""Reports as SARIF 2.1.0 (OASIS), which code hosts and editors show next to the source."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zevm.analysis.audit.finding import Severity
from zevm.analysis.audit.rules import RULES, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SECURITY_SEVERITY = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "3.0"}
"""GitHub's scale, from 0.1 to 10."""


def sarif_of(documents: Iterable[tuple[str, Mapping[str, Any]]], version: str) -> dict[str, Any]:
    """The document of one run. documents: (file or address, Report.as_json()). version: of this program."""
    results = [_result(where, document, found) for where, document in documents for found in document["findings"]]
    others = sorted({found["ruleId"] for found in results} - RULES.keys())
    driver = {
        "name": "zEVM audit",
        "version": version,
        "rules": [_rule(rule) for rule in RULES.values()] + [{"id": identifier} for identifier in others],
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


def _result(where: str, document: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    contract, function = document["contract"], found["function"]
    logical = {"fullyQualifiedName": f"{contract}.{function}" if function else contract, "kind": "function"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if found["line"] is not None:
        region = {"startLine": found["line"]}
        location["physicalLocation"] = {
            "artifactLocation": _artifact(_source_file(where, found["source"])),
            "region": region,
        }
    elif Path(where).is_file():
        # no region: an offset counts in the deployed code, not in the file
        location["physicalLocation"] = {"artifactLocation": _artifact(Path(where))}
    details = f" {found['details']}." if found["details"] else ""
    code = "" if found["offset"] is None else f", at 0x{found['offset']:x} of the code"
    return {
        "ruleId": found["rule"],
        "level": _LEVELS[Severity[found["severity"].upper()]],
        "message": {"text": f"{contract}: {found['reason']} ({found['evidence']}{code}).{details}"},
        "locations": [location],
        "properties": {name: found[name] for name in ("evidence", "severity", "offset")},
    }


def _source_file(where: str, source: str) -> Path:
    """The file of a source's name, which counts from the folder of the audited file or from one above it."""
    folders = Path(where).absolute().parents
    return next((folder / source for folder in folders if (folder / source).is_file()), Path(source))


def _artifact(file: Path) -> dict[str, str]:
    """A file's location: relative to the current directory, which code hosts take for the root, where it is in it."""
    whole = Path(os.path.normpath(file.absolute()))
    if whole.is_relative_to(Path.cwd()):
        return {"uri": quote(whole.relative_to(Path.cwd()).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": whole.as_uri()}
