"""The campaign of projects that start Anvil, on one made here; and that it tells what passes with Anvil alone."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testing.node_process import NodeError, NodeProcess
from verification.foreign import run as foreign
from verification.foreign.project import Chain, Outcomes, Run
from verification.foreign.viem import outcomes

ZEVM = (sys.executable, "-m", "zevm", "run")


class Small:
    """A project with two tests: the fork has the origin's id, and its block."""

    chains: Sequence[Chain] = (Chain(8453, 1_000, 5),)
    absent: Mapping[str, str] = {"height": "of a reason"}

    def install(self, environment: Path, checkout: Path) -> None:
        environment.mkdir()
        (environment / "from").write_text(str(checkout))

    def run(self, run: Run) -> Outcomes:
        assert (run.environment / "from").read_text() == str(run.checkout)
        run.copy("given", "tests")
        assert (run.folder / "tests" / "one").exists()
        command = ["anvil", "--port", "0", "--fork-url", run.origins[0].websocket, "--no-storage-caching"]
        try:
            with NodeProcess(command, cwd=run.folder, environment=dict(run.variables)) as node, node.connect() as rpc:
                found = {"id": rpc.call("eth_chainId") == hex(8453), "height": rpc.call("eth_blockNumber") == "0x3ed"}
        except NodeError:
            found = dict.fromkeys(("id", "height"), False)
        return {name: passed for name, passed in found.items() if not run.only or name in run.only}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    (folder / "given").touch()
    (folder / "tests" / "one").touch()
    return folder


@pytest.mark.slow
def test_a_project_is_run_with_both_programs(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(foreign, "PROJECTS", {"small": Small()})
    monkeypatch.setattr(foreign, "PROGRAMS", {"anvil": ZEVM, "zevm": ZEVM})
    arguments = ["small", "--checkout", str(checkout), "--environments", str(tmp_path)]
    assert foreign.main(arguments) == 0
    assert capsys.readouterr().out.splitlines() == ["2 of 2 pass with anvil", "2 of 2 pass with zevm"]
    monkeypatch.setattr(foreign, "PROGRAMS", {"anvil": ZEVM, "zevm": ("false",)})
    assert foreign.main([*arguments, "--only", "id"]) == 1
    assert "passes with Anvil alone: id" in capsys.readouterr().out


def test_what_passes_with_which_program_is_told() -> None:
    found = {"anvil": {"a": True, "b": False, "c": False}, "zevm": {"a": False, "b": True, "c": False, "d": True}}
    assert foreign.lost(found) == ["a"]
    assert foreign.report(found, {"c": "no mainnet"}) == [
        "1 of 3 pass with anvil",
        "2 of 4 pass with zevm",
        "passes with Anvil alone: a",
        "passes with zEVM alone: b",
        "passes with zEVM alone: d",
        "passes with neither: c (no mainnet)",
    ]
    assert foreign.lost({"anvil": {"a": True}, "zevm": {}}) == ["a"]


def test_a_report_of_vitest_is_read() -> None:
    cases: list[dict[str, object]] = [
        {"fullName": "does", "status": "passed"},
        {"fullName": "does not", "status": "failed"},
        {"fullName": "later", "status": "skipped"},
    ]
    results: list[dict[str, object]] = [
        {"name": "/x/src/one.test.ts", "assertionResults": cases},
        {"name": "/x/src/broken.test.ts", "assertionResults": []},
    ]
    assert outcomes({"testResults": results}, Path("/x")) == {
        "src/one.test.ts > does": True,
        "src/one.test.ts > does not": False,
        "src/broken.test.ts": False,
    }
