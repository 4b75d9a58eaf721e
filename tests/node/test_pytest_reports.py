"""Deployments by name, call trees of failed tests and the report of gas, in suites that run in this process."""

import json
import re
from pathlib import Path

import pytest
import web3  # noqa: F401

import zevm
import zevm.node.testing.providers
import zevm.node.testing.report_hooks
import zevm.node.testing.session
import zevm.node.testing.web3_middleware
from zevm.contracts import Artifact, build

pytest_plugins = ["pytester"]

# pytester takes back what a suite imports, and the node's tables cannot be filled twice
with zevm.Node():
    pass

ALONE = ("-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:faulthandler")
"""The inner run of faulthandler would take wasmtime's signal handlers away: the next trap would end the process."""
SOURCE = """# pragma version ~=0.4.0
interface Keeper:
    def keep(number: uint256): nonpayable

event Kept:
    owner: indexed(address)
    value: uint256

value: public(uint256)

@deploy
@payable
def __init__(start: uint256):
    assert start < 1000, "Box: too large"
    self.value = start

@external
def keep(number: uint256):
    self.value = number
    log Kept(owner=msg.sender, value=number)

@external
def refuse():
    raise "Box: refused"

@external
def keep_in(other: address, number: uint256):
    extcall Keeper(other).keep(number)
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The artifact of a contract that keeps a number."""
    source = tmp_path_factory.mktemp("sources") / "Box.vy"
    source.write_text(SOURCE)
    return build(source)


def hardhat_form(artifact: Artifact, folder: Path) -> None:
    """Write the files that Hardhat writes for a contract."""
    folder.mkdir(parents=True)
    document = {
        "_format": "hh-sol-artifact-1",
        "contractName": artifact.name,
        "sourceName": "contracts/deep/Box.sol",
        "abi": artifact.abi,
        "bytecode": "0x" + artifact.bytecode.hex(),
        "deployedBytecode": "0x" + artifact.deployed_bytecode.hex(),
        "linkReferences": {},
        "deployedLinkReferences": {},
    }
    (folder / "Box.json").write_text(json.dumps(document))
    (folder / "Box.dbg.json").write_text('{"buildInfo": "../../build-info/1.json"}')


@pytest.mark.lengthy
def test_contracts_are_found_by_name_path_and_source(pytester: pytest.Pytester, box: Artifact) -> None:
    hardhat_form(box, pytester.path / "artifacts" / "contracts" / "deep" / "Box.sol")
    box.write(pytester.path / "out")
    box.write(pytester.path / "old")
    (pytester.path / "src").mkdir()
    (pytester.path / "src" / "Chest.vy").write_text(SOURCE)
    (pytester.path / "old" / "Box.vy" / "Twin.json").write_text('{"abi": []}')
    pytester.makepyfile(
        """
        import pytest
        from web3.exceptions import ContractLogicError

        @pytest.mark.parametrize(
            "name", ["Box.vy:Box", "Box.sol:Box", "artifacts/contracts/deep/Box.sol/Box.json", "Chest", "src/Chest.vy"]
        )
        def test_is_found(deploy, w3, name, accounts):
            box = deploy(name, 7, sender=accounts[1], gas=2_000_000)
            assert box.functions.value().call() == 7
            transaction = w3.eth.get_block(1, True)["transactions"][0]
            assert (transaction["from"], transaction["gas"]) == (accounts[1], 2_000_000)

        def test_takes_wei_and_mines_where_the_node_does_not(deploy, zevm, w3):
            zevm.request("evm_setAutomine", False)
            box = deploy("Box.sol:Box", 7, value=5)
            assert w3.eth.get_balance(box.address) == 5

        def test_a_constructor_that_reverts(deploy):
            with pytest.raises(ContractLogicError, match="Box: too large"):
                deploy("Box.sol:Box", 1_000)

        @pytest.mark.parametrize(
            ("arguments", "line"),
            [
                (("Box", 7), "2 contracts are called Box: choose one of Box.vy:Box, Box.sol:Box, or give a path"),
                (("Bax",), "no contract Bax in out, artifacts, build, src, contracts: there are Box"),
                (("old/Box.vy/Twin.json",), "not an artifact in Foundry's form"),
                (("none.json",), "none.json: cannot be read"),
                (("Box.sol:Box",), "the constructor of Box takes (uint256 start): 0 given"),
                (("Box.sol:Box", 1, 2), "the constructor of Box takes (uint256 start): 2 given"),
            ],
        )
        def test_what_is_wrong_is_one_line(deploy, arguments, line):
            with pytest.raises(pytest.fail.Exception) as caught:
                deploy(*arguments)
            assert str(caught.value).startswith("deploy: ") and line in str(caught.value)
            assert "\\n" not in str(caught.value)
        """
    )
    pytester.runpytest_inprocess(*ALONE).assert_outcomes(passed=13)


@pytest.mark.lengthy
def test_an_artifact_older_than_its_source_is_refused(pytester: pytest.Pytester, box: Artifact) -> None:
    box.write(pytester.path / "out")
    (pytester.path / "Box.vy").write_text(SOURCE + "# changed\n")
    pytester.makepyfile("def test_it(deploy): deploy('Box', 7)")
    result = pytester.runpytest_inprocess(*ALONE)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["deploy: out/Box.vy/Box.json is older than Box.vy: build the project again"])


FAILING = """
    import asyncio
    import pytest

    @pytest.fixture(scope="module")
    def box(deploy):
        return deploy("Box", 7)

    def test_that_succeeds(box):
        box.functions.keep(1).transact()

    def test_by_a_transaction(box, deploy):
        other = deploy("Box", 1)
        box.functions.keep_in(other.address, 5).transact()
        assert 0

    def test_by_a_call(box):
        box.functions.keep(1).transact()
        box.functions.refuse().call()

    def test_by_a_mined_failure(box, accounts):
        box.functions.refuse().transact({"gas": 100_000})
        assert 0

    def test_without_an_execution(box):
        assert 0

    def test_asynchronous(box, async_w3):
        contract = async_w3.eth.contract(box.address, abi=box.abi)
        asyncio.run(contract.functions.refuse().call())
"""


@pytest.mark.lengthy
def test_a_failed_test_shows_what_it_executed_last(pytester: pytest.Pytester, box: Artifact) -> None:
    box.write(pytester.path / "out")
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_inprocess(*ALONE, "--tb=short")
    result.assert_outcomes(passed=1, failed=5)
    sections = result.stdout.str().split("zEVM: ")[1:]
    assert [section.split()[1] for section in sections] == ["transaction", "failed", "transaction", "failed"]
    assert "Box::keep_in(Box: [0x" in sections[0]
    assert "├─ [" in sections[0]
    assert "Box::keep(5)" in sections[0]
    assert "emit Kept(owner: Box: [0x" in sections[0]
    for section in sections[1:]:
        assert "Box::refuse()" in section
        assert "[Revert] Box: refused" in section
    assert "eth_call" in sections[1]
    assert "eth_call" in sections[3]
    silent = pytester.runpytest_inprocess(*ALONE, "-o", "zevm_traces=false").stdout.str()
    assert "zEVM" not in silent


@pytest.mark.lengthy
def test_gas_is_reported_by_function(pytester: pytest.Pytester, box: Artifact) -> None:
    box.write(pytester.path / "out")
    pytester.makeini("[pytest]\nzevm_gas = true\n")
    pytester.makepyfile(
        """
        GAS = []

        def test_transactions(deploy, w3, accounts):
            box, other = deploy("Box", 7), deploy("Box", 8)
            for call in (box.functions.keep(1), box.functions.keep(2), box.functions.keep_in(other.address, 1)):
                GAS.append(w3.eth.get_transaction_receipt(call.transact())["gasUsed"])
            box.functions.refuse().transact({"gas": 100_000})
            w3.eth.send_transaction({"from": accounts[0], "to": accounts[1], "value": 1})
            print("USED", *GAS)
        """
    )
    result = pytester.runpytest_inprocess(*ALONE, "--zevm-gas-json=reports/gas.json", "-s")
    result.assert_outcomes(passed=1)
    text = result.stdout.str()
    first, second, nested = map(int, text.split("USED")[1].split()[:3])
    report = json.loads((pytester.path / "reports" / "gas.json").read_text())
    assert report.keys() == {"Box"}
    assert report["Box"].keys() == {"constructor", "keep", "keep_in"}
    low, high = sorted((first, second))
    assert report["Box"]["keep"] == {
        "min": low,
        "mean": round((low + high) / 2),
        "median": low,
        "max": high,
        "calls": 2,
    }
    assert report["Box"]["keep_in"] == dict.fromkeys(("min", "mean", "median", "max"), nested) | {"calls": 1}
    assert report["Box"]["constructor"]["calls"] == 2
    result.stdout.fnmatch_lines(["*zEVM: gas of transactions*", "function *calls", f"Box.keep *{low:,} *2"])


@pytest.mark.lengthy
def test_lines_of_vyper_that_ran(pytester: pytest.Pytester, box: Artifact) -> None:
    box.write(pytester.path / "out")
    (pytester.path / box.source).write_text(SOURCE)
    pytester.makepyfile(
        """
        import pytest
        from web3.exceptions import ContractLogicError

        def test_it(deploy):
            box = deploy("Box", 7)
            box.functions.keep(1).transact()
            with pytest.raises(ContractLogicError):
                box.functions.refuse().call()
        """
    )
    result = pytester.runpytest_inprocess(*ALONE, "--zevm-coverage")
    result.assert_outcomes(passed=1)
    not_run = SOURCE.splitlines().index("    extcall Keeper(other).keep(number)") + 1
    # the line of its `def` has the code that decodes the arguments
    result.stdout.fnmatch_lines([f"{box.source} * {not_run - 1}-{not_run}"])


@pytest.mark.lengthy
@pytest.mark.parametrize("option", ["--zevm-coverage", "--zevm-gas-json"])
def test_a_report_that_cannot_be_written_is_told_in_one_line(pytester: pytest.Pytester, option: str) -> None:
    pytester.makepyfile("def test_it(): pass")
    (pytester.path / "file").touch()
    reasons = {"file/lcov.info": r"(Not a directory|File exists)", "x" * 300: "File name too long", "a\0b": "null byte"}
    for path, reason in reasons.items():
        result = pytester.runpytest_inprocess(*ALONE, f"{option}={path}")
        result.assert_outcomes(passed=1)
        told = [line for line in result.outlines if line.startswith("error: ")]
        assert len(told) == 1
        assert re.fullmatch(rf"error: cannot write '.*': .*{reason}.*", told[0])
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    result = pytester.runpytest_inprocess(*ALONE, f"{option}=new/folder/report")
    assert result.ret == pytest.ExitCode.OK
    assert (pytester.path / "new" / "folder" / "report").is_file()
