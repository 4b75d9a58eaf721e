"""How many methods know that the chain may be a fork: those about the fork itself. All others read a chain."""

import inspect
import re
from pathlib import Path

import zevm.rpc.methods
from zevm.rpc.registry import REGISTRY

zevm.rpc.methods.load()

ABOUT_THE_FORK = {"anvil_metadata", "anvil_nodeInfo", "anvil_reset", "anvil_setRpcUrl"}
KNOWING = re.compile(r"\bservices\.fork(ing)?\b|OriginError|over_origin")


def test_only_methods_about_the_fork_know_of_it() -> None:
    methods = {row.name: inspect.getsource(row.function) for row in REGISTRY.public().by_name.values()}
    assert {name for name, source in methods.items() if KNOWING.search(source)} == ABOUT_THE_FORK
    folder = Path(inspect.getfile(zevm.rpc.methods)).parent
    files = {file.stem for file in folder.rglob("*.py") if KNOWING.search(file.read_text())}
    assert files == {"chain", "state"}
