"""A state in memory, and shorthands for blocks and code, for tests of execution."""

from functools import cache

from testing.memory_state import MemoryAccount as FakeAccount
from testing.memory_state import MemoryReader
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules
from zevm.chain.types import Transaction, TransactionType
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.operations import OPCODE_NAMES
from zevm.storage.keccak import keccak256

SENDER = b"\x11" * 20
CONTRACT = b"\x33" * 20
COINBASE = b"\x99" * 20
ETHER = 10**18
GWEI = 10**9


def rules_of(fork: Fork = Fork.OSAKA, **changes: object) -> ForkRules:
    """ForkRules of the development chain."""
    blob = BlobParameters(6, 9, 5_007_716) if fork >= Fork.CANCUN else None
    return ForkRules(fork, 31337, blob, **changes)


def environment_of(fork: Fork = Fork.OSAKA, **changes: object) -> BlockEnvironment:
    """Block 1 of the development chain, base fee 1 gwei."""
    values: dict[str, object] = {
        "rules": rules_of(fork),
        "coinbase": COINBASE,
        "number": 1,
        "timestamp": 1000,
        "gas_limit": 60_000_000,
        "block_hash": lambda number: keccak256(str(number).encode()),
        "base_fee_per_gas": GWEI if fork >= Fork.LONDON else None,
        "blob_base_fee": 1 if fork >= Fork.CANCUN else None,
    }
    return BlockEnvironment(**(values | changes))


@cache
def assemble(source: str) -> bytes:
    """Code from mnemonics and numbers; a number is the shortest PUSH of it, 0x... as many bytes as digits say."""
    opcodes = {name: value for value, name in OPCODE_NAMES.items()}
    code = b""
    for token in source.split():
        if token in opcodes:
            code += bytes((opcodes[token],))
            continue
        if token.startswith("0x"):
            data = bytes.fromhex(token[2:])
        else:
            data = int(token).to_bytes(max(1, (int(token).bit_length() + 7) // 8), "big")
        code += bytes((0x5F + len(data),)) + data
    return code


def returning(source: str) -> bytes:
    """Code that returns the word that `source` leaves on the stack."""
    return assemble(f"{source} 0 MSTORE 32 0 RETURN")


def deploying(code: bytes) -> bytes:
    """Creation code that deploys `code`."""
    prefix = assemble(f"0x{len(code):04x} DUP1 12 0 CODECOPY 0 RETURN")
    assert len(prefix) == 12
    return prefix + code


def state_of(accounts: dict[bytes, FakeAccount]) -> BlockState:
    """A BlockState over accounts in memory; SENDER has 1,000 ether unless given."""
    return BlockState(MemoryReader({SENDER: FakeAccount(balance=1000 * ETHER)} | accounts))


def transaction_of(**changes: object) -> Transaction:
    """A transaction that SENDER sends without a signature: 1559, to CONTRACT, 1 million gas."""
    values: dict[str, object] = {
        "type": TransactionType.DYNAMIC_FEE,
        "chain_id": 31337,
        "max_priority_fee_per_gas": GWEI,
        "max_fee_per_gas": 3 * GWEI,
        "gas_limit": 1_000_000,
        "to": CONTRACT,
    }
    return Transaction(**(values | changes)).impersonating(SENDER)


def run_code(code: bytes, fork: Fork = Fork.OSAKA, **request: object) -> Outcome:
    """eth_call of CONTRACT with this code."""
    state = state_of({CONTRACT: FakeAccount(nonce=1, code=code)})
    values: dict[str, object] = {"sender": SENDER, "to": CONTRACT, "gas_limit": 1_000_000}
    return Executor(environment_of(fork), state).call(CallRequest(**(values | request)))
