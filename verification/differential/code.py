"""Random EVM code: snippets that bring their own operands, so that most of what is generated runs far."""

from collections.abc import Callable, Sequence
from random import Random

from verification.differential.inputs import PRECOMPILES, precompile_call
from zevm.chain.rules.predeploys import (
    BEACON_ROOTS_ADDRESS,
    CONSOLIDATION_REQUESTS_ADDRESS,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUESTS_ADDRESS,
)
from zevm.chain.vm.message import CREATIONS

WORD = 1 << 256
INTERESTING = (0, 1, 2, 31, 32, 33, 255, 256, 1 << 64, (1 << 64) - 1, (1 << 160) - 1, WORD - 1, 1 << 255)

_NAMES = (
    ("STOP ADD MUL SUB DIV SDIV MOD SMOD ADDMOD MULMOD EXP SIGNEXTEND", 0x00),
    ("LT GT SLT SGT EQ ISZERO AND OR XOR NOT BYTE SHL SHR SAR CLZ", 0x10),
    ("KECCAK256", 0x20),
    (
        "ADDRESS BALANCE ORIGIN CALLER CALLVALUE CALLDATALOAD CALLDATASIZE CALLDATACOPY CODESIZE CODECOPY GASPRICE "
        "EXTCODESIZE EXTCODECOPY RETURNDATASIZE RETURNDATACOPY EXTCODEHASH",
        0x30,
    ),
    (
        "BLOCKHASH COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBHASH BLOBBASEFEE",
        0x40,
    ),
    ("POP MLOAD MSTORE MSTORE8 SLOAD SSTORE JUMP JUMPI PC MSIZE GAS JUMPDEST TLOAD TSTORE MCOPY PUSH0", 0x50),
    ("LOG0 LOG1 LOG2 LOG3 LOG4", 0xA0),
    ("CREATE CALL CALLCODE RETURN DELEGATECALL CREATE2", 0xF0),
    ("STATICCALL", 0xFA),
    ("REVERT INVALID SELFDESTRUCT", 0xFD),
)
OPCODES = {name: base + index for names, base in _NAMES for index, name in enumerate(names.split())}

_LISTS = (
    "ISZERO NOT CALLDATALOAD BALANCE EXTCODESIZE EXTCODEHASH BLOCKHASH SLOAD TLOAD MLOAD CLZ BLOBHASH",
    "ADD MUL SUB DIV SDIV MOD SMOD EXP SIGNEXTEND LT GT SLT SGT EQ AND OR XOR BYTE SHL SHR SAR",
    "ADDRESS ORIGIN CALLER CALLVALUE CALLDATASIZE CODESIZE GASPRICE RETURNDATASIZE COINBASE TIMESTAMP NUMBER "
    "PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBBASEFEE PC MSIZE GAS",
)
_UNARY, _BINARY, _NULLARY = (names.split() for names in _LISTS)
SLOTS = 6
CODE_SIZES = (0, 1, 24_575, 24_576, 24_577)
"""Of returned code: about EIP-170's limit."""
INITCODE_SIZES = (49_151, 49_152, 49_153)
"""About EIP-3860's limit."""
MAX_NESTING = 2
"""Of creation code in creation code."""
_DUP1, _SWAP1 = 0x80, 0x90


def push(value: int) -> bytes:
    """The shortest PUSH of a word."""
    if not value:
        return bytes((0x5F,))
    size = (value.bit_length() + 7) // 8
    return bytes((0x5F + size,)) + value.to_bytes(size, "big")


def op(*names: str) -> bytes:
    """Opcodes by name."""
    return bytes(OPCODES[name] for name in names)


class CodeWriter:
    """Writes contracts. targets: addresses (20 bytes) that they may call. nesting: creations around this one.

    Data that code loads stands behind it; its place is counted from the end, so that it is known at once.
    """

    def __init__(self, random: Random, targets: Sequence[bytes], nesting: int = 0) -> None:
        self.random = random
        self.targets = targets
        self.nesting = nesting
        self.own = targets[0]
        """The address that the code is written for; it may run at others, by delegation."""
        self._data = b""

    def word(self) -> int:
        """A random or an interesting 256-bit number."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(INTERESTING)
        return self.random.getrandbits(self.random.randrange(8, 257, 8))

    def small(self) -> int:
        """A memory offset or length, now and then far too large."""
        random = self.random.random()
        if random < 0.01:
            return self.word()
        return self.random.randrange(300)

    def write(self, snippets: int) -> bytes:
        """Code of this number of snippets and an ending."""
        parts = [self.snippet() for _ in range(snippets)]
        ending = self.random.choice((self._return, self._return, self._revert, self._stop, self._end))()
        return b"".join(parts) + ending + self._take_data()

    def _take_data(self) -> bytes:
        """The data to stand behind the code; the next code begins without."""
        data, self._data = self._data, b""
        return data

    def snippet(self) -> bytes:
        """One piece."""
        body = self.random.choices(_BODIES, _WEIGHTS)[0]
        if body is CodeWriter._create and self.nesting >= MAX_NESTING:
            body = CodeWriter._store
        return body(self)

    def _arithmetic(self) -> bytes:
        code = push(self.word()) + push(self.word())
        for _ in range(self.random.randrange(1, 6)):
            kind = self.random.random()
            if kind < 0.3:
                code += op(self.random.choice(_NULLARY)) + op(self.random.choice(_BINARY))
            elif kind < 0.6:
                code += push(self.word()) + op(self.random.choice(_BINARY))
            else:
                code += op(self.random.choice(_UNARY[:3]))
        return code + self._keep()

    def _keep(self) -> bytes:
        """Store the top of the stack where it shows, or drop it."""
        kind = self.random.random()
        if kind < 0.4:
            return push(self.random.randrange(SLOTS)) + op("SSTORE")
        if kind < 0.7:
            return push(32 * self.random.randrange(8)) + op("MSTORE")
        return op("POP")

    def _ternary(self) -> bytes:
        operands = push(self.word()) + push(self.word()) + push(self.word())
        return operands + op(self.random.choice(("ADDMOD", "MULMOD"))) + self._keep()

    def _unary(self) -> bytes:
        name = self.random.choice(_UNARY)
        small = name in ("SLOAD", "TLOAD", "MLOAD")
        operand = push(self.random.randrange(SLOTS)) if small else push(self.word())
        if name in ("BALANCE", "EXTCODESIZE", "EXTCODEHASH"):
            operand = push(int.from_bytes(self.target(), "big"))
        if name == "BLOCKHASH":
            operand = push(self.random.randrange(12))
        return operand + op(name) + self._keep()

    def _store(self) -> bytes:
        name = self.random.choice(("SSTORE", "SSTORE", "TSTORE"))
        value = self.random.choice((0, 0, 1, 2, self.word()))
        return push(value) + push(self.random.randrange(SLOTS)) + op(name)

    def _memory(self) -> bytes:
        kind = self.random.randrange(5)
        if kind == 0:
            return push(self.word()) + push(self.small()) + op(self.random.choice(("MSTORE", "MSTORE8")))
        name = ("CALLDATACOPY", "CODECOPY", "MCOPY", "RETURNDATACOPY")[kind - 1]
        size = push(0) if name == "RETURNDATACOPY" and self.random.random() < 0.8 else push(self.small())
        source = push(0) if name == "RETURNDATACOPY" else push(self.small())
        return size + source + push(self.small()) + op(name)

    def _external_copy(self) -> bytes:
        target = push(int.from_bytes(self.target(), "big"))
        return push(self.small()) + push(self.small()) + push(self.small()) + target + op("EXTCODECOPY")

    def _hash(self) -> bytes:
        return push(self.small()) + push(self.small()) + op("KECCAK256") + self._keep()

    def _log(self) -> bytes:
        topics = self.random.randrange(5)
        code = b"".join(push(self.word()) for _ in range(topics))
        return code + push(self.small()) + push(self.small()) + op(f"LOG{topics}")

    def target(self) -> bytes:
        """The target of a call: a contract or account of the case, or a precompile."""
        if self.random.random() < 0.08:
            return self.random.choice(PRECOMPILES).to_bytes(20, "big")
        if self.random.random() < 0.1:
            return self.own
        return self.random.choice(self.targets)

    def _call(self) -> bytes:
        name = self.random.choice(("CALL", "CALL", "CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"))
        code = push(self.small()) + push(self.small()) + push(self.small()) + push(self.small())
        if name in ("CALL", "CALLCODE"):
            code += push(self.random.choice((0, 0, 0, 1, 1000, self.word())))
        code += push(int.from_bytes(self.target(), "big"))
        gas = op("GAS") if self.random.random() < 0.6 else push(self.random.choice((0, 100, 2300, 20_000, self.word())))
        return code + gas + op(name) + self._keep()

    def _load(self, data: bytes) -> bytes:
        """Copy data to the start of the memory."""
        self._data = data + self._data
        return push(len(data)) + push(len(self._data)) + op("CODESIZE", "SUB", "PUSH0", "CODECOPY")

    def _keep_answer(self) -> bytes:
        """Store what a call left: whether it succeeded, and what it returned."""
        code = op("RETURNDATASIZE", "PUSH0", "PUSH0", "RETURNDATACOPY", "RETURNDATASIZE", "PUSH0", "KECCAK256", "ADD")
        return code + push(self.random.randrange(SLOTS)) + op("SSTORE")

    def _precompile(self) -> bytes:
        number, data = precompile_call(self.random)
        name = self.random.choice(("STATICCALL", "STATICCALL", "CALL", "DELEGATECALL", "CALLCODE"))
        code = self._load(data) + push(self.random.choice((0, 32, 64))) + op("PUSH0") + push(len(data)) + op("PUSH0")
        if name in ("CALL", "CALLCODE"):
            code += push(self.random.choice((0, 0, 1)))
        gas = op("GAS") if self.random.random() < 0.9 else push(self.random.choice((0, 15, 72, 3000, 6900, 50_000)))
        return code + push(number) + gas + op(name) + self._keep_answer()

    def _system(self) -> bytes:
        """A use of a system contract: a paid request, the price of one, a beacon root, a block's hash."""
        kind = self.random.randrange(5)
        value, size = op("PUSH0"), push(32)
        if kind < 2:
            target, size_wanted = ((WITHDRAWAL_REQUESTS_ADDRESS, 56), (CONSOLIDATION_REQUESTS_ADDRESS, 96))[kind]
            size = push(size_wanted if self.random.random() < 0.85 else self.random.choice((0, 55, 57, 97)))
            code, value = self._load(self.random.randbytes(size_wanted)), push(self.random.choice((0, 1, 1, 2, 1000)))
        elif kind == 2:
            target, code = BEACON_ROOTS_ADDRESS, op("TIMESTAMP", "PUSH0", "MSTORE")
        elif kind == 3:
            target = HISTORY_STORAGE_ADDRESS
            code = push(self.random.choice((0, 1, 1, 2, 11))) + op("NUMBER", "SUB", "PUSH0", "MSTORE")
        else:
            target = self.random.choice((WITHDRAWAL_REQUESTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS))
            code, size = b"", op("PUSH0")
        code += op("PUSH0", "PUSH0") + size + op("PUSH0") + value
        return code + push(int.from_bytes(target, "big")) + op("GAS", "CALL") + self._keep_answer()

    def _create(self) -> bytes:
        """A creation, once or twice, and sometimes calls of what was created, in the same transaction."""
        if self.random.random() < 0.05:
            code, size = b"", push(self.random.choice(INITCODE_SIZES))
        else:
            init = self.initcode()
            code, size = self._load(init), push(len(init))
        value = push(self.random.choice((0, 0, 1, self.word())))
        name = self.random.choice(CREATIONS)
        salt = push(self.random.randrange(3)) if name == "CREATE2" else b""
        create = code + salt + size + op("PUSH0") + value + op(name)
        kind = self.random.random()
        if kind < 0.4:
            return create + self._keep()
        call = op("PUSH0", "PUSH0", "PUSH0", "PUSH0") + push(self.random.choice((0, 0, 1)))
        call += bytes((_DUP1 + 5,)) + op("GAS", "CALL", "POP")
        if kind < 0.8:
            return create + call * self.random.choice((1, 2)) + self._keep()
        return create + call + op("POP") + create + self._keep()

    def initcode(self) -> bytes:
        """Creation code: some that returns code, some that does not, some whose code may not be stored."""
        kind, nested = self.random.random(), CodeWriter(self.random, self.targets, self.nesting + 1)
        if kind < 0.5:
            runtime = nested.runtime()
            load = nested._load(runtime)
            return load + push(len(runtime)) + op("PUSH0", "RETURN") + nested._take_data()
        if kind < 0.8:
            return nested.write(self.random.randrange(1, 4))
        if kind < 0.9:
            return push(self.random.choice(CODE_SIZES)) + op("PUSH0", "RETURN")
        if kind < 0.95:
            return push(0xEF) + op("PUSH0", "MSTORE8") + push(self.random.choice((1, 23))) + op("PUSH0", "RETURN")
        return nested._destruct()

    def runtime(self) -> bytes:
        """Code to be deployed; often it destroys itself when it is called."""
        if self.random.random() < 0.5:
            return self.write(self.random.randrange(1, 4))
        return self._store() + self._destruct()

    def _overflow(self) -> bytes:
        """A loop that leaves one word more each time, up to the stack's limit."""
        return op("PC") + push(4) + op("ADD", "JUMPDEST") + bytes((_DUP1, _DUP1)) + op("JUMP")

    def _stack(self) -> bytes:
        """Words, then DUPs and SWAPs of any depth; a little too deep now and then."""
        depth = self.random.choice((2, self.random.randrange(2, 18), 17))
        code = b"".join(push(self.random.randrange(256)) for _ in range(depth))
        for _ in range(self.random.randrange(1, 5)):
            most = min(16, depth - 1) - 1
            reach = self.random.choice((most, self.random.randrange(most + 1)))
            reach = 15 if self.random.random() < 0.05 else reach
            code += bytes((self.random.choice((_DUP1, _SWAP1)) + reach,))
        return code + self._keep()

    def _jump(self) -> bytes:
        """Over some bytes, which may hold a JUMPDEST that is none; now and then to a wrong place."""
        skipped = self.random.choice((b"", op("INVALID"), b"\x60\x5b", self.random.randbytes(3)))
        distance = 5 + len(skipped) + (self.random.choice((-1, 1)) if self.random.random() < 0.1 else 0)
        # data of a PUSH must not run into the place to land
        skipped = bytes(byte if not 0x60 < byte < 0x80 else 0 for byte in skipped)
        return op("PC") + push(distance) + op("ADD", "JUMP") + skipped + op("JUMPDEST")

    def _keep_memory(self) -> bytes:
        """Store what the memory holds."""
        return op("MSIZE", "PUSH0", "KECCAK256") + push(self.random.randrange(SLOTS)) + op("SSTORE")

    def _transient(self) -> bytes:
        slot = push(self.random.randrange(SLOTS))
        return push(self.word()) + slot + op("TSTORE") + slot + op("TLOAD") + self._keep()

    def _loop(self) -> bytes:
        """The stack holds the place to jump back to, and above it a counter of one byte."""
        start = op("PC") + push(6) + op("ADD") + push(self.random.randrange(1, 20)) + op("JUMPDEST")
        body = self._store() if self.random.random() < 0.5 else push(self.word()) + op("POP")
        again = push(1) + bytes((_SWAP1,)) + op("SUB") + bytes((_DUP1, _DUP1 + 2)) + op("JUMPI", "POP", "POP")
        return start + body + again

    def _noise(self) -> bytes:
        return bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 5)))

    def _destruct(self) -> bytes:
        if self.random.random() < 0.3:
            return op("ADDRESS", "SELFDESTRUCT")
        return push(int.from_bytes(self.random.choice(self.targets), "big")) + op("SELFDESTRUCT")

    def _return(self) -> bytes:
        return push(self.small()) + push(self.small()) + op("RETURN")

    def _revert(self) -> bytes:
        return push(self.small()) + push(self.small()) + op("REVERT")

    def _stop(self) -> bytes:
        return op("STOP")

    def _end(self) -> bytes:
        return self.random.choice((self._destruct, lambda: op("INVALID"), lambda: b""))()


_SNIPPETS: tuple[tuple[float, Callable[[CodeWriter], bytes]], ...] = (
    (20, CodeWriter._arithmetic),
    (6, CodeWriter._ternary),
    (14, CodeWriter._unary),
    (14, CodeWriter._store),
    (10, CodeWriter._memory),
    (4, CodeWriter._keep_memory),
    (3, CodeWriter._transient),
    (3, CodeWriter._external_copy),
    (4, CodeWriter._hash),
    (5, CodeWriter._log),
    (4, CodeWriter._stack),
    (12, CodeWriter._call),
    (9, CodeWriter._precompile),
    (3, CodeWriter._system),
    (7, CodeWriter._create),
    (2, CodeWriter._loop),
    (2, CodeWriter._jump),
    (0.3, CodeWriter._overflow),
    (1, CodeWriter._noise),
    (2, CodeWriter._destruct),
)
_WEIGHTS = [weight for weight, _ in _SNIPPETS]
_BODIES = [body for _, body in _SNIPPETS]
