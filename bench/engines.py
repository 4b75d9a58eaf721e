"""Measure the two engines of the EVM in this process, in turns: executions alone, without RPC and database.

    python -m bench.engines [--rounds 15]

Each row: the least and the median time of an execution on either engine, in microseconds, and the median of the rounds'
ratios, which is steadier than the times where the machine does other work as well.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from bench.core import microseconds
from bench.time_per_gas import environment_of
from testing.load import RECORDER_RUNTIME, SPINNER_GAS_PER_ROUND, SPINNER_RUNTIME, word
from testing.memory_state import MemoryAccount, MemoryReader
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.core import CORE
from zevm.storage.primitives import Address

SENDER, CONTRACT, RECIPIENT = (Address(bytes((byte,)) * 20) for byte in (0x11, 0x33, 0x44))
SPIN_GAS = 2_600_000
ROUND_SECONDS = 0.05
LOOP_ROUNDS = 1_000


class Row(NamedTuple):
    """An execution. code: of the contract that it calls; none for a transfer to an account without code."""

    name: str
    code: bytes
    data: bytes = b""
    value: int = 0


def loop(body: str, rounds: int = LOOP_ROUNDS) -> bytes:
    """Code that runs a body, in hexadecimal digits and without effect on the stack, a number of times."""
    return bytes.fromhex(f"61{rounds:04x}5b{body}6001900380600357")


def rows() -> Iterator[Row]:
    """Executions of many kinds."""
    yield Row("2.6 Mgas of arithmetic", SPINNER_RUNTIME, bytes.fromhex(word(SPIN_GAS // SPINNER_GAS_PER_ROUND)))
    yield Row("a getter", RECORDER_RUNTIME, bytes(32))
    yield Row("a transfer", b"", value=1)
    yield Row("1,000 loads of a slot", loop("60015450"))
    yield Row("1,000 stores to new slots", loop("808055"))
    yield Row("1,000 hashes of 64 bytes", loop("60405f2050"))
    yield Row("1,000 copies of 1 KB", loop("6104005f6104005e"))
    yield Row("1,000 calls of an account", loop("5f5f5f5f5f73" + "44" * 20 + "5af150"))
    yield Row("1,000 logs of 32 bytes", loop("60205fa0"))
    yield Row("1,000 calls of SHA-256", loop("60205f60405f60025afa50"))


def execution(row: Row, engine: Engine) -> Callable[[], object]:
    """The row's execution on a state of its own."""
    environment = replace(environment_of(Fork.OSAKA), engine=engine)
    accounts = {
        SENDER: MemoryAccount(balance=10**21),
        CONTRACT: MemoryAccount(nonce=1, code=row.code, storage={0: 1, 1: 1}),
        RECIPIENT: MemoryAccount(balance=1),
    }
    reader = MemoryReader(accounts)
    request = CallRequest(
        SENDER, CONTRACT if row.code else RECIPIENT, gas_limit=50_000_000, data=row.data, value=row.value
    )

    def run() -> object:
        outcome = Executor(environment, BlockState(reader)).call(request)
        assert outcome.succeeded, outcome.error
        return outcome

    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure the two engines of the EVM.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each row (15)")
    rounds = parser.parse_args().rounds
    if CORE.library is None:
        raise SystemExit(f"bench.engines: {CORE.reason}")
    print(f"core: {CORE.description}; microseconds, least and median")
    print(f"{'':28}{'py-evm':>12}{'':>12}{'native':>12}{'':>12}{'ratio':>8}")
    for row in rows():
        python, native = execution(row, Engine.PY_EVM), execution(row, Engine.NATIVE)
        python()
        slow_calls = max(1, int(ROUND_SECONDS * 1e6 / microseconds(python, 1)))
        fast_calls = max(1, int(ROUND_SECONDS * 1e6 / microseconds(native, 1)))
        pairs = [(microseconds(python, slow_calls), microseconds(native, fast_calls)) for _ in range(rounds)]
        slow, fast = zip(*pairs, strict=True)
        ratio = median(one / other for one, other in pairs)
        print(f"{row.name:28}{min(slow):12.1f}{median(slow):12.1f}{min(fast):12.1f}{median(fast):12.1f}{ratio:8.1f}")


if __name__ == "__main__":
    main()
