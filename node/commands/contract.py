"""`zevm contract`: begin, build, test, deploy and use contracts in Zig, C, AssemblyScript, Solidity and Vyper."""

import typer

from zevm.node.commands import contract_build

app = typer.Typer(help="Contracts: new, build, test, deploy, call, send, abi, inspect.", no_args_is_help=True)
app.command("build")(contract_build.build)
