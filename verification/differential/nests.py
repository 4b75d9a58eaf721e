"""Random trees of calls and creations: blocks whose contracts interpret their input as a program.

A program is a list of steps; a call's input and a creation's code hold programs again. So one tree has calls of all
kinds within creations within calls, reverts and self-destructions anywhere in it, and calls of what was created,
destroyed or undone before in the same transaction, as random code seldom has.
"""

from random import Random
from typing import Any, NamedTuple

from testing.memory_state import MemoryAccount
from verification.differential.cases import COINBASE, EMPTY, ETHER, GAS_LIMIT, KEYS, Case, _bare_transaction, _context
from verification.differential.code import OPCODES, WORD, push
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS
from zevm.chain.vm.calls import contract_address, salted_address
from zevm.chain.vm.fork_table import precompile_address
from zevm.chain.vm.interface import CallRequest
from zevm.chain.vm.message import CREATIONS
from zevm.storage.primitives import Address

INTERPRETERS = tuple(bytes((0xC0 + index,)) * 20 for index in range(4))
PROXY = bytes((0xC8,)) * 20
_OWN, _CALLER, _LAST = b"\xff" * 20, b"\xff" * 19 + b"\xfe", bytes(20)
"""Names that a program has for its own address, its caller's, and that of the last creation."""
_ALL_GAS, _HALF_GAS = 0xFFFFFFFF, 0xFFFFFFFE
_WHOLE_BALANCE = WORD - 2
_OUTPUT, _SUM, _CREATED, _PLACE, _KIND, _GAS, _ADDRESS, _VALUE, _SIZE, _PAYLOAD = range(0, 320, 32)
"""Places in the interpreter's memory."""
_LARGEST = 12_000
"""Bytes of a payload; longer ones are left out, so that trees stay small."""
_CALLS = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")
_STEPS = (
    "STOP",
    "STORE",
    "LOAD",
    "KEEP",
    "FETCH",
    "DESTROY",
    "REVERT",
    "FAULT",
    "LOG",
    "CALL",
    "CREATE",
    "LOOK",
    "RETURN",
)
_OPCODES = (
    OPCODES | {f"{name}1": value for name, value in (("DUP", 0x80), ("SWAP", 0x90), ("LOG", 0xA1))} | {"DUP3": 0x82}
)
_SINCE = {
    "CALLCODE": Fork.FRONTIER,
    "DELEGATECALL": Fork.HOMESTEAD,
    "STATICCALL": Fork.BYZANTIUM,
    "REVERT": Fork.BYZANTIUM,
    "RETURNDATASIZE": Fork.BYZANTIUM,
    "CREATE2": Fork.CONSTANTINOPLE,
    "EXTCODEHASH": Fork.CONSTANTINOPLE,
    "TSTORE": Fork.CANCUN,
}


def _has(name: str, fork: Fork) -> bool:
    return fork >= _SINCE.get(name, Fork.FRONTIER)


def assemble(text: str) -> bytes:
    """Code of names, numbers, `:label` for a place to jump to, and `@label` for its address in two bytes."""
    code, places, uses = b"", {}, {}
    for word in text.split():
        if word[0] == ":":
            places[word[1:]] = len(code)
            code += b"\x5b"
        elif word[0] == "@":
            uses[len(code) + 1] = word[1:]
            code += b"\x61\x00\x00"
        elif word.isdigit():
            code += push(int(word)) if int(word) else b"\x60\x00"
        else:
            code += bytes((_OPCODES[word],))
    for place, label in uses.items():
        code = code[:place] + places[label].to_bytes(2, "big") + code[place + 2 :]
    return code


def _take(size: int) -> str:
    """Push the next bytes of the program."""
    return f"{1 << 256 - 8 * size} {_PLACE} MLOAD CALLDATALOAD DIV {_PLACE} MLOAD {size} ADD {_PLACE} MSTORE"


_ADD = f"31 {_SUM} MLOAD MUL ADD {_SUM} MSTORE"
"""Mix the top of the stack into the sum."""


def _choice(place: int, name: int, meaning: str) -> str:
    """Replace a name in memory by what it means."""
    return f"{name} {place} MLOAD EQ DUP1 ISZERO {place} MLOAD MUL SWAP1 {meaning} MUL ADD {place} MSTORE"


def _take_address() -> str:
    names = ((_LAST, f"{_CREATED} MLOAD"), (_OWN, "ADDRESS"), (_CALLER, "CALLER"))
    choices = [_choice(_ADDRESS, int.from_bytes(name, "big"), meaning) for name, meaning in names]
    return " ".join([_take(20), f"{_ADDRESS} MSTORE", *choices])


def _take_payload() -> str:
    return (
        f"{_take(2)} {_SIZE} MSTORE {_SIZE} MLOAD {_PLACE} MLOAD {_PAYLOAD} CALLDATACOPY "
        f"{_SIZE} MLOAD {_PLACE} MLOAD ADD {_PLACE} MSTORE"
    )


def _take_value() -> str:
    return f"{_take(32)} {_VALUE} MSTORE " + _choice(_VALUE, _WHOLE_BALANCE, "ADDRESS BALANCE")


def _branches(names: tuple[str, ...], prefix: str) -> str:
    """Jump to the label of the kind in memory."""
    return " ".join(f"{index} {_KIND} MLOAD EQ @{prefix}{name} JUMPI" for index, name in enumerate(names))


def interpreter(fork: Fork) -> bytes:
    """The code that runs its input."""
    calls = tuple(name for name in _CALLS if _has(name, fork))
    creates = tuple(name for name in CREATIONS if _has(name, fork))
    answer = f"{_ADD} {_OUTPUT} MLOAD {_ADD}"
    if _has("RETURNDATASIZE", fork):
        answer += f" RETURNDATASIZE {_ADD} RETURNDATASIZE 0 {_PAYLOAD} RETURNDATACOPY"
        answer += f" RETURNDATASIZE {_PAYLOAD} KECCAK256 {_ADD}"
    gas = _choice(_GAS, _ALL_GAS, "GAS") + " " + _choice(_GAS, _HALF_GAS, "2 GAS DIV")
    parts = [f":next {_take(1)}"]
    parts += [f"DUP1 {index} EQ @{name} JUMPI" for index, name in enumerate(_STEPS)]
    parts += [":STOP STOP"]
    parts += [f":STORE POP {_take(1)} {_take(1)} SSTORE @next JUMP"]
    parts += [f":LOAD POP {_take(1)} SLOAD {_ADD} @next JUMP"]
    if _has("TSTORE", fork):
        parts += [
            f":KEEP POP {_take(1)} {_take(1)} TSTORE @next JUMP",
            f":FETCH POP {_take(1)} TLOAD {_ADD} @next JUMP",
        ]
    else:
        parts += [":KEEP INVALID", ":FETCH INVALID"]
    parts += [f":DESTROY {_take_address()} {_ADDRESS} MLOAD SELFDESTRUCT"]
    parts += [f":REVERT 32 {_SUM} " + ("REVERT" if _has("REVERT", fork) else "INVALID"), ":FAULT INVALID"]
    parts += [f":LOG POP {_SUM} MLOAD 32 {_SUM} LOG1 @next JUMP"]
    parts += [f":CALL POP {_take(1)} {_KIND} MSTORE {_take(4)} {_GAS} MSTORE {_take_address()} {_take_value()}"]
    parts += [f"{_take_payload()} {gas} {_branches(calls, 'do')} INVALID"]
    for name in calls:
        value = f"{_VALUE} MLOAD" if name in ("CALL", "CALLCODE") else ""
        arguments = f"32 {_OUTPUT} {_SIZE} MLOAD {_PAYLOAD} {value} {_ADDRESS} MLOAD {_GAS} MLOAD"
        parts += [f":do{name} {arguments} {name} @answer JUMP"]
    parts += [f":CREATE POP {_take(1)} {_KIND} MSTORE {_take(1)} {_GAS} MSTORE {_take_value()} {_take_payload()}"]
    parts += [f"{_branches(creates, 'do')} INVALID"]
    for name in creates:
        salt = f"{_GAS} MLOAD" if name == "CREATE2" else ""
        created = f"{salt} {_SIZE} MLOAD {_PAYLOAD} {_VALUE} MLOAD {name} DUP1 {_CREATED} MSTORE"
        parts += [f":do{name} {created} @answer JUMP"]
    parts += [f":answer {answer} @next JUMP"]
    looks = ["BALANCE", "EXTCODESIZE", *(["EXTCODEHASH"] if _has("EXTCODEHASH", fork) else [])]
    seen = " ".join(f"{_ADDRESS} MLOAD {name} {_ADD}" for name in looks)
    parts += [f":LOOK POP {_take_address()} {seen} @next JUMP"]
    parts += [f":RETURN 32 {_SUM} RETURN"]
    return assemble(" ".join(parts))


def _delegating(fork: Fork) -> str:
    """Run the code of the first interpreter on the input that the memory holds, its size on the stack."""
    target = int.from_bytes(INTERPRETERS[0], "big")
    name, value = ("DELEGATECALL", "") if _has("DELEGATECALL", fork) else ("CALLCODE", "0")
    gas = "GAS" if fork >= Fork.TANGERINE_WHISTLE else "2 GAS DIV"
    return f"0 0 DUP3 0 {value} {target} {gas} {name} SWAP1 POP"


def proxy(fork: Fork) -> bytes:
    """Code that runs the first interpreter's."""
    start = f"CALLDATASIZE 0 0 CALLDATACOPY CALLDATASIZE {_delegating(fork)}"
    if not _has("REVERT", fork):
        return assemble(f"{start} @good JUMPI INVALID :good STOP")
    end = "RETURNDATASIZE 0 0 RETURNDATACOPY @good JUMPI RETURNDATASIZE 0 REVERT :good RETURNDATASIZE 0 RETURN"
    return assemble(f"{start} {end}")


def initcode(program: bytes, runtime: bytes, fork: Fork) -> bytes:
    """Creation code that runs a program, and deploys a code where it succeeds."""
    bad = "RETURNDATASIZE 0 0 RETURNDATACOPY RETURNDATASIZE 0 REVERT" if _has("REVERT", fork) else "INVALID"

    def code(place: int) -> bytes:
        load = f"{len(program)} {place + 65536} 65536 SWAP1 SUB 0 CODECOPY {len(program)} {_delegating(fork)}"
        end = f"{len(runtime)} {place + 65536 + len(program)} 65536 SWAP1 SUB 0 CODECOPY {len(runtime)} 0 RETURN"
        return assemble(f"{load} @good JUMPI {bad} :good {end}")

    return code(len(code(0))) + program + runtime


class NestWriter:
    """Writes programs. targets: addresses of the case; those of creations yet to come are added."""

    def __init__(self, random: Random, fork: Fork, targets: list[bytes]) -> None:
        self.random, self.fork, self.targets = random, fork, targets
        self.own = interpreter(fork)
        self.proxy = proxy(fork)
        self.pool: list[bytes] = []
        for _ in range(3):
            self.pool.append(self.initcode(1))
        for creator in INTERPRETERS:
            self.targets += [contract_address(Address(creator), nonce) for nonce in (1, 2)]
            if _has("CREATE2", fork):
                self.targets += [salted_address(Address(creator), salt, code) for salt in (0, 1) for code in self.pool]

    def target(self) -> bytes:
        """An address, or a name of one."""
        kind = self.random.random()
        if kind < 0.25:
            return self.random.choice((_LAST, _LAST, _OWN, _CALLER))
        if kind < 0.32:
            return precompile_address(self.random.choice((*range(1, 18), 256)))
        return self.random.choice(INTERPRETERS) if kind < 0.55 else self.random.choice(self.targets)

    def value(self) -> bytes:
        """An amount of wei."""
        kind = self.random.random()
        amount: int = 0 if kind < 0.6 else self.random.choice((1, 1, 1, 1, 7, ETHER, _WHOLE_BALANCE, WORD - 1))
        return amount.to_bytes(32, "big")

    def program(self, depth: int = 0) -> bytes:
        """Steps, and an ending."""
        random = self.random
        code = b"".join(
            self.step(depth) for _ in range(random.randrange(3, 9) if depth < 2 else random.randrange(1, 5))
        )
        if not depth and random.random() < 0.8:
            return code
        ending = random.choices(("STOP", "RETURN", "REVERT", "FAULT", "DESTROY", ""), (3, 3, 4, 1, 3, 1))[0]
        if not ending:
            return code
        return code + bytes((_STEPS.index(ending),)) + (self.target() if ending == "DESTROY" else b"")

    def step(self, depth: int) -> bytes:
        """One step."""
        weights = {"STORE": 4, "LOAD": 2, "LOG": 1, "LOOK": 3}
        if _has("TSTORE", self.fork):
            weights |= {"KEEP": 2, "FETCH": 2}
        if depth < 4:
            weights |= {"CALL": 8, "CREATE": 4}
        name = self.random.choices([*weights], [*weights.values()])[0]
        return bytes((_STEPS.index(name),)) + self._operands(name, depth)

    def _operands(self, name: str, depth: int) -> bytes:
        random = self.random
        if name in ("STORE", "KEEP"):
            # the value is taken first
            return bytes((random.choice((0, 0, 1, 2)), random.randrange(4)))
        if name in ("LOAD", "FETCH"):
            return bytes((random.randrange(4),))
        if name == "LOOK":
            return self.target()
        if name == "CALL":
            kinds = [kind for kind in _CALLS if _has(kind, self.fork)]
            weights = [{"CALL": 6, "STATICCALL": 1}.get(kind, 2) for kind in kinds]
            kind = random.choices(range(len(kinds)), weights)[0]
            payload = self.program(depth + 1) if random.random() < 0.9 else random.randbytes(random.randrange(200))
            return bytes((kind,)) + self._gas() + self.target() + self.value() + self._sized(payload)
        if name == "CREATE":
            kind = random.randrange(sum(_has(kind, self.fork) for kind in CREATIONS))
            code = (
                random.choice(self.pool) if kind and self.pool and random.random() < 0.7 else self.initcode(depth + 2)
            )
            return bytes((kind, random.randrange(2))) + self.value() + self._sized(code)
        return b""

    def _sized(self, payload: bytes) -> bytes:
        payload = payload if len(payload) < _LARGEST else b""
        return len(payload).to_bytes(2, "big") + payload

    def _gas(self) -> bytes:
        kind = self.random.random()
        most = _ALL_GAS if self.fork >= Fork.TANGERINE_WHISTLE else _HALF_GAS
        if kind < 0.75:
            return self.random.choice((most, _HALF_GAS)).to_bytes(4, "big")
        return self.random.choice((0, 2300, 9000, 30_000, 120_000, 400_000)).to_bytes(4, "big")

    def initcode(self, depth: int) -> bytes:
        """Creation code; mostly it deploys something that can be called."""
        kind, runtime = self.random.random(), self.proxy
        if kind < 0.15:
            runtime = self.own
        elif kind < 0.3:
            odd = (b"", b"\xef", b"\xef\x01\x00" + INTERPRETERS[1], bytes(24_577), b"\x5b" * 300, b"\xfe", b"\x00asm")
            runtime = self.random.choice(odd)
        program = self.program(depth) if self.random.random() < 0.9 else b""
        return initcode(program, runtime, self.fork)


def accounts_of(random: Random, fork: Fork, senders: list[bytes]) -> dict[str, dict[str, Any]]:
    """Interpreters, a proxy, senders, and accounts that delegate to any of them, to themselves or in a ring."""
    code = interpreter(fork).hex()
    accounts: dict[str, dict[str, Any]] = {}
    for address in INTERPRETERS:
        nonce = random.choice((1, 1, 1, 2, (1 << 64) - 2, (1 << 64) - 1))
        balance = random.choice((0, 5, ETHER, ETHER, WORD - 1 - 10**24 if random.random() < 0.2 else ETHER))
        storage = {str(slot): random.choice((1, 2)) for slot in range(4) if random.random() < 0.5}
        accounts[address.hex()] = {"balance": balance, "nonce": nonce, "code": code, "storage": storage}
    accounts[PROXY.hex()] = {"balance": 3, "nonce": 1, "code": proxy(fork).hex(), "storage": {"0": 1}}
    for index, address in enumerate(senders):
        accounts[address.hex()] = {"balance": 1000 * ETHER, "nonce": random.randrange(2), "code": "", "storage": {}}
        if fork >= Fork.PRAGUE and index >= len(senders) // 2:
            ring = senders[(index + 1) % len(senders)]
            to = random.choice((*INTERPRETERS, PROXY, address, ring, EMPTY, bytes(19) + b"\4", bytes(19) + b"\3"))
            accounts[address.hex()]["code"] = (b"\xef\x01\x00" + to).hex()
            accounts[address.hex()]["nonce"] = 1
    for _ in range(2):
        creator, squatter = random.choice(INTERPRETERS), {"balance": 0, "nonce": 0, "code": "", "storage": {}}
        address = contract_address(Address(creator), random.randrange(1, 4))
        accounts[address.hex()] = squatter | random.choice(({"balance": 5}, {"nonce": 1, "balance": 1}))
    return accounts


def nest_case(seed: int, fork_name: str, senders: list[bytes]) -> Case:
    """The block of a seed, as `cases.new_case` gives them. senders: addresses of KEYS."""
    random, fork = Random(f"nest {seed}/{fork_name}"), Fork[fork_name.upper()]
    accounts = accounts_of(random, fork, senders)
    for _, address, code in SYSTEM_CONTRACTS:
        accounts[address.hex()] = {"balance": 0, "nonce": 1, "code": code.hex(), "storage": {}}
    coinbase = random.choice((COINBASE, INTERPRETERS[1], senders[-1], bytes(19) + b"\3"))
    writer = NestWriter(random, fork, [*INTERPRETERS, PROXY, *senders, EMPTY, coinbase])
    return {
        "accounts": accounts,
        "coinbase": coinbase.hex(),
        "transactions": [_transaction(random, writer) for _ in range(random.randrange(1, 6))],
        "withdrawals": [
            {"address": writer.target().hex(), "amount": random.choice((0, 1))} for _ in range(random.randrange(3))
        ],
        **_context(random, seed, fork_name, GAS_LIMIT),
    }


def _transaction(random: Random, writer: NestWriter) -> dict[str, Any]:
    kind = random.choice((0, 2, 2, 4))
    creates = kind < 4 and random.random() < 0.2
    to = random.choice((*INTERPRETERS, PROXY)) if random.random() < 0.8 else random.choice(writer.targets)
    data = writer.initcode(0) if creates else writer.program()
    transaction = _bare_transaction(kind, random.randrange(len(KEYS) // 2), None if creates else to) | {
        "value": random.choice((0, 0, 1, ETHER)),
        "data": data.hex(),
        "gas": random.choice((300_000, 1_000_000, 3_000_000, 8_000_000)) + 40 * len(data),
        "maxFee": 50,
        "tip": 1,
    }
    if kind == 4:
        transaction["authorizations"] = [
            {
                "key": random.randrange(len(KEYS) // 2, len(KEYS)),
                "chainId": 0,
                "address": (bytes(20) if random.random() < 0.15 else random.choice(writer.targets)).hex(),
                "nonceOffset": 0,
                "signature": "good",
            }
            for _ in range(random.randrange(1, 3))
        ]
    return transaction


class Nest(NamedTuple):
    """Messages in a row under a fork, and the accounts of their state."""

    fork: Fork
    accounts: dict[Address, MemoryAccount]
    coinbase: Address
    requests: tuple[CallRequest, ...]


def nest_of(seed: int) -> Nest:
    """The nest of a seed, of any fork."""
    random = Random(f"nest {seed}")
    fork = random.choice([*Fork])
    senders = [bytes((0x50 + index,)) * 20 for index in range(6)]
    accounts = {
        Address(bytes.fromhex(key)): MemoryAccount(
            fields["nonce"],
            fields["balance"],
            bytes.fromhex(fields["code"]),
            {int(slot): value for slot, value in fields["storage"].items()},
        )
        for key, fields in accounts_of(random, fork, senders).items()
    }
    coinbase = random.choice((COINBASE, INTERPRETERS[1], senders[-1], bytes(19) + b"\3"))
    writer = NestWriter(random, fork, [*INTERPRETERS, PROXY, *senders, EMPTY, coinbase])
    requests = tuple(_request(random, writer, senders) for _ in range(random.randrange(1, 4)))
    return Nest(fork, accounts, Address(coinbase), requests)


def _request(random: Random, writer: NestWriter, senders: list[bytes]) -> CallRequest:
    creates = random.random() < 0.2
    return CallRequest(
        sender=Address(random.choice(senders[:3])),
        to=None if creates else Address(random.choice(INTERPRETERS if random.random() < 0.8 else writer.targets)),
        data=writer.initcode(0) if creates else writer.program(),
        value=random.choice((0, 0, 1, ETHER)),
        gas_limit=random.choice((300_000, 1_000_000, 3_000_000, 8_000_000)),
    )
