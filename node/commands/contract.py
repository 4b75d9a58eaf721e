"""`zevm contract`: begin, build, test, deploy and use contracts in Zig, C, AssemblyScript, Solidity and Vyper."""

import typer

from zevm.node.commands import contract_build, contract_call, contract_deploy, contract_project, contract_show
from zevm.node.commands.wasm_options import NEGATIVE_NUMBERS

app = typer.Typer(help="Contracts: new, build, test, deploy, call, send, abi, inspect.", no_args_is_help=True)
app.command("new")(contract_project.new)
app.command("test", context_settings=NEGATIVE_NUMBERS)(contract_project.run_tests)
app.command("build")(contract_build.build)
app.command("deploy", context_settings=NEGATIVE_NUMBERS)(contract_deploy.deploy)
app.command("call", context_settings=NEGATIVE_NUMBERS)(contract_call.call)
app.command("send", context_settings=NEGATIVE_NUMBERS)(contract_call.send_transaction)
app.command("abi")(contract_show.abi)
app.command("inspect")(contract_show.inspect)
