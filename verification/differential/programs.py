"""Random programs of every fork, each with the accounts around it: what `engines` runs on both engines."""

from functools import cache
from random import Random
from typing import NamedTuple

from testing.memory_state import MemoryAccount, MemoryReader
from verification.differential.cases import CONTRACTS, EMPTY, ETHER
from verification.differential.code import INTERESTING, WORD, CodeWriter, push
from verification.differential.inputs import precompile_call
from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry
from zevm.chain.vm.fork_table import FRAME_CLASSES, precompile_address
from zevm.chain.vm.instructions import invalid
from zevm.chain.vm.interface import CallRequest
from zevm.storage.account import Account
from zevm.storage.primitives import Address

SENDER = Address(bytes((0x5E,)) * 20)
GAS_LIMITS = (0, 700, 5_000, 60_000, 400_000, 2_000_000)
_PUSH0, _CALLVALUE, _PUSH1, _PUSH32 = 0x5F, 0x34, 0x60, 0x7F
_MEMORY_NAMES = ("COPY", "LOAD", "STORE", "KECCAK", "SHA3", "LOG", "RETURN", "REVERT", "CREATE", "CALL")
_JUMPS = (0x56, 0x57)


class Contracts(MemoryReader):
    """A state whose contracts are written when they are first asked for: a program meets one or two of six.

    What a contract is depends on the seed and its address alone, never on who asks first.
    """

    def __init__(self, seed: int, fork: Fork) -> None:
        empty = MemoryAccount() if fork < Fork.SPURIOUS_DRAGON else MemoryAccount(balance=1)
        super().__init__({SENDER: MemoryAccount(nonce=seed % 3, balance=10**6 * ETHER), Address(EMPTY): empty})
        self._seed = seed
        self._fork = fork

    def account(self, address: Address) -> Account | None:
        """The account at an address; a contract that is not there yet is written."""
        if address not in self.accounts and address in CONTRACTS:
            random = Random(f"program {self._seed}, contract {address.hex()}")
            written = _contract(random, _writer(random, address), self._fork)
            self.accounts[address] = written
            self.codes[written.code_hash] = written.code
        return super().account(address)


class Program(NamedTuple):
    """A call or creation under a fork, and the state in which it runs."""

    fork: Fork
    state: Contracts
    request: CallRequest


def program_of(seed: int) -> Program:
    """The program of a seed, which is always the same."""
    random = Random(f"program {seed}")
    fork = random.choice([*Fork])
    return Program(fork, Contracts(seed, fork), _request(random, _writer(random, CONTRACTS[0]), fork))


def _writer(random: Random, own: bytes) -> CodeWriter:
    writer = CodeWriter(random, [*CONTRACTS, SENDER, EMPTY])
    writer.own = own
    return writer


def _contract(random: Random, writer: CodeWriter, fork: Fork) -> MemoryAccount:
    code = _code(random, writer, fork)
    if fork >= Fork.PRAGUE and random.random() < 0.1:
        code = b"\xef\x01\x00" + writer.target()
    storage = {slot: random.choice((1, 2, WORD - 1)) for slot in range(4) if random.random() < 0.4}
    return MemoryAccount(random.choice((1, 1, (1 << 64) - 1)), random.choice((0, 7, ETHER)), code, storage)


def _code(random: Random, writer: CodeWriter, fork: Fork) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return of_fork(writer.write(random.randrange(1, 14)), fork)
    if kind < 0.95:
        return instructions(random, writer, fork, random.randrange(1, 30))
    return random.randbytes(random.randrange(60))


def of_fork(code: bytes, fork: Fork) -> bytes:
    """Code that pushes zeros as a fork can: CALLVALUE, mostly 0, has the size of PUSH0."""
    if fork >= Fork.SHANGHAI:
        return code
    result, place = bytearray(code), 0
    while place < len(result):
        opcode = result[place]
        if opcode == _PUSH0:
            result[place] = _CALLVALUE
        place += 1 + (opcode - _PUSH0 if _PUSH1 <= opcode <= _PUSH32 else 0)
    return bytes(result)


def instructions(random: Random, writer: CodeWriter, fork: Fork, count: int) -> bytes:
    """Any instructions of the fork with operands of all kinds, whose results are mostly kept."""
    operations = FRAME_CLASSES[fork].operations
    known = _known(fork)
    code = b""
    for _ in range(count):
        opcode = random.choice(known) if random.random() < 0.99 else random.randrange(256)
        operation = operations[opcode]
        if _PUSH1 <= opcode <= _PUSH32:
            code += bytes((opcode,)) + random.randbytes(opcode - _PUSH0)
            continue
        if opcode in _JUMPS and random.random() < 0.9:
            continue
        short = int(random.random() < 0.02)
        for _ in range(operation.pops - short):
            code += _push(_operand(random, writer, operation.name), fork)
        code += bytes((opcode,))
        if operation.pushes and random.random() < 0.5:
            place = random.choice((0x52, 0x55))  # MSTORE, SSTORE
            code += _push(random.randrange(4) * (32 if place == 0x52 else 1), fork) + bytes((place,))
    size, start = _push(random.randrange(130), fork), _push(random.randrange(40), fork)
    return code + random.choice((size + start + b"\xf3", b"\x00", b"", size + start + b"\xfd"))


@cache
def _known(fork: Fork) -> tuple[int, ...]:
    """The fork's opcodes."""
    operations = FRAME_CLASSES[fork].operations
    return tuple(value for value, operation in enumerate(operations) if operation.body is not invalid)


@cache
def _is_of_memory(name: str) -> bool:
    return any(part in name for part in _MEMORY_NAMES)


def _push(value: int, fork: Fork) -> bytes:
    return push(value) if value or fork >= Fork.SHANGHAI else b"\x60\x00"


def _operand(random: Random, writer: CodeWriter, name: str) -> int:
    kind = random.random()
    if kind < 0.2:
        return int.from_bytes(writer.target(), "big")
    if kind < (0.75 if _is_of_memory(name) else 0.35):
        return writer.small()
    return random.choice(INTERESTING) if kind < 0.85 else random.getrandbits(random.randrange(1, 257))


def _request(random: Random, writer: CodeWriter, fork: Fork) -> CallRequest:
    kind, to, data = random.random(), None, b""
    if kind < 0.15:
        data = of_fork(writer.initcode(), fork) if random.random() < 0.7 else _code(random, writer, fork)
    elif kind < 0.3:
        number, data = precompile_call(random)
        to = precompile_address(number)
    else:
        to, data = Address(random.choice(CONTRACTS)), random.randbytes(random.choice((0, 4, 36, 100)))
    entries: tuple[AccessListEntry, ...] = ()
    if fork >= Fork.BERLIN and random.random() < 0.3:
        keys = tuple(slot.to_bytes(32, "big") for slot in range(random.randrange(3)))
        entries = (AccessListEntry(Address(writer.target()), keys),)
    return CallRequest(
        sender=SENDER,
        to=to,
        data=data,
        value=random.choice((0, 0, 0, 1, ETHER)),
        gas_limit=600_000 + random.choice(GAS_LIMITS),
        access_list=entries,
    )
