"""Measure requests a second of 1, 8, 32 and 128 clients at once, against Anvil, and proofs in states of two sizes.

    python -m bench.clients             some minutes
    python -m bench.clients --quick     fewer rounds
    python -m bench.clients --before ../old --nodes zEVM,"zEVM --memory"

Each client has a connection of its own and asks again as soon as it has its answer; one process drives them all, so its
own time counts as well. Rounds take turns between the nodes. A send is a signed transfer that is mined before its
answer; every client sends from an account of its own. The time of a sync of this disk stands next to them.
"""

from __future__ import annotations

import argparse
import os
import selectors
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.nodes import CONTENDERS, Contender, before
from bench.tables import PER_SECOND, Rows, machine, show, table, timed
from testing.load import (
    RECEIVER,
    RECORDER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    contract_address,
    creation_code,
    development_signer,
    word,
    write_data,
)
from testing.node_process import NodeProcess, RpcConnection

CLIENTS = (1, 8, 32, 128)
READS, SENDS = 2_560, 256
"""Requests of a round, shared by its clients."""
FUNDS_WEI = 10**18
PROOF_SLOTS = 8
STATES = (16, 256)
"""Slots of the contract whose slots are proven."""
SYNCED_BYTES = 2_048


class Load:
    """One running node, a contract with slots, and funded accounts. All nodes get the same transactions."""

    def __init__(self, contender: Contender, node: NodeProcess, prepared: Prepared) -> None:
        self.name = contender.name
        self._node = node
        self.request = node.connect().request
        self.send_all(prepared.funding)

    @contextmanager
    def clients(self, count: int) -> Iterator[list[RpcConnection]]:
        """Connections of their own: nodes close those that stay idle."""
        with ExitStack() as stack:
            yield [stack.enter_context(self._node.connect(timeout_seconds=300)) for _ in range(count)]

    def send_all(self, signed: Sequence[tuple[str, str]]) -> None:
        """Send transactions one after another, each mined before the next."""
        with self.clients(1) as (rpc,):
            for raw, name in signed:
                rpc.call("eth_sendRawTransaction", raw)
                while rpc.call("eth_getTransactionReceipt", name) is None:
                    pass


class Prepared:
    """Transactions that every node gets before the first measurement, signed once."""

    def __init__(self, accounts: Sequence[Signer]) -> None:
        self._deployer = development_signer(0)
        self.recorder = contract_address(self._deployer.address)
        sign = self._deployer.sign
        self.funding = [sign(to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=500_000)]
        self.funding += [sign(to=account.address, value_wei=FUNDS_WEI, gas=TRANSFER_GAS) for account in accounts]

    def slots(self, first: int, last: int) -> list[tuple[str, str]]:
        """Transactions that set these slots of the contract."""
        return [
            self._deployer.sign(to=self.recorder, data=write_data(slot, slot + 1), gas=WRITE_GAS)
            for slot in range(first, last)
        ]


def per_second(connections: Sequence[RpcConnection], frames: Sequence[Sequence[bytes]]) -> float:
    """Requests a second: each connection asks its own frames, one after another. Raises RuntimeError for an error."""
    waiting = [iter(of_client) for of_client in frames]
    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for index, connection in enumerate(connections):
            connection.send(next(waiting[index]))
            selector.register(connection, selectors.EVENT_READ, index)
        open_count = len(connections)
        while open_count:
            for key, _ in selector.select():
                answer = connections[key.data].receive()
                if b'"error"' in answer:
                    raise RuntimeError(f"refused: {answer[:300]!r}")
                frame = next(waiting[key.data], None)
                if frame is None:
                    selector.unregister(key.fileobj)
                    open_count -= 1
                else:
                    connections[key.data].send(frame)
        return sum(map(len, frames)) / (time.perf_counter() - started)


def reads(load: Load, frames: Mapping[str, bytes], clients: int) -> float:
    """Requests a second of one read. frames: the request for each node."""
    with load.clients(clients) as connections:
        return per_second(connections, [[frames[load.name]] * (READS // clients)] * clients)


def sends(load: Load, signed: Sequence[Sequence[tuple[str, str]]]) -> float:
    """Transfers a second, each mined before its answer."""
    frames = [[load.request("eth_sendRawTransaction", raw) for raw, _ in of_client] for of_client in signed]
    with load.clients(len(signed)) as connections:
        return per_second(connections, frames)


def signed_sends(accounts: Sequence[Signer], clients: int) -> list[list[tuple[str, str]]]:
    """The transfers of a round, by client."""
    count = SENDS // clients
    return [
        [account.sign(to=RECEIVER, value_wei=1, gas=TRANSFER_GAS) for _ in range(count)]
        for account in accounts[:clients]
    ]


def requests(load: Load, recorder: str) -> dict[str, bytes]:
    """{row: the request}."""
    request = load.request
    return {
        "eth_blockNumber": request("eth_blockNumber"),
        "eth_getBalance": request("eth_getBalance", RECEIVER, "latest"),
        "eth_call of a getter": request("eth_call", {"to": recorder, "data": "0x" + word(0)}, "latest"),
    }


def measure_clients(
    loads: Sequence[Load], prepared: Prepared, accounts: Sequence[Signer], counts: Sequence[int], rounds: int
) -> Rows:
    """Requests a second of these counts of clients, medians of the rounds."""
    rows: Rows = {}
    by_load = {load.name: requests(load, prepared.recorder) for load in loads}
    names = list(by_load[loads[0].name])
    for clients in counts:
        for name in names:
            run = partial(reads, frames={load: frames[name] for load, frames in by_load.items()}, clients=clients)
            rows[title(name, clients)] = in_turns(loads, [run] * rounds)
        runs = [partial(sends, signed=signed_sends(accounts, clients)) for _ in range(rounds)]
        rows[title("transfer sent and mined", clients)] = in_turns(loads, runs)
        show("\n".join(f"{row}: {values}" for row, values in rows.items() if title("", clients)[1:] in row))
    return rows


def title(name: str, clients: int) -> str:
    """A row's name."""
    return f"{name}, {clients} client{'s' if clients > 1 else ''}, {PER_SECOND}"


def in_turns(loads: Sequence[Load], runs: Sequence[Callable[[Load], float]]) -> dict[str, float]:
    """The median of each node's runs."""
    found: dict[str, list[float]] = {load.name: [] for load in loads}
    for run in runs:
        for load in loads:
            found[load.name].append(run(load))
    return {name: statistics.median(values) for name, values in found.items()}


def measure_proofs(loads: Sequence[Load], prepared: Prepared, rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Milliseconds of a proof of PROOF_SLOTS slots, in states of several sizes."""
    keys = [f"0x{slot:064x}" for slot in range(PROOF_SLOTS)]
    written = 0
    for size in STATES:
        signed = prepared.slots(written, size)
        written = size
        for load in loads:
            load.send_all(signed)

        def proof(load: Load) -> float:
            frame = load.request("eth_getProof", prepared.recorder, keys, "latest")
            with load.clients(1) as (rpc,):
                return statistics.median(timed(partial(rpc.exchange, frame)) for _ in range(20))

        yield f"eth_getProof of {PROOF_SLOTS} of {size} slots, ms", in_turns(loads, [proof] * rounds)
        show(f"proofs of {size} slots")


def sync_ms(folder: Path) -> float:
    """The median time to write and sync SYNCED_BYTES at the end of a file."""
    with (folder / "synced").open("wb", buffering=0) as file:

        def write() -> None:
            file.write(bytes(SYNCED_BYTES))
            os.fsync(file.fileno())

        return statistics.median(timed(write) for _ in range(100))


def measure(contenders: Sequence[Contender], counts: Sequence[int], rounds: int, *, proofs: bool) -> Rows:
    """All rows of these counts of clients, and with `proofs` those of proofs and of the disk."""
    accounts = [Signer(number.to_bytes(32, "big")) for number in range(1_000, 1_000 + max(counts))]
    prepared = Prepared(accounts)
    with tempfile.TemporaryDirectory(prefix="zevm-bench-") as work, ExitStack() as stack:
        synced_ms = sync_ms(Path(work))
        loads = [
            Load(item, stack.enter_context(item.start(Path(work) / item.name.replace(" ", "-"))), prepared)
            for item in contenders
        ]
        rows = measure_clients(loads, prepared, accounts, counts, rounds)
        if proofs:
            rows |= dict(measure_proofs(loads, prepared, rounds))
            on_disk = [item.name for item in contenders if item.persistent]
            rows[f"write and sync of {SYNCED_BYTES // 1_024} KiB on this disk, ms"] = dict.fromkeys(on_disk, synced_ms)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--nodes", metavar="NAMES", default="zEVM,zEVM --memory,Anvil", help="default: %(default)s")
    parser.add_argument("--before", metavar="CHECKOUT", type=Path, help="compare with this installed checkout as well")
    options = parser.parse_args(arguments)
    contenders = [CONTENDERS[name.strip()] for name in options.nodes.split(",")]
    contenders += before(options.before.resolve()) if options.before else []
    rounds = 3 if options.quick else 9
    rows = measure(contenders, CLIENTS, rounds, proofs=True)
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}")
    print()
    print(table(rows, [item.name for item in contenders]))


if __name__ == "__main__":
    main()
