"""A chain in memory with the contracts that are measured, for WebAssembly and for the EVM."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import NoReturn

from testing.contracts import returning, solidity, wasm, words
from testing.load import development_signer
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.calls.call import call
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types import Transaction
from zevm.chain.types.block_reference import LATEST
from zevm.chain.types.selectors import signature_selector
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.storage.database import Database
from zevm.storage.primitives import Address

MACHINES = ("WebAssembly", "EVM")
SUPPLY = 10**24
EVM_CODE_LIMIT_BYTES = 24_576
DEPLOYMENT_GAS = 16_000_000
OFF_CHAIN_GAS = 10**12
SLOTS = 200
WARM_UP_LIMIT_SECONDS = 30
ROUND_SECONDS = 0.02
RECEIVER = bytes(18) + b"\xbe\x7c"


def call_data(signature: str, *arguments: int | bytes) -> bytes:
    """Call data of a function of static arguments."""
    return signature_selector(signature) + words(arguments)


class Contracts:
    """Creation data of the contracts, for either machine, in the order in which an account deploys them."""

    def __init__(self, machine_name: str) -> None:
        self.is_wasm = machine_name == "WebAssembly"
        self.evm = solidity(("Counter", "TwinToken", "Measure"))

    @cached_property
    def token(self) -> bytes:
        if self.is_wasm:
            return creation_data(wasm("token.zig"), constructor_payload(words((SUPPLY,))))
        return self.evm["TwinToken"] + words((SUPPLY,))

    @cached_property
    def measure(self) -> bytes:
        return wasm("measure.zig") if self.is_wasm else self.evm["Measure"]

    @property
    def deployments(self) -> tuple[Callable[[int], bytes], ...]:
        """Makers of the creation data of a small and of a large contract."""
        return self.small, self.large

    def small(self, number: int) -> bytes:
        """A counter; each number gives code that no cache knows."""
        if self.is_wasm:
            return creation_data(numbered(wasm("counter.c"), number), constructor_payload(words((7,))))
        return self.evm["Counter"] + words((7,))

    def large(self, number: int) -> bytes:
        """54 KB of WebAssembly, or as much code as the EVM allows."""
        if self.is_wasm:
            return numbered(wasm("large.zig"), number)
        return returning(number.to_bytes(2, "big").rjust(EVM_CODE_LIMIT_BYTES, b"\x5b"))


def numbered(module: bytes, number: int) -> bytes:
    """The module with a custom section that holds a number below 16,384."""
    return module + bytes((0, 4, 1, ord("n"), number & 0x7F, number >> 7))


class Bench:
    """A chain in memory with the contracts of both machines; everything runs on its writer thread."""

    def __init__(self) -> None:
        self.chain = Chain(Database.open(None), load_default_genesis(), None, Clock(lambda: 1_900_000_000))
        self.contracts = {name: Contracts(name) for name in MACHINES}
        self.signers = {name: development_signer(index) for index, name in enumerate(MACHINES)}
        self.senders = {name: Address(bytes.fromhex(signer.address[2:])) for name, signer in self.signers.items()}
        self.tokens = {name: self.deploy(name, self.contracts[name].token) for name in MACHINES}
        self.measures = {name: self.deploy(name, self.contracts[name].measure) for name in MACHINES}
        self.frame = self.chain.frame_at(LATEST)

    def deploy(self, name: str, data: bytes) -> Address:
        """The new contract's address."""
        raw, _ = self.signers[name].sign(to=None, data="0x" + data.hex(), gas=DEPLOYMENT_GAS)
        transaction = Transaction.decode(bytes.fromhex(raw[2:]))
        self.chain.writer.run(self.chain.send_transaction, transaction)
        receipts = self.chain.receipts(self.chain.head.header.hash)
        if not receipts or not receipts[0].status or receipts[0].contract_address is None:
            raise RuntimeError(f"a deployment failed: {receipts}")
        return receipts[0].contract_address

    def executor(self) -> Executor:
        """On the latest state, without keeping changes."""
        return Executor(self.frame.environment, BlockState(self.frame.reader))

    def call(self, name: str, to: Address, data: bytes) -> Outcome:
        """One call as eth_call executes it. For the writer thread."""
        outcome = call(self.frame, self.request(name, to, data))
        if outcome.error is not None:
            raise RuntimeError(f"{name}: {outcome.error}")
        return outcome

    def request(self, name: str, to: Address, data: bytes) -> CallRequest:
        """A call by the account that has deployed a machine's contracts."""
        return CallRequest(sender=self.senders[name], to=to, data=data, gas_limit=OFF_CHAIN_GAS)

    def code_gas(self, name: str, to: Address, data: bytes) -> int:
        """Gas of a call's code alone, without what a transaction or a call pays before."""
        return self.executor().call_alone(self.request(name, to, data)).gas_used

    def create(self, name: str, data: bytes) -> None:
        """One deployment; what it compiles stays in the cache. For the writer thread."""
        outcome = self.executor().call(CallRequest(sender=self.senders[name], data=data, gas_limit=DEPLOYMENT_GAS))
        if outcome.error is not None:
            raise RuntimeError(f"{name}: {outcome.error}")

    def warm_up(self, to: Address, data: bytes) -> None:
        """Run a WebAssembly contract until its optimised code is there. For the writer thread."""
        assert self.chain.zvm is not None
        account = self.chain.head.state.account(to)
        assert account is not None
        code_hash = account.code_hash
        programs = self.chain.zvm.programs(pooled=True)
        deadline = time.monotonic() + WARM_UP_LIMIT_SECONDS
        while not programs.get(code_hash, _no_preparation).optimised:
            self.call("WebAssembly", to, data)
            if time.monotonic() > deadline:
                raise RuntimeError(f"a program was not optimised within {WARM_UP_LIMIT_SECONDS} s")

    def close(self) -> None:
        self.chain.close()


def _no_preparation() -> NoReturn:
    raise RuntimeError("a program that ran is not in the cache")


def seconds_of(action: Callable[[], object], rounds: int) -> float:
    """Processor time of one run on this thread: the best mean of this number of rounds of at least ROUND_SECONDS."""
    started = time.thread_time()
    action()
    repeats = max(1, int(ROUND_SECONDS / max(time.thread_time() - started, 1e-9)))

    def one_round() -> float:
        started = time.thread_time()
        for _ in range(repeats):
            action()
        return (time.thread_time() - started) / repeats

    return min(one_round() for _ in range(rounds))
