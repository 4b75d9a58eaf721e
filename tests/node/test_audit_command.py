"""`zevm audit`: its table, JSON, SARIF and exit codes, and one clear line for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from testing.wasm_modules import box, unknown
from tests.analysis.audited_code import DEPOSIT, HAS_ENTRY, IS_OWNER, contract
from tests.node.conftest import Command
from zevm.analysis.audit.finding import Finding, Place, Report, Severity
from zevm.analysis.audit.sarif import sarif_of
from zevm.node.cli import main

WEAK = contract("CALLER SELFDESTRUCT", f"{HAS_ENTRY} {DEPOSIT}")
GUARDED = contract(f"{IS_OWNER} CALLER SELFDESTRUCT")


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command in this process, in a folder with files to audit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weak.hex").write_text("0x" + WEAK.hex() + "\n")
    (tmp_path / "guarded.bin").write_bytes(GUARDED)
    (tmp_path / "box.wasm").write_bytes(box())
    (tmp_path / "unknown.wasm").write_bytes(unknown())

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        with pytest.raises(SystemExit) as ended:
            main(["audit", *arguments])
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), told.out, told.err)

    return run


def test_a_row_for_each_finding_with_its_reason(audit: Command) -> None:
    told = audit("weak.hex")
    assert told.returncode == 3
    head, row, reason, details, *_ = told.stdout.splitlines()
    assert head == "weak: 1 finding in 4 functions"
    assert row.split()[:3] == ["high", "confirmed", "access-control"]
    assert reason == "      any caller reaches SELFDESTRUCT"
    assert details == "      0x11223344(), called by a stranger, ran SELFDESTRUCT"


@pytest.mark.lengthy
@pytest.mark.parametrize(("file", "severity", "code"), [
    ("weak.hex", "high", 3), ("weak.hex", "low", 3), ("weak.hex", "never", 0),
    ("guarded.bin", "high", 0), ("guarded.bin", "medium", 0), ("guarded.bin", "low", 3),
    ("unknown.wasm", "high", 3), ("box.wasm", "high", 0),
])  # fmt: skip
def test_the_exit_code_follows_the_severity(audit: Command, file: str, severity: str, code: int) -> None:
    assert audit(file, "--fail-on", severity).returncode == code


def test_json(audit: Command) -> None:
    (report,) = json.loads(audit("unknown.wasm", "--json").stdout)
    assert (report["machine"], report["severity"]) == ("wasm", "high")
    assert {finding["rule"] for finding in report["findings"]} == {"forbidden-import"}


@pytest.mark.lengthy
@pytest.mark.parametrize("file", ["weak.hex", "guarded.bin", "box.wasm", "unknown.wasm"])
def test_sarif_has_every_finding(audit: Command, file: str) -> None:
    audit(file, "--sarif", "out.sarif", "--fail-on", "never")
    document = json.loads(Path("out.sarif").read_text())
    assert document["version"] == "2.1.0"
    results = document["runs"][0]["results"]
    reported = json.loads(audit(file, "--json", "--fail-on", "never").stdout)[0]["findings"]
    assert [result["ruleId"] for result in results] == [finding["rule"] for finding in reported]


def test_sarif_without_a_source_names_the_function_and_no_place_in_the_file(audit: Command) -> None:
    audit("weak.hex", "--sarif", "out.sarif")
    (result,) = json.loads(Path("out.sarif").read_text())["runs"][0]["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "weak.hex", "uriBaseId": "%SRCROOT%"}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "weak.0x11223344()", "kind": "function"}]
    assert f"at 0x{result['properties']['offset']:x} of the code" in result["message"]["text"]


@pytest.mark.parametrize(("folder", "target", "uri"), [
    (".", "src/My Vault.sol", "src/My%20Vault.sol"),
    (".", "out/Vault.sol/Vault.json", "src/My%20Vault.sol"),
    ("src", "My Vault.sol", "My%20Vault.sol"),
    ("out", "../src/My Vault.sol", None),
])  # fmt: skip
def test_sarif_counts_sources_from_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, target: str, uri: str | None
) -> None:
    for name in ("src/My Vault.sol", "out/Vault.sol/Vault.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / folder)
    source = "src/My Vault.sol" if target.endswith(".json") else "My Vault.sol"
    found = Finding("access-control", Severity.HIGH, Place("f()", 7, source, 3), "reason")
    document = sarif_of([(target, Report("Vault", "evm", (found,)).as_json())], "1")
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    outside = (tmp_path / "src" / "My Vault.sol").as_uri()
    assert place["artifactLocation"] == ({"uri": uri, "uriBaseId": "%SRCROOT%"} if uri else {"uri": outside})
    assert place["region"] == {"startLine": 3}


BAD = {
    ("absent.sol",): "absent.sol: there is no such file",
    ("0x1234",): "0x1234: there is no such file, and it is no address (0x and 40 hex digits)",
    (".",): ".: is a folder, name a file",
    ("empty.bin",): "empty.bin: is empty",
    ("words.txt",): "words.txt: neither bytecode in hex or binary, nor a source or an artifact",
    ("/dev/zero",): "/dev/zero: is a device or a pipe, name a file",
    ("none.json",): "none.json: not an artifact in Foundry's form: it has no `abi` and `bytecode` and",
    ("weak.hex", "--fail-on", "sometimes"): "--fail-on sometimes: there are high, medium, low, never",
    ("weak.hex", "--contract", "Other"): "--contract Other: weak.hex has weak",
    ("weak.hex", "--sarif", "no/such/folder"): "--sarif no/such/folder: cannot be written: no such file or directory",
    ("0x" + "11" * 20, "--rpc", "http://127.0.0.1:1"): "no node answers at http://127.0.0.1:1",
    ("weak.hex", "--slither"): "--slither: no program `slither` on the path",
}


@pytest.mark.lengthy
@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line(audit: Command, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    Path("empty.bin").write_bytes(b"")
    Path("words.txt").write_text("a contract in plain words\n")
    Path("none.json").write_text("{}")
    told = audit(*arguments)
    assert told.returncode in (1, 2)
    (line,) = told.stderr.splitlines()
    assert line.startswith("zevm: " + BAD[arguments])


def test_no_byte_of_a_name_reaches_the_terminal_as_a_command(audit: Command) -> None:
    """Bells, escapes, marks of direction and line ends of a contract's and a function's name."""
    nasty = "Va\x07ult\x1b[2J\u202e\r\n"
    function = {"type": "function", "name": f"go{nasty}", "inputs": [], "outputs": [], "stateMutability": "payable"}
    code = "0x" + contract("CALLER SELFDESTRUCT").hex()
    Path("s.json").write_text(json.dumps(
        {"abi": [function], "bytecode": code, "deployedBytecode": code, "contractName": nasty}
    ))  # fmt: skip
    told = audit("s.json")
    assert told.returncode == 3
    assert all(line.isprintable() for line in told.stdout.split("\n"))
    assert told.stdout.startswith(r"Va\x07ult\x1b[2J\u202e\r\n: 1 finding")
    line = audit("s.json", "--contract", nasty + "!").stderr
    assert line.removesuffix("\n").isprintable()


@pytest.mark.lengthy
def test_slither_is_a_program_of_its_own(audit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its findings stand beside ours; nothing of it is imported."""
    answer = {"success": True, "error": None, "results": {"detectors": [
        {"check": "arbitrary-send-eth", "impact": "High", "description": "A sends\n ether", "elements": [
            {"name": "sweep", "source_mapping": {"filename_relative": "a.sol", "lines": [7, 8]}}]},
        {"check": "naming", "impact": "Informational", "description": "no", "elements": []},
    ]}}  # fmt: skip
    program = tmp_path / "bin" / "slither"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(json.dumps(answer))})\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    ours, theirs = json.loads(audit("guarded.bin", "--slither", "--json").stdout)
    assert [finding["rule"] for finding in ours["findings"]] == ["selfdestruct"]
    (finding,) = theirs["findings"]
    assert (finding["rule"], finding["severity"]) == ("slither-arbitrary-send-eth", Severity.HIGH.label)
    assert (finding["source"], finding["line"], finding["reason"]) == ("a.sol", 7, "A sends ether")
    program.write_text(f"#!{sys.executable}\nprint('no idea')\n")
    assert audit("guarded.bin", "--slither").stderr == "zevm: --slither: no JSON, but no idea\n"
