"""`zevm contract new` and `test`: begin a project, and run the tests that it has."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from zevm.contracts.scaffold import PROJECTS
from zevm.node.commands.contract_options import HERE, RootOption, project_of, told
from zevm.node.errors import NodeError


def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The project's folder, and its contract's name.")],
    language: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=f"{', '.join(PROJECTS)}.")] = "zig",
) -> None:
    """Begin a project: a folder with a small contract, its test, and the library that it is written with."""
    from zevm.contracts.scaffold import create_project

    with told():
        arguments = create_project(name, language)
    typer.echo(f"{name}: a project in {language}. Next:")
    for step in (f"cd {name}", "zevm contract build", "zevm contract test", f"zevm contract deploy {arguments}"):
        typer.echo(f"  {step.rstrip()}")


def run_tests(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="Arguments for the tests' runner.")
    ] = None,
    root: RootOption = HERE,
) -> None:
    """Run a project's tests: those in sources in Zig, `forge test`, and pytest for those in tests/."""
    from zevm.contracts.testers import testers_of

    project = project_of(root, None)
    with told():
        testers = testers_of(project.root)
        if not testers:
            raise NodeError(
                f"{project.root} has no tests: want tests in src/*.zig, foundry.toml or tests/test_*.py, "
                "as `zevm contract new` makes them"
            )
        for tester in testers:
            finished = subprocess.run(
                [*tester.command, *(arguments or [])], cwd=project.root, env=tester.environment, check=False
            )
            if finished.returncode != 0:
                raise typer.Exit(1)
