"""Measure WebAssembly contracts against the same contracts in EVM bytecode, and print three tables.

    python -m bench.zvm             a minute or two
    python -m bench.zvm --quick     fewer rounds

In process: the executor alone, calls as eth_call executes them, on the thread that makes blocks, with warm, optimised
code; processor time of that thread, the best of several rounds. Through RPC: medians of what a client waits for, of
zEVM and of Anvil with the EVM twin, in turns, both in memory. Gas a second: how much gas a second is worth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.nodes import CONTENDERS
from bench.py_evm import PyEvm
from bench.tables import NULL_RESULT, machine, number_text, ratio_text, timed
from bench.zvm_chain import DEPLOYMENT_GAS, MACHINES, RECEIVER, SLOTS, Bench, Contracts, call_data, seconds_of
from testing.load import Signer, contract_address, development_signer
from testing.node_process import NodeProcess
from zevm.storage.primitives import Address

TRANSFER_GAS = 100_000
STEPS, RPC_STEPS = 1_000_000, 100_000
ASKS = 10_000
RPC_NODES = ("zEVM --memory", "Anvil")
RPC_SAMPLES = 25


class InProcess:
    """The measurements of the executor. Rows: (title, unit, {machine: figure})."""

    def __init__(self, bench: Bench, rounds: int) -> None:
        self.bench = bench
        self.rounds = rounds
        self.numbers = iter(range(1 << 14))

    def seconds(self, name: str, to: Address, data: bytes) -> float:
        return seconds_of(lambda: self.bench.call(name, to, data), self.rounds)

    def deployment(self, name: str, kind: Callable[[Contracts, int], bytes]) -> float:
        """Mean over modules that are new each time."""
        data = [kind(self.bench.contracts[name], next(self.numbers)) for _ in range(self.rounds)]
        started = time.thread_time()
        for item in data:
            self.bench.create(name, item)
        return (time.thread_time() - started) / self.rounds

    def rows(self) -> Iterator[tuple[str, dict[str, float]]]:
        """(title, {machine: figure}), in microseconds or what the title says."""
        bench = self.bench
        bench.warm_up(bench.tokens["WebAssembly"], call_data("balanceOf(address)", RECEIVER))
        bench.warm_up(bench.measures["WebAssembly"], call_data("read(uint256)", 3))
        for title, kind in (("a counter of 2.3 KB", Contracts.small), ("54 KB (EVM: 24 KB)", Contracts.large)):
            yield f"deploy {title}, ms", {name: self.deployment(name, kind) * 1e3 for name in MACHINES}
        for title, data in (
            ("`balanceOf`", call_data("balanceOf(address)", RECEIVER)),
            ("`transfer`", call_data("transfer(address,uint256)", RECEIVER, 5)),
        ):
            yield f"{title}, µs", {name: self.seconds(name, bench.tokens[name], data) * 1e6 for name in MACHINES}
        through = bench.measures["EVM"]
        yield (
            "`balanceOf` called by Solidity, µs",
            {
                name: self.seconds(name, through, call_data(THROUGH, bench.tokens[name], RECEIVER)) * 1e6
                for name in MACHINES
            },
        )
        yield f"{STEPS:,} steps of arithmetic, ms", self.of_measure("loop(uint64)", STEPS, scale=1e3)
        yield "read a slot, µs", self.per_slot("read(uint256)")
        yield "write a slot, µs", self.per_slot("write(uint256,uint256)", 9)

    def of_measure(self, signature: str, *arguments: int, scale: float) -> dict[str, float]:
        data = call_data(signature, *arguments)
        return {name: self.seconds(name, self.bench.measures[name], data) * scale for name in MACHINES}

    def per_slot(self, signature: str, *arguments: int) -> dict[str, float]:
        """Microseconds of one of SLOTS slots, the loop around it and the slot's hash included."""
        many = self.of_measure(signature, SLOTS, *arguments, scale=1e6)
        none = self.of_measure(signature, 0, *arguments, scale=1e6)
        return {name: (many[name] - none[name]) / SLOTS for name in MACHINES}

    def gas_rows(self) -> Iterator[tuple[str, dict[str, float]]]:
        """(title, {machine: million gas a second}); last py-evm as it comes, which runs the EVM's contract."""
        account = self.bench.chain.head.state.account(self.bench.measures["EVM"])
        assert account is not None
        py_evm = PyEvm(self.bench.chain.head.state.code(account.code_hash))
        for title, signature, arguments in (
            ("arithmetic", "loop(uint64)", (RPC_STEPS,)),
            ("asking for the sender", "ask(uint64)", (ASKS,)),
            ("calls that run no code", "poke(address,uint64)", (RECEIVER, SLOTS)),
            ("reading slots", "read(uint256)", (SLOTS,)),
            ("writing slots", "write(uint256,uint256)", (SLOTS, 9)),
        ):
            data = call_data(signature, *arguments)
            yield title, {name: self.gas_rate(name, data) for name in MACHINES} | {"py-evm": py_evm.gas_rate(data)}

    def gas_rate(self, name: str, data: bytes) -> float:
        to = self.bench.measures[name]
        return self.bench.code_gas(name, to, data) / self.seconds(name, to, data) / 1e6


THROUGH = "balanceThrough(address,address)"


# Through RPC


class Remote:
    """One machine's contracts on a running node, deployed by an account of its own."""

    def __init__(self, node: NodeProcess, name: str) -> None:
        self.rpc = node.connect(timeout_seconds=300)
        self.contracts = Contracts(name)
        self.signer: Signer = development_signer(MACHINES.index(name))
        self.token = self.deploy(self.contracts.token)
        self.measure = self.deploy(self.contracts.measure)
        self.through = self.deploy(self.contracts.evm["Measure"])

    def deploy(self, data: bytes) -> str:
        """The new contract's address."""
        address = contract_address(self.signer.address, self.signer.nonce)
        self.send_and_read(self.frames(None, data, DEPLOYMENT_GAS))
        if len(self.rpc.call("eth_getCode", address, "latest")) == len("0x"):
            raise RuntimeError(f"a deployment failed: {address}")
        return address

    def frames(self, to: str | None, data: bytes, gas: int) -> tuple[bytes, bytes]:
        """The requests that send a transaction and ask for its receipt."""
        raw, name = self.signer.sign(to=to, data="0x" + data.hex(), gas=gas)
        return self.rpc.request("eth_sendRawTransaction", raw), self.rpc.request("eth_getTransactionReceipt", name)

    def send_and_read(self, frames: tuple[bytes, bytes]) -> None:
        """A client's steps: send, then request the receipt until it exists."""
        send, receipt = frames
        self.ask(send)
        while NULL_RESULT in (answer := self.rpc.exchange(receipt)).replace(b" ", b""):
            pass
        if b'"status":"0x1"' not in answer.replace(b" ", b""):
            raise RuntimeError(f"a transaction failed: {answer[:300]!r}")

    def ask(self, frame: bytes) -> None:
        if b'"error"' in (answer := self.rpc.exchange(frame)):
            raise RuntimeError(f"refused: {answer[:300]!r}")

    def calls(self, to: str, data: bytes, count: int) -> list[float]:
        """Milliseconds of this number of eth_calls."""
        call = {"from": self.signer.address, "to": to, "data": "0x" + data.hex(), "gas": hex(30_000_000)}
        frame = self.rpc.request("eth_call", call, "latest")
        return [timed(partial(self.ask, frame)) for _ in range(count)]

    def transactions(self, to: str | None, data: Sequence[bytes], gas: int) -> list[float]:
        """Milliseconds of transactions with their receipts."""
        signed = [self.frames(to, item, gas) for item in data]
        return [timed(partial(self.send_and_read, frames)) for frames in signed]

    def samples(self, first: int, count: int) -> dict[str, list[float]]:
        """{title: milliseconds} of one round; `first` numbers its first deployments, of which there are two."""
        balance = call_data("balanceOf(address)", RECEIVER)
        transfer = call_data("transfer(address,uint256)", RECEIVER, 5)
        through = call_data(THROUGH, bytes.fromhex(self.token[2:]), RECEIVER)
        loop = call_data("loop(uint64)", RPC_STEPS)
        small, large = ([make(number) for number in (first, first + 1)] for make in self.contracts.deployments)
        return {
            "deploy a counter of 2.3 KB + receipt": self.transactions(None, small, DEPLOYMENT_GAS),
            "deploy 54 KB (EVM: 24 KB) + receipt": self.transactions(None, large, DEPLOYMENT_GAS),
            "`transfer` + receipt": self.transactions(self.token, [transfer] * count, TRANSFER_GAS),
            "`balanceOf` by eth_call": self.calls(self.token, balance, 5 * count),
            "the same through Solidity": self.calls(self.through, through, 5 * count),
            f"{RPC_STEPS:,} steps by eth_call": self.calls(self.measure, loop, 2),
        }


def through_rpc(rounds: int) -> dict[str, dict[str, float]]:
    """{title: {column: median milliseconds}}, measured in turns. A first round warms up and does not count."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="zevm-bench-") as folder, ExitStack() as stack:
        zevm, anvil = (stack.enter_context(CONTENDERS[name].start(Path(folder))) for name in RPC_NODES)
        remotes = {
            "zEVM, WebAssembly": Remote(zevm, "WebAssembly"),
            "zEVM, EVM": Remote(zevm, "EVM"),
            "Anvil, EVM": Remote(anvil, "EVM"),
        }
        for number in range(rounds + 1):
            for column, remote in remotes.items():
                for title, samples in remote.samples(2 * number, RPC_SAMPLES).items():
                    if number:
                        found.setdefault(f"{title}, ms", {}).setdefault(column, []).extend(samples)
    return {
        title: {column: statistics.median(samples) for column, samples in columns.items()}
        for title, columns in found.items()
    }


def table(rows: dict[str, dict[str, float]], ratio: Callable[[dict[str, float]], tuple[str, str]]) -> str:
    """Markdown, with a last column that `ratio` names and fills."""
    columns = list(next(iter(rows.values())))
    heading = ratio(next(iter(rows.values())))[0]
    lines = ["| " + " | ".join(["", *columns, heading]) + " |", "|---" + "|---:" * (len(columns) + 1) + "|"]
    for title, values in rows.items():
        cells = [number_text(values[name]) for name in columns]
        lines.append("| " + " | ".join([title, *cells, ratio(values)[1]]) + " |")
    return "\n".join(lines)


def shorter(values: dict[str, float]) -> tuple[str, str]:
    """EVM's time over WebAssembly's."""
    wasm_value, evm_value = list(values.values())[:2]
    return "EVM / WebAssembly", ratio_text(evm_value, wasm_value)


def more(values: dict[str, float]) -> tuple[str, str]:
    """WebAssembly's gas over py-evm's."""
    return "WebAssembly / py-evm", ratio_text(values["WebAssembly"], values["py-evm"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--in-process", action="store_true", help="leave out what goes through RPC")
    options = parser.parse_args(arguments)
    bench = Bench()
    try:
        work = InProcess(bench, 3 if options.quick else 15)
        inside = bench.chain.writer.run(lambda: dict(work.rows()))
        gas = bench.chain.writer.run(lambda: dict(work.gas_rows()))
    finally:
        bench.close()
    print(machine())
    print("\nThe executor alone:\n\n" + table(inside, shorter))
    print("\nMillion gas a second of the executor:\n\n" + table(gas, more))
    if not options.in_process:
        print("\nThrough RPC:\n\n" + table(through_rpc(3 if options.quick else 20), shorter))


if __name__ == "__main__":
    main()
