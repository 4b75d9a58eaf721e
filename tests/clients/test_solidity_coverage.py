"""Coverage of Solidity's lines in a suite of the pytest plugin, with the artifacts of forge."""

import json
import subprocess
from pathlib import Path

import pytest
import web3  # noqa: F401

import zevm
import zevm.analysis.coverage.lines
import zevm.node.testing.providers
import zevm.node.testing.report_hooks
import zevm.node.testing.session
import zevm.node.testing.web3_middleware
from testing.contracts import FORGE
from testing.node_process import ROOT

pytest_plugins = ["pytester"]

# pytester takes back what a suite imports, and the node's tables cannot be filled twice
with zevm.Node():
    pass

ALONE = ("-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler")
FOUNDRY = f"""[profile.default]
solc = "{ROOT / "tests/clients/bin/solc"}"
offline = true
auto_detect_remappings = false
optimizer = false
"""
SOURCE = """// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

library Fees {
    function fee(uint256 price) internal pure returns (uint256) {
        if (price > 1000) {
            return price / 100; // not reached
        }
        return 1;
    }
}

abstract contract Owned {
    address immutable owner;

    constructor() {
        owner = msg.sender;
    }

    modifier onlyOwner() {
        require(msg.sender == owner, "not the owner");
        _;
    }
}

contract Sale is Owned {
    uint256 public sold = 1;

    constructor(uint256 first) {
        if (first == 7) {
            sold = first;
        } else {
            sold = 8; // not reached
        }
    }

    function buy(uint256 price, uint256 times) external {
        for (uint256 i = 0; i < times; i++) {
            sold += Fees.fee(price);
        }
    }

    function close() external onlyOwner {
        sold = 0; // not reached
    }

    function never(uint256 a) external pure returns (uint256) { // not reached
        uint256 b = a + 1; // not reached
        return b; // not reached
    }

    function refuse() external {
        sold += 1;
        revert("refused");
    }

    receive() external payable {
        sold += msg.value;
    }
}
"""
UNTOUCHED = """pragma solidity ^0.8.0;
contract Untouched {
    function f() external pure returns (uint256) {
        return 1;
    }
}
"""
NOT_REACHED = [number for number, line in enumerate(SOURCE.splitlines(), 1) if "not reached" in line]
SUITE = """
    import pytest
    from web3.exceptions import ContractLogicError

    def test_it(deploy, w3, accounts):
        sale = deploy("Sale", 7)
        sale.functions.buy(5, 3).transact({"gas": 1_000_000})
        assert sale.functions.sold().call() == 10
        with pytest.raises(ContractLogicError, match="not the owner"):
            sale.functions.close().transact({"from": accounts[1]})
        with pytest.raises(ContractLogicError, match="refused"):
            sale.functions.refuse().call()
        w3.eth.send_transaction({"from": accounts[0], "to": sale.address, "value": 1})
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of forge."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "src").mkdir()
    (folder / "src" / "Sale.sol").write_text(SOURCE)
    (folder / "src" / "Untouched.sol").write_text(UNTOUCHED)
    (folder / "foundry.toml").write_text(FOUNDRY)
    subprocess.run([str(FORGE), "build", "--quiet"], cwd=folder, check=True)
    return folder


@pytest.fixture
def project(pytester: pytest.Pytester, built: Path) -> Path:
    """The same, with a suite, as the folder of the inner run."""
    for name in ("src", "out"):
        (pytester.path / name).symlink_to(built / name)
    pytester.makepyfile(SUITE)
    return pytester.path


def lines_of(tracefile: str, source: str) -> dict[int, int]:
    """Line -> count of a source in LCOV."""
    part = tracefile.split(f"SF:{source}\n")[1].split("end_of_record")[0]
    pairs = (line[3:].split(",") for line in part.splitlines() if line.startswith("DA:"))
    return {int(line): int(count) for line, count in pairs}


def test_lines_and_functions_that_ran(pytester: pytest.Pytester, project: Path) -> None:
    result = pytester.runpytest_inprocess(*ALONE, "--zevm-coverage=reports/lcov.info")
    result.assert_outcomes(passed=1)
    tracefile = (project / "reports" / "lcov.info").read_text()
    found = lines_of(tracefile, "src/Sale.sol")
    assert [line for line, count in found.items() if not count] == NOT_REACHED
    numbers = {line.strip(): number for number, line in enumerate(SOURCE.splitlines(), 1)}
    ran = {text: found[numbers[text]] for text in ("sold = first;", "sold += Fees.fee(price);", 'revert("refused");')}
    # web3.py estimates the deployment before it sends it: three executions, of which each has a run of the constructor
    assert ran["sold += Fees.fee(price);"] == 3
    assert ran['revert("refused");'] == 1
    assert ran["sold = first;"] >= 2
    # declarations of contracts and state variables are no lines
    assert not found.keys() & {numbers[text] for text in ("contract Sale is Owned {", "uint256 public sold = 1;")}
    assert lines_of(tracefile, "src/Untouched.sol") == {3: 0, 4: 0}
    functions = dict(line[5:].split(",")[::-1] for line in tracefile.splitlines() if line.startswith("FNDA:"))
    assert {name for name, count in functions.items() if count == "0"} == {"Sale.never", "Untouched.f"}
    assert {"Fees.fee", "Owned.constructor", "Owned.onlyOwner", "Sale.constructor", "Sale.receive"} <= functions.keys()
    missing = "7, 33, 44-49"
    assert f"FNF:{len(functions) - 1}\nFNH:{len(functions) - 2}\n" in tracefile
    result.stdout.fnmatch_lines(
        [
            "*zEVM: coverage of sources*",
            "file * lines * functions * covered * missing lines",
            f"src/Sale.sol *{len(found) - 6}/{len(found)} * {missing}",
            "src/Untouched.sol * 0/2 * 0/1 * 0.0 %  3-4",
            "total *",
        ]
    )


def test_contracts_without_a_source_map_are_named(pytester: pytest.Pytester, built: Path) -> None:
    artifact = json.loads((built / "out" / "Sale.sol" / "Sale.json").read_text())
    for member in ("bytecode", "deployedBytecode"):
        artifact[member]["sourceMap"] = ""
    folder = pytester.path / "out" / "Sale.sol"
    folder.mkdir(parents=True)
    (folder / "Sale.json").write_text(json.dumps(artifact))
    pytester.makepyfile(SUITE)
    pytester.makeini("[pytest]\nzevm_coverage = true\n")
    result = pytester.runpytest_inprocess(*ALONE)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "no source map of Solidity or Vyper is known",
            "not covered: src/Sale.sol:Sale: its artifact has no source map, or its source has changed",
        ]
    )


def test_nothing_is_traced_without_the_option(pytester: pytest.Pytester, project: Path) -> None:  # noqa: ARG001
    pytester.makepyfile("def test_it(zevm): assert zevm.chain.environment_of(zevm.chain.head.header).watcher is None")
    result = pytester.runpytest_inprocess(*ALONE)
    result.assert_outcomes(passed=1)
    assert "coverage" not in result.stdout.str()


@pytest.mark.parametrize("part", ["", "::test_it"])
def test_a_test_in_the_place_of_the_file_is_refused(pytester: pytest.Pytester, part: str) -> None:
    test = pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_inprocess(*ALONE, "--zevm-coverage", f"{test}{part}")
    result.stderr.fnmatch_lines([f"ERROR: --zevm-coverage {test}{part}: want a file for LCOV*"])
    assert test.read_text() == "def test_it(): pass"
