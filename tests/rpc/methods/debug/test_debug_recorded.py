"""Geth's recorded answers of debug_ methods (execution-apis), on the chain that they were recorded on."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import conformance_blocks, conformance_path
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from zevm.chain.rules.genesis import Genesis


@pytest.fixture
async def recorded_chain() -> AsyncIterator[Node]:
    genesis = Genesis.from_json(json.loads(conformance_path("rpc-compat", "genesis.json").read_text()))
    node = await start_node(genesis)
    for block in conformance_blocks():
        node.chain.writer.submit(node.chain.import_block, block).result()
    yield node
    await stop_node(node)


def exchanges(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The requests of a file, each with its answer."""
    request = None
    for line in path.read_text().splitlines():
        if line.startswith(">>"):
            request = json.loads(line[2:])
        elif line.startswith("<<"):
            assert request is not None
            yield request, json.loads(line[2:])


FOLDERS = ("debug_getRawReceipts", "debug_getRawTransaction", "debug_traceBlockByNumber", "debug_traceTransaction")


def test_every_recorded_answer_is_known() -> None:
    """The list above names all folders there are."""
    root = conformance_path("rpc-compat")
    assert sorted(FOLDERS) == sorted(path.name for path in root.glob("debug_*"))


async def test_recorded_answers(recorded_chain: Node) -> None:
    compared = 0
    for folder in FOLDERS:
        for path in sorted(conformance_path("rpc-compat", folder).glob("*.io")):
            for request, wanted in exchanges(path):
                answer = await recorded_chain.ask(request["method"], *request["params"])
                if "error" in wanted:
                    assert answer["error"]["code"] == wanted["error"]["code"], path.name
                else:
                    assert answer["result"] == wanted["result"], path.name
                compared += 1
    assert compared == 10
