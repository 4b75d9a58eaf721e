"""`zevm audit`: weaknesses of a contract, suspected from its code and confirmed by trials."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from zevm import __version__
from zevm.node.commands.contract_options import once, told
from zevm.node.commands.names import is_name, resolved
from zevm.node.commands.wasm_call import block_reference
from zevm.node.commands.wasm_options import JsonOption, PortOption, RpcOption, client_of
from zevm.node.errors import NodeError, SettingsError, reason_of

FOUND_EXIT_CODE = 3
"""Of a run with findings of the severity of --fail-on, so that it differs from a run that failed (1, 2)."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_SEVERITIES = ("high", "medium", "low", "never")
_MORE_TIME = "raise --timeout-seconds"


def audit(
    target: Annotated[
        str, typer.Argument(metavar="FILE|ADDRESS", help="Source, artifact, module or bytecode; or a node's contract.")
    ],
    contract: Annotated[
        str | None, typer.Option("--contract", metavar="NAME", help="One contract of a file with several.")
    ] = None,
    as_json: JsonOption = False,
    sarif: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Also write the findings as SARIF 2.1.0.")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on", metavar="SEVERITY", help=f"Exit with 3 from this severity on: {', '.join(_SEVERITIES)}."
        ),
    ] = "high",
    timeout_seconds: Annotated[
        float, typer.Option("--timeout-seconds", min=0.1, metavar="SECONDS", help="Time for each contract at most.")
    ] = 120.0,
    slither: Annotated[
        bool, typer.Option("--slither", help="Add the findings of Slither, a separate program, on Solidity sources.")
    ] = False,
    rpc: RpcOption = None,
    port: PortOption = None,
    block: Annotated[str, typer.Option("--block", metavar="BLOCK", help="Number, tag or hash.")] = "latest",
) -> None:
    """Look for weaknesses of a contract, and try on a copy of the state which of them can be exploited.

    The exit code is 0, or 3 if a finding has the severity of --fail-on or a higher one.
    """
    if fail_on not in _SEVERITIES:
        raise SettingsError(f"--fail-on {fail_on}: there are {', '.join(_SEVERITIES)}")
    client = client_of(rpc, port)
    address = resolved(client, target, contract=True) if is_name(target) else target
    if _ADDRESS.match(address):
        documents = [client.call("zvm_auditContract", address, block_reference(block))]
    else:
        documents = _reports(Path(target), contract, timeout_seconds)
        if slither:
            documents += _of_slither(Path(target), timeout_seconds)
    if sarif is not None:
        _write_sarif(sarif, target, documents)
    _tell(documents, as_json=as_json)
    if fail_on != "never" and _reaches(documents, fail_on):
        raise typer.Exit(FOUND_EXIT_CODE)


def _reports(path: Path, contract: str | None, timeout_seconds: float) -> list[dict[str, Any]]:
    """The reports on the contracts of a file. Raises NodeError."""
    from zevm.analysis.audit.audit import audit as audit_contract
    from zevm.analysis.audit.errors import AuditError
    from zevm.analysis.audit.loading import subjects_of
    from zevm.analysis.audit.threads import in_deep_thread
    from zevm.analysis.audit.trial.ground import blank_ground
    from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
    from zevm.chain.zvm.machine import ZvmMachine
    from zevm.contracts.errors import BuildTimeoutError
    from zevm.contracts.options import BuildOptions

    def run() -> list[dict[str, Any]]:
        subjects = subjects_of(path, BuildOptions(on_wait=once()), timeout_seconds)
        chosen = [subject for subject in subjects if contract in (None, subject.name)]
        if not chosen:
            raise AuditError(f"--contract {contract}: {path} has {', '.join(subject.name for subject in subjects)}")
        ground = blank_ground(ZvmMachine("zvm", console=True))
        return [
            audit_contract(subject, ground=ground, deadline=Deadline.after(timeout_seconds)).as_json()
            for subject in chosen
        ]  # fmt: skip

    with told({BuildTimeoutError: _MORE_TIME}):
        try:
            return in_deep_thread(run)
        except AuditError as error:
            raise NodeError(str(error)) from None
        except ExecutionTimeoutError:
            raise NodeError(f"{path}: not examined in {timeout_seconds:g} seconds; {_MORE_TIME}") from None


def _of_slither(path: Path, timeout_seconds: float) -> list[dict[str, Any]]:
    """The document of Slither's findings. Raises NodeError."""
    from zevm.analysis.audit.errors import AuditError
    from zevm.analysis.audit.slither import slither_report
    from zevm.chain.concurrency.deadline import ExecutionTimeoutError

    try:
        return [slither_report(path, timeout_seconds).as_json()]
    except AuditError as error:
        raise NodeError(f"--slither: {error}") from None
    except ExecutionTimeoutError as error:
        raise NodeError(f"--slither: {error}; {_MORE_TIME}") from None


def _write_sarif(file: Path, target: str, documents: list[dict[str, Any]]) -> None:
    from zevm.analysis.audit.sarif import sarif_of

    try:
        file.write_text(
            json.dumps(sarif_of([(target, document) for document in documents], __version__), indent=2) + "\n"
        )
    except OSError as error:
        raise NodeError(f"--sarif {file}: cannot be written: {reason_of(error)}") from None


def _reaches(documents: list[dict[str, Any]], severity: str) -> bool:
    reached = _SEVERITIES[: _SEVERITIES.index(severity) + 1]
    return any(finding["severity"] in reached for document in documents for finding in document["findings"])


def _tell(documents: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(documents))
        return
    for document in documents:
        _tell_one(document)


def _tell_one(document: dict[str, Any]) -> None:
    """Print a row for each finding, its reason below: a column for reasons would be narrow on a terminal."""
    found = document["findings"]
    count = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
    functions = f"{document['functions']} function{'' if document['functions'] == 1 else 's'}"
    _say(f"{document['contract']}: {count} in {functions}")
    rows = [(item["severity"], item["evidence"], item["rule"], _place(item)) for item in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row, item in zip(rows, found, strict=True):
        _say("  " + "  ".join((*(text.ljust(width) for text, width in zip(row[:3], widths, strict=True)), row[3])))
        for line in (item["reason"], item["details"]):
            if line:
                _say(f"      {line}")
    for note in document["notes"]:
        _say(f"note: {note}")


def _say(line: str) -> None:
    """Print a line with names from artifacts, sources, servers and other programs in it."""
    from zevm.analysis.printable import printable

    typer.echo(printable(line))


def _place(finding: dict[str, Any]) -> str:
    line = f"{finding['source']}:{finding['line']}" if finding["line"] is not None else ""
    offset = "" if finding["offset"] is None else f"0x{finding['offset']:x}"
    return " ".join(part for part in (finding["function"], line, "" if line else offset) if part) or "contract"
