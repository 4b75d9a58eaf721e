"""The tests of projects that start Anvil on a fork, with `zevm` in Anvil's place, and with Anvil.

    python -m verification.foreign.run degenbot --checkout DIR
    python -m verification.foreign.run viem --checkout DIR --only src/actions/test

What they fork is a node of this machine with the id of mainnet, and without its contracts: a test that needs these
fails with both programs. The run fails where a test passes with Anvil alone. The first run installs the project's
environment, which --environments keeps. Needs the npm tools (make tools), whose Anvil it takes.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from testing.node_process import ROOT
from verification.foreign.degenbot import Degenbot
from verification.foreign.project import Outcomes, Project, Run, origins
from verification.foreign.viem import Viem

PROJECTS: Mapping[str, Project] = {"degenbot": Degenbot(), "viem": Viem()}
PROGRAMS: Mapping[str, Sequence[str]] = {
    "anvil": (str(ROOT / "tests" / "clients" / "node_modules" / ".bin" / "anvil"),),
    "zevm": (sys.executable, "-m", "zevm", "run"),
}


def outcomes(project: Project, environment: Path, checkout: Path, only: Sequence[str]) -> dict[str, Outcomes]:
    """Outcomes by program; each has origins of its own."""
    found = {}
    for name, program in PROGRAMS.items():
        with tempfile.TemporaryDirectory(prefix="zevm-foreign-") as temporary, origins(project.chains) as nodes:
            programs, folder = Path(temporary) / "bin", Path(temporary) / "copy"
            programs.mkdir()
            folder.mkdir()
            anvil = programs / "anvil"
            anvil.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
            anvil.chmod(0o755)
            variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
            variables["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
            found[name] = project.run(Run(environment, checkout, folder, nodes, variables, only))
    return found


def lost(found: Mapping[str, Outcomes]) -> list[str]:
    """Tests that pass with Anvil alone."""
    return [name for name, passed in found["anvil"].items() if passed and not found["zevm"].get(name)]


def report(found: Mapping[str, Outcomes], absent: Mapping[str, str]) -> list[str]:
    """Lines on what passes with which program."""
    lines = [f"{sum(each.values())} of {len(each)} pass with {name}" for name, each in found.items()]
    alone = [name for name, passed in found["zevm"].items() if passed and not found["anvil"].get(name)]
    for words, names in (("with Anvil alone", lost(found)), ("with zEVM alone", alone)):
        lines += [f"passes {words}: {name}" for name in names]
    for name, passed in found["zevm"].items():
        if not passed and not found["anvil"].get(name):
            reason = next((reason for begin, reason in absent.items() if name.startswith(begin)), "")
            lines.append(f"passes with neither: {name}{reason and f' ({reason})'}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and compare; 1 where a test passes with Anvil alone, or none at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", choices=sorted(PROJECTS))
    parser.add_argument("--checkout", type=Path, required=True, help="the project's repository")
    parser.add_argument("--environments", type=Path, help="a folder that keeps the environments")
    parser.add_argument("--only", action="append", default=[], help="a test, or a folder of tests")
    options = parser.parse_args(arguments)
    project = PROJECTS[options.project]
    with tempfile.TemporaryDirectory(prefix="zevm-foreign-") as temporary:
        environment = (options.environments or Path(temporary)).resolve() / options.project
        if not environment.exists():
            project.install(environment, options.checkout.resolve())
        found = outcomes(project, environment, options.checkout.resolve(), options.only)
    for line in report(found, project.absent):
        print(line)
    return int(bool(lost(found)) or not any(found["anvil"].values()))


if __name__ == "__main__":
    sys.exit(main())
