"""Ask a node what geth was asked, and compare the answers: execution-apis' recorded files by hive's rules.

    python -m verification.conformance.recorded_answers                  a node over the recorded chain, made in memory
    python -m verification.conformance.recorded_answers --only eth_call  the files of methods whose name begins so
    python -m verification.conformance.recorded_answers --fork           a fork of such a node, at its newest block
    python -m verification.conformance.recorded_answers --url URL        a node that runs elsewhere over that chain

The files, `chain.rlp` and `genesis.json` are read from $CONFORMANCE_DIR/rpc-compat. Every answer has 5 seconds. A
method that the node does not have is told, and is no failure; everything else that differs is, with exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import httpx
import orjson

from testing.node_process import NodeProcess, zevm_command
from verification.conformance.chain_suite import memory_chain
from verification.conformance.comparison import RecordedFile, difference, read_folder
from verification.conformance.data import find_data, read_chain
from verification.conformance.outcome import Shortfall, SuiteResult
from zevm.contracts.revert_reasons import Decoder
from zevm.node.wallet import KeyWallet
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.server import Server, ServerOptions
from zevm.rpc.services import Services

SUITE = "recorded answers"
ANSWER_SECONDS = 5.0
METHOD_NOT_FOUND = -32601


class Verdict(Enum):
    """How one file went."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "no such method"


@dataclass(frozen=True, slots=True)
class Result:
    """One file's verdict, and what differed first."""

    name: str
    verdict: Verdict
    detail: str = ""

    @property
    def method(self) -> str:
        """The method under test: the name of the file's folder."""
        return self.name.partition("/")[0]


@asynccontextmanager
async def recorded_node(folder: Path) -> AsyncIterator[str]:
    """A node in memory that imported the recorded chain; its URL. The newest block is safe and final there."""
    with memory_chain(folder) as chain:
        for block in read_chain(folder / "chain.rlp"):
            chain.writer.run(chain.import_block, block)
        services = Services(
            chain=chain,
            wallet=KeyWallet(),
            limits=Limits(),
            client_version="zevm/conformance",
            instance_id=load_instance_id(chain.database),
            decoder=Decoder(),
        )
        server = Server(services, ServerOptions(port=0))
        await server.start()
        try:
            host, port = server.addresses[0]
            yield f"http://{host}:{port}"
        finally:
            await server.stop()


@asynccontextmanager
async def forked_node(folder: Path) -> AsyncIterator[str]:
    """A fork of recorded_node, in a process of its own; its URL."""
    async with recorded_node(folder) as origin:
        # as recorded_node: without blocks of its own, and with its newest block safe and final
        flags = ("--accounts", "0", "--no-mining", "--safe-distance", "0", "--finalized-distance", "0")
        command = zevm_command("--fork-url", origin, "--no-storage-caching", *flags)
        # the origin is served by this thread
        node = await asyncio.to_thread(NodeProcess, command)
        try:
            yield node.url
        finally:
            await asyncio.to_thread(node.stop)


async def ask(client: httpx.AsyncClient, url: str, file: RecordedFile) -> Result:
    """Make the requests of one file in order; the first difference ends it."""
    for exchange in file.exchanges:
        try:
            reply = await client.post(url, content=exchange.request, headers={"content-type": "application/json"})
            answer = orjson.loads(reply.content)
        except (httpx.HTTPError, orjson.JSONDecodeError) as error:
            return Result(file.name, Verdict.FAILED, f"{type(error).__name__}: {error}")
        if isinstance(answer, dict) and answer.get("error", {}).get("code") == METHOD_NOT_FOUND:
            return Result(file.name, Verdict.ABSENT, exchange.method)
        found = difference(exchange.response, answer, spec_only=file.spec_only)
        if found is not None:
            return Result(file.name, Verdict.FAILED, found)
    return Result(file.name, Verdict.PASSED)


async def run(folder: Path, url: str | None = None, only: str = "", *, through_fork: bool = False) -> list[Result]:
    """Every file of a folder against the node at `url`, or against one made for it, or against a fork of that."""
    files = [file for file in read_folder(folder) if file.name.startswith(only)]
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        if url is not None:
            return [await ask(client, url, file) for file in files]
        async with (forked_node if through_fork else recorded_node)(folder) as own_url:
            return [await ask(client, own_url, file) for file in files]


def report(results: Sequence[Result]) -> str:
    """A table by method, then every file that did not pass."""
    passed = Counter(result.method for result in results if result.verdict is Verdict.PASSED)
    total = Counter(result.method for result in results)
    lines = [f"{method:42}{passed[method]:4} of {count:3}" for method, count in sorted(total.items())]
    lines.append(f"{'all':42}{sum(passed.values()):4} of {len(results):3}")
    for result in results:
        if result.verdict is not Verdict.PASSED:
            lines.append(f"{result.verdict.value}: {result.name}: {result.detail}")
    return "\n".join(lines)


def answers_suite(folder: Path) -> SuiteResult:
    """Every recorded file against a node of its own; a method that is absent is a shortfall here."""
    started = time.perf_counter()
    results = asyncio.run(run(folder))
    shortfalls = tuple(
        Shortfall(result.name, f"{result.verdict.value}: {result.detail}")
        for result in results
        if result.verdict is not Verdict.PASSED
    )
    return SuiteResult(SUITE, len(results), time.perf_counter() - started, shortfalls)


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="Compare a node's answers with those recorded of geth.")
    parser.add_argument("--folder", type=Path, help="the folder with the recorded files, their chain and its genesis")
    parser.add_argument("--url", help="a node that runs already")
    parser.add_argument("--fork", action="store_true", help="ask a fork of the node over the recorded chain")
    parser.add_argument("--only", default="", help="only files whose name (method/case) begins so")
    arguments = parser.parse_args()
    try:
        folder = arguments.folder or find_data("rpc-compat")
        results = asyncio.run(run(folder, arguments.url, arguments.only, through_fork=arguments.fork))
    except FileNotFoundError as missing:
        parser.error(str(missing))
    print(report(results))
    return any(result.verdict is Verdict.FAILED for result in results)


if __name__ == "__main__":
    raise SystemExit(main())
