"""The SARIF of `zevm audit` against the schema of version 2.1.0."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from tests.analysis.audited_code import DELEGATE, IS_OWNER, SET_OWNER, contract
from tests.clients.tools import CLIENTS, EXAMPLES
from zevm.node.cli import main

SCHEMA = CLIENTS / "node_modules" / "@microsoft" / "jest-sarif" / "lib" / "schemas" / "sarif-2.1.0-rtm.5.json"
CODES = {
    "none": contract("STOP"),
    "several": contract(SET_OWNER, f"{IS_OWNER} {DELEGATE}"),
    "destruction": contract("CALLER SELFDESTRUCT"),
}


@pytest.mark.parametrize("name", [*CODES, "source"])
def test_sarif_keeps_the_schema(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    target = EXAMPLES / "src" / "Fraction.sol"
    if name != "source":
        target = tmp_path / f"{name}.hex"
        target.write_text(CODES[name].hex())
    with pytest.raises(SystemExit):
        main(["audit", str(target), "--sarif", "out.sarif", "--fail-on", "never"])
    errors = Draft4Validator(json.loads(SCHEMA.read_text())).iter_errors(json.loads(Path("out.sarif").read_text()))
    assert [error.message for error in errors] == []
