"""One path through bytecode: its stack, memory and storage of symbolic words, and what each instruction does."""

from collections.abc import Callable
from dataclasses import dataclass, field

from zevm.analysis.audit.evm.events import Call, Condition, Destruction, Event, Load, Store
from zevm.analysis.audit.evm.memory import Memory, Region, spot_of
from zevm.analysis.audit.evm.terms import FOLDS, Taint, Term, Terms
from zevm.storage.keccak import keccak256

_LAST_PRECOMPILE = 0x11
_ECRECOVER = 1
TRANSFER = 0xA9059CBB
"""The selector of transfer(address,uint256)."""
TRANSFERS = frozenset({TRANSFER, 0x23B872DD, 0x095EA7B3})
"""Selectors of transfer, transferFrom and approve: their caller asks a token for nothing about authority."""

_OF_THE_BLOCK = (
    "GASPRICE", "COINBASE", "TIMESTAMP", "NUMBER", "PREVRANDAO", "DIFFICULTY", "GASLIMIT", "CHAINID", "BASEFEE",
    "BLOBBASEFEE",
)  # fmt: skip
_GUARDS = Taint.CALLER | Taint.ORIGIN | Taint.OWN_ENTRY | Taint.ANSWER | Taint.SIGNATURE | Taint.STORAGE


def _mark_of(event: Event) -> object:
    """The mark of an effect, or of a condition that may guard one; None for other events."""
    if isinstance(event, Store | Call | Destruction):
        return event.offset
    if isinstance(event, Condition) and event.term.taint & _GUARDS:
        return id(event.term), event.holds
    return None


_INPUTS: dict[str, tuple[str, int]] = {
    "ADDRESS": ("address", Taint.NONE),
    "ORIGIN": ("origin", Taint.ORIGIN),
    "CALLER": ("caller", Taint.CALLER),
    "CALLVALUE": ("callvalue", Taint.VALUE),
    "CALLDATASIZE": ("calldatasize", Taint.CALLDATA),
    "SELFBALANCE": ("balance", Taint.BALANCE),
    **{name: (name.lower(), Taint.BLOCK) for name in _OF_THE_BLOCK},
    "GAS": ("gas", Taint.NONE),
    "MSIZE": ("msize", Taint.NONE),
    "PC": ("pc", Taint.NONE),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """How a path begins. selector: of the call data, None for empty call data. value: None for any wei."""

    selector: bytes | None


@dataclass(slots=True)
class Run:
    """A path that is still on its way. pc: offset of the next instruction. events: (earlier ones, the last one)."""

    code: bytes
    entry: Entry
    terms: Terms
    memory: Memory
    pc: int = 0
    stack: list[Term] = field(default_factory=list)
    storage: dict[tuple[bool, Term], Term] = field(default_factory=dict)
    events: tuple[object, ...] = ()
    decided: dict[int, bool] = field(default_factory=dict)
    branches: dict[tuple[int, bool], int] = field(default_factory=dict)
    last_call: Call | None = None
    calls: int = 0
    noted: int = 0
    situation: int = 0
    """A number for the effects so far, and for the conditions that may guard them: equal for equal ones."""
    situations: dict[tuple[int, object], int] = field(default_factory=dict)

    def split(self) -> "Run":
        """A copy for the other side of a branch."""
        return Run(
            self.code, self.entry, self.terms, self.memory.copy(), self.pc, list(self.stack), dict(self.storage),
            self.events, dict(self.decided), dict(self.branches), self.last_call, self.calls, self.noted,
            self.situation, self.situations,
        )  # fmt: skip

    def note(self, event: Event) -> None:
        """Add an event."""
        self.events = (self.events, event)
        self.noted += 1
        mark = _mark_of(event)
        if mark is not None:
            self.situation = self.situations.setdefault((self.situation, mark), len(self.situations) + 1)

    def pop(self, count: int) -> list[Term]:
        """Words off the stack, the top one first. Raises IndexError."""
        if len(self.stack) < count:
            raise IndexError
        taken = self.stack[-count:][::-1] if count else []
        del self.stack[len(self.stack) - count :]
        return taken

    def step(self, name: str, offset: int) -> None:
        """Do an instruction that is no jump. Raises IndexError for want of words, KeyError for an unknown one."""
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, offset)
        elif name in FOLDS:
            self.stack.append(self.terms.apply(name, *self.pop(FOLDS[name].__code__.co_argcount)))
        elif name in _INPUTS:
            label, taint = _INPUTS[name]
            self.stack.append(self.terms.input(label, taint, *([offset] if name in ("GAS", "PC", "MSIZE") else [])))
        elif name.startswith("DUP"):
            self.stack.append(self.stack[-int(name[3:])])
        elif name.startswith("SWAP"):
            place = -int(name[4:]) - 1
            self.stack[-1], self.stack[place] = self.stack[place], self.stack[-1]
        elif name.startswith("LOG"):
            self.pop(2 + int(name[3:]))
        else:
            raise KeyError(name)


def _keccak(run: Run, _offset: int) -> None:
    address, length = run.pop(2)
    words, size = run.memory.window(address, length), length.value
    whole = size is not None and (size + 31) // 32 == len(words)
    values = [word.value for word in words]
    if whole and size is not None and None not in values:
        data = b"".join(value.to_bytes(32, "big") for value in values if value is not None)
        run.stack.append(run.terms.const(int.from_bytes(keccak256(data[:size]), "big")))
        return
    if whole and size is not None and size % 32 == 0:
        run.stack.append(run.terms.hashed(words))
        return
    taint = length.taint
    for word in words:
        taint |= word.taint
    # a string as a key of a mapping: the map's slot is the last word
    run.stack.append(run.terms.input("keccak", taint, *words, length) if words else run.terms.opaque(taint))


def _calldataload(run: Run, _offset: int) -> None:
    (place,) = run.pop(1)
    selector = run.entry.selector
    if selector is None:
        run.stack.append(run.terms.zero)
    elif place.value == 0:
        number = run.terms.const(int.from_bytes(selector, "big"))
        run.stack.append(run.terms.input("selector", Taint.CALLDATA, number))
    else:
        run.stack.append(run.terms.input("calldata", Taint.CALLDATA, place))


def _calldatasize(run: Run, _offset: int) -> None:
    if run.entry.selector is None:
        run.stack.append(run.terms.zero)
    else:
        run.stack.append(run.terms.input("calldatasize", Taint.CALLDATA))


def _copy(name: str, taint: int) -> Callable[[Run, int], None]:
    def copy(run: Run, _offset: int) -> None:
        target, source, length = run.pop(3)
        run.memory.fill(Region(spot_of(target), length.value, name, taint, source))

    return copy


def _codecopy(run: Run, _offset: int) -> None:
    target, source, length = run.pop(3)
    code = None
    if source.value is not None and length.value is not None and length.value <= len(run.code):
        code = run.code[source.value : source.value + length.value].ljust(length.value, b"\0")
    run.memory.fill(Region(spot_of(target), length.value, "code", Taint.NONE, None, code))


def _extcodecopy(run: Run, _offset: int) -> None:
    _, target, _, length = run.pop(4)
    run.memory.fill(Region(spot_of(target), length.value, "code", Taint.NONE))


def _returndatacopy(run: Run, _offset: int) -> None:
    target, source, length = run.pop(3)
    name, taint = _answer(run.last_call)
    run.memory.fill(Region(spot_of(target), length.value, name, taint, source))


def _mcopy(run: Run, _offset: int) -> None:
    target, source, length = run.pop(3)
    words = run.memory.window(source, length)
    taint = Taint.NONE
    for word in words:
        taint |= word.taint
    run.memory.fill(Region(spot_of(target), length.value, "copy", taint))
    if length.value is not None and length.value % 32 == 0:
        for place, word in enumerate(words):
            run.memory.store(run.terms.apply("ADD", run.terms.const(32 * place), target), word)


def _returndatasize(run: Run, _offset: int) -> None:
    if run.last_call is None:
        run.stack.append(run.terms.zero)
    else:
        run.stack.append(run.terms.input("returndatasize", Taint.NONE, run.calls))


def _answer(call: Call | None) -> tuple[str, int]:
    """Name and origins of the data that a call returns."""
    if call is None:
        return "returndata", Taint.RESULT
    taint = Taint.RESULT
    target = call.target.value
    if target == _ECRECOVER:
        taint |= Taint.SIGNATURE
    elif target is not None and 0 < target <= _LAST_PRECOMPILE:
        taint |= call.payload_taint
    elif _asks_about_caller(call):
        taint |= Taint.ANSWER
    return f"returndata@{call.offset}", taint


def _asks_about_caller(call: Call) -> bool:
    """Whether a fixed or stored contract is told the caller, and not to move tokens."""
    outside = call.target.taint & (Taint.CALLDATA | Taint.CALLER)
    return bool(call.payload_taint & Taint.CALLER) and not outside and selector_of(call) not in TRANSFERS


def selector_of(call: Call) -> int | None:
    """The selector that a call's input begins with, where it is known."""
    if not call.payload:
        return None
    first = call.payload[0]
    if first.value is not None:
        return first.value >> 224
    for part in first.walk():
        value = part.value or 0
        if value >> 224 and value & ((1 << 224) - 1) == 0:
            return value >> 224
    return None


def _payload(run: Run, address: Term, length: Term) -> tuple[Term, ...]:
    """The words of a call's input: a first one with the selector, then the arguments."""
    size = length.value
    if size is None or size % 32 != 4:
        return run.memory.window(address, length)
    behind = run.terms.apply("ADD", run.terms.const(4), address)
    return run.memory.load(address), *run.memory.window(behind, run.terms.const(size - 4))


def _call(kind: str) -> Callable[[Run, int], None]:
    has_value = kind in ("CALL", "CALLCODE")

    def call(run: Run, offset: int) -> None:
        gas, target = run.pop(2)
        target = run.terms.apply("AND", run.terms.const((1 << 160) - 1), target)
        (value,) = run.pop(1) if has_value else (run.terms.zero,)
        address, length, out, out_length = run.pop(4)
        run.calls += 1
        result = run.terms.input("result", Taint.RESULT, offset, run.calls)
        made = Call(offset, kind, gas, target, value, _payload(run, address, length), result)
        run.note(made)
        run.last_call = made
        if out_length.value != 0:
            name, taint = _answer(made)
            run.memory.fill(Region(spot_of(out), out_length.value, name, taint, run.terms.zero))
        run.stack.append(result)

    return call


def _create(count: int) -> Callable[[Run, int], None]:
    def create(run: Run, offset: int) -> None:
        run.pop(count)
        run.calls += 1
        run.stack.append(run.terms.input("created", Taint.NONE, offset, run.calls))

    return create


def _load(*, transient: bool) -> Callable[[Run, int], None]:
    def load(run: Run, offset: int) -> None:
        (key,) = run.pop(1)
        run.note(Load(offset, key, transient))
        written = run.storage.get((transient, key))
        run.stack.append(read_of(run.terms, key, transient=transient) if written is None else written)

    return load


def read_of(terms: Terms, key: Term, *, transient: bool = False) -> Term:
    """The word of a slot that nothing on the path has written."""
    taint = Taint.STORAGE
    if any(part.op == "keccak" for part in key.walk()) or key.value is None:
        taint |= Taint.ENTRY
    if key.taint & Taint.CALLER:
        taint |= Taint.OWN_ENTRY
    return terms.input("tload" if transient else "sload", taint, key)


def _store(*, transient: bool) -> Callable[[Run, int], None]:
    def store(run: Run, offset: int) -> None:
        key, value = run.pop(2)
        run.storage[transient, key] = value
        run.note(Store(offset, key, value, transient))

    return store


def _mstore(run: Run, _offset: int) -> None:
    run.memory.store(*run.pop(2))


def _mstore8(run: Run, _offset: int) -> None:
    run.memory.store_byte(*run.pop(2))


def _mload(run: Run, _offset: int) -> None:
    (address,) = run.pop(1)
    run.stack.append(run.memory.load(address))


def _balance(run: Run, _offset: int) -> None:
    (address,) = run.pop(1)
    others = () if address.op == "address" else (address,)
    run.stack.append(run.terms.input("balance", Taint.BALANCE, *others))


def _extcodesize(run: Run, offset: int) -> None:
    (address,) = run.pop(1)
    own = address.op == "address"
    run.stack.append(run.terms.one if own else run.terms.input("extcodesize", Taint.NONE, offset, address))


def _about_account(run: Run, offset: int) -> None:
    (address,) = run.pop(1)
    run.stack.append(run.terms.input("account", Taint.NONE, offset, address))


def _about_block(run: Run, offset: int) -> None:
    run.pop(1)
    run.stack.append(run.terms.input("block", Taint.BLOCK, offset))


def _clz(run: Run, _offset: int) -> None:
    (word,) = run.pop(1)
    run.stack.append(run.terms.opaque(word.taint))


def _codesize(run: Run, _offset: int) -> None:
    run.stack.append(run.terms.const(len(run.code)))


def _drop(run: Run, _offset: int) -> None:
    run.pop(1)


def _nothing(_run: Run, _offset: int) -> None:
    pass


def _destroy(run: Run, offset: int) -> None:
    (heir,) = run.pop(1)
    run.note(Destruction(offset, heir))


_HANDLERS: dict[str, Callable[[Run, int], None]] = {
    "POP": _drop,
    "JUMPDEST": _nothing,
    "KECCAK256": _keccak,
    "CALLDATALOAD": _calldataload,
    "CALLDATASIZE": _calldatasize,
    "CALLDATACOPY": _copy("calldata", Taint.CALLDATA),
    "CODECOPY": _codecopy,
    "CODESIZE": _codesize,
    "EXTCODECOPY": _extcodecopy,
    "RETURNDATACOPY": _returndatacopy,
    "RETURNDATASIZE": _returndatasize,
    "MCOPY": _mcopy,
    "MLOAD": _mload,
    "MSTORE": _mstore,
    "MSTORE8": _mstore8,
    "SLOAD": _load(transient=False),
    "SSTORE": _store(transient=False),
    "TLOAD": _load(transient=True),
    "TSTORE": _store(transient=True),
    "BALANCE": _balance,
    "EXTCODESIZE": _extcodesize,
    "EXTCODEHASH": _about_account,
    "BLOCKHASH": _about_block,
    "BLOBHASH": _about_block,
    "CLZ": _clz,
    "SELFDESTRUCT": _destroy,
    "CREATE": _create(3),
    "CREATE2": _create(4),
    **{kind: _call(kind) for kind in ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")},
}
