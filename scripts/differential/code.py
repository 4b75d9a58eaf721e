"""Random EVM code: snippets that bring their own operands, so that most of what is generated runs far."""

from collections.abc import Callable, Sequence
from random import Random

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
PRECOMPILES = (*range(1, 0x12), 0x100)
SLOTS = 6
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
    """Writes one contract. targets: addresses (20 bytes) that it may call."""

    def __init__(self, random: Random, targets: Sequence[bytes]) -> None:
        self.random = random
        self.targets = targets

    def word(self) -> int:
        """A random or an interesting 256-bit number."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(INTERESTING)
        return self.random.getrandbits(self.random.choice((8, 16, 64, 160, 256)))

    def small(self) -> int:
        """A memory offset or length, now and then far too large."""
        random = self.random.random()
        if random < 0.02:
            return self.word()
        return self.random.randrange(300)

    def write(self, snippets: int) -> bytes:
        """Code of so many snippets and an ending."""
        parts = [self.snippet() for _ in range(snippets)]
        return b"".join(parts) + self.random.choice((self._return, self._return, self._revert, self._stop, self._end))()

    def snippet(self) -> bytes:
        """One piece."""
        weights = [weight for weight, _ in _SNIPPETS]
        bodies = [body for _, body in _SNIPPETS]
        return self.random.choices(bodies, weights)[0](self)

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
        """Whom to call: a contract or account of the case, or a precompile."""
        if self.random.random() < 0.25:
            return self.random.choice(PRECOMPILES).to_bytes(20, "big")
        return self.random.choice(self.targets)

    def _call(self) -> bytes:
        name = self.random.choice(("CALL", "CALL", "CALL", "STATICCALL", "DELEGATECALL", "CALLCODE"))
        code = push(self.small()) + push(self.small()) + push(self.small()) + push(self.small())
        if name in ("CALL", "CALLCODE"):
            code += push(self.random.choice((0, 0, 0, 1, 1000, self.word())))
        code += push(int.from_bytes(self.target(), "big"))
        gas = op("GAS") if self.random.random() < 0.6 else push(self.random.choice((0, 100, 2300, 20_000, self.word())))
        return code + gas + op(name) + self._keep()

    def _create(self) -> bytes:
        runtime = CodeWriter(self.random, self.targets).write(self.random.randrange(1, 4))[:60]
        init = push(len(runtime)) + op("PUSH0") + op("PUSH0") + op("CODECOPY") if self.random.random() < 0.2 else b""
        init += runtime
        code = b""
        for start in range(0, len(init), 32):
            word = init[start : start + 32].ljust(32, b"\0")
            code += b"\x7f" + word + push(start) + op("MSTORE")
        value = push(self.random.choice((0, 0, 1, self.word())))
        name = self.random.choice(("CREATE", "CREATE2"))
        salt = push(self.random.randrange(3)) if name == "CREATE2" else b""
        return code + salt + push(len(init)) + op("PUSH0") + value + op(name) + self._keep()

    def _loop(self) -> bytes:
        """The stack holds the place to jump back to, and above it a counter of one byte."""
        start = op("PC") + push(6) + op("ADD") + push(self.random.randrange(1, 20)) + op("JUMPDEST")
        body = self._store() if self.random.random() < 0.5 else push(self.word()) + op("POP")
        again = push(1) + bytes((_SWAP1,)) + op("SUB") + bytes((_DUP1, _DUP1 + 2)) + op("JUMPI", "POP", "POP")
        return start + body + again

    def _noise(self) -> bytes:
        return bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 5)))

    def _destruct(self) -> bytes:
        return push(int.from_bytes(self.random.choice(self.targets), "big")) + op("SELFDESTRUCT")

    def _return(self) -> bytes:
        return push(self.small()) + push(self.small()) + op("RETURN")

    def _revert(self) -> bytes:
        return push(self.small()) + push(self.small()) + op("REVERT")

    def _stop(self) -> bytes:
        return op("STOP")

    def _end(self) -> bytes:
        return self.random.choice((self._destruct, lambda: op("INVALID"), lambda: b""))()


_SNIPPETS: tuple[tuple[int, Callable[[CodeWriter], bytes]], ...] = (
    (20, CodeWriter._arithmetic),
    (6, CodeWriter._ternary),
    (14, CodeWriter._unary),
    (14, CodeWriter._store),
    (10, CodeWriter._memory),
    (3, CodeWriter._external_copy),
    (4, CodeWriter._hash),
    (5, CodeWriter._log),
    (14, CodeWriter._call),
    (4, CodeWriter._create),
    (2, CodeWriter._loop),
    (1, CodeWriter._noise),
    (1, CodeWriter._destruct),
)
