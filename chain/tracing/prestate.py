"""prestateTracer: the accounts and slots that a transaction touched, as they were before it, or what it changed."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

from collections.abc import Mapping, Sequence
from typing import Any

from zevm.chain.rules.forks import Fork
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.settings import RECORDING_WITH_LOOKS, Options, TraceContext, flag
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.instructions import ADDRESS_MASK
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import TransactionStart, WatchedFrame
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address

SLOAD, SSTORE = 0x54, 0x55
_STORAGE = (SLOAD, SSTORE)
_ACCOUNT = (0x31, 0x3B, 0x3C, 0x3F)
"""BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH."""

_OWNER = "PrestateTracerConfig"


class Before:
    """An account before the transaction; code: b"" where it has none."""

    __slots__ = ("balance", "code", "code_hash", "nonce", "slots")

    def __init__(self, state: ExecutionState, address: Address) -> None:
        self.balance = state.get_balance(address)
        self.nonce = state.get_nonce(address)
        self.code_hash = state.get_code_hash(address)
        self.code = state.get_code(address)
        self.slots: dict[int, int] = {}

    @property
    def is_empty(self) -> bool:
        """No balance, nonce or code, or no account at all."""
        return not self.balance and not self.nonce and not self.code


class PrestateTracer(ResultTracer):
    """Options: diffMode, disableCode, disableStorage, includeEmpty.

    accounts: what was touched, by address, as it was. state: the transaction's, live.
    Accounts count as touched by the transaction's own fields, by frames and by instructions that look at them;
    an instruction that cannot pay does not count.
    """

    wants_steps = True
    recording = RECORDING_WITH_LOOKS

    def __init__(self, options: Options, context: TraceContext) -> None:
        self._diff_mode = flag(options, "diffMode", _OWNER)
        self._with_code = not flag(options, "disableCode", _OWNER)
        self._with_storage = not flag(options, "disableStorage", _OWNER)
        self._include_empty = flag(options, "includeEmpty", _OWNER)
        if self._diff_mode and self._include_empty:
            raise TraceError("cannot use diffMode with includeEmpty")
        self.state: ExecutionState
        self._fork = Fork.FRONTIER
        self.accounts: dict[Address, Before] = {}
        self._created: set[Address] = set()
        self._deleted: set[Address] = set()
        self._last: tuple[Address, int | None] | None = None
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}

    def on_begin(self, start: TransactionStart) -> None:
        """The transaction's own accounts, before gas is bought and delegations are set."""
        self.state, self._fork = start.state, start.rules.fork
        if start.to is None:
            self._created.add(start.address)
        for address in (start.sender, start.address, start.coinbase, *start.authorities):
            self._look_up(address)
        self._look_up_delegate(start.address)

    def _look_up(self, address: Address) -> bool:
        """Keep the account as it is now, unless it is known; whether it was new."""
        if address in self.accounts:
            return False
        self.accounts[address] = Before(self.state, address)
        return True

    def _look_up_delegate(self, address: Address) -> None:
        if self._fork >= Fork.PRAGUE:
            delegate = delegation_of(self.state.get_code(address))
            if delegate is not None:
                self._look_up(delegate)

    def on_enter(self, start: FrameStart) -> None:
        """The account that a frame calls, creates, or leaves its balance to."""
        self._look_up(start.target)
        if start.kind in CREATIONS:
            self._created.add(start.target)
        elif start.kind == "SELFDESTRUCT":
            if self._fork < Fork.CANCUN or start.sender in self._created:
                self._deleted.add(start.sender)
        elif start.depth and start.code_address != start.target:
            # the outermost frame's delegation counts as it was before the transaction: geth
            self._look_up(start.code_address)

    def on_look(self, address: Address, slot: int | None) -> None:
        """The same as an instruction's, once it went well."""
        if slot is None:
            self._look_up(address)
        elif self._with_storage:
            slots = self.accounts[address].slots
            if slot not in slots:
                slots[slot] = self.state.get_storage(address, slot)

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """The accounts and slots that an instruction reads."""
        self._last = None
        if opcode in _STORAGE or opcode in _ACCOUNT:
            self._watch(frame.address, opcode, frame.stack)

    def on_host_instruction(self, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        """The same on behalf of a WebAssembly contract."""
        if opcode in _STORAGE or opcode in _ACCOUNT:
            self._watch(frame.address, opcode, stack)

    def _watch(self, address: Address, opcode: int, stack: Sequence[int]) -> None:
        if not stack:
            return
        if opcode in _ACCOUNT:
            other = Address((stack[-1] & ADDRESS_MASK).to_bytes(20, "big"))
            if self._look_up(other):
                self._last = (other, None)
        elif self._with_storage:
            slots, slot = self.accounts[address].slots, stack[-1]
            if slot not in slots:
                slots[slot] = self.state.get_storage(address, slot)
                self._last = (address, slot)

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """An instruction that could not run looked at nothing."""
        if self._last is not None:
            address, slot = self._last
            if slot is None:
                del self.accounts[address]
            else:
                del self.accounts[address].slots[slot]
            self._last = None

    def on_end(self, outcome: Outcome) -> None:
        """Encode the requested result while the state is available."""
        for address, account in sorted(self.accounts.items()):
            key = "0x" + address.hex()
            before = self._encode(account)
            if self._diff_mode:
                after = {} if address in self._deleted else self._changes(address, account)
                if not after and address not in self._deleted:
                    continue
                if after:
                    self._after[key] = after
                    before = self._encode(account, self._changed_slots(address, account))
            if self._include_empty or not account.is_empty:
                self._before[key] = before

    def _encode(self, account: Before, slots: Mapping[int, int] | None = None) -> dict[str, Any]:
        encoded: dict[str, Any] = {"balance": hex(account.balance)}
        if account.code and self._with_code:
            encoded["code"] = "0x" + account.code.hex()
        if account.code_hash != EMPTY_KECCAK:
            encoded["codeHash"] = "0x" + account.code_hash.hex()
        if account.nonce:
            encoded["nonce"] = account.nonce
        slots = account.slots if slots is None else slots
        if slots:
            encoded["storage"] = _encode_slots(slots)
        return encoded

    def _changed_slots(self, address: Address, account: Before) -> dict[int, int]:
        """Slots that had a value and have another one now."""
        state = self.state
        return {
            slot: value for slot, value in account.slots.items() if value and state.get_storage(address, slot) != value
        }

    def _changes(self, address: Address, account: Before) -> dict[str, Any]:
        """The changed values; a slot or an account that is empty now is omitted, an empty code is not."""
        state = self.state
        changes: dict[str, Any] = {}
        if state.get_balance(address) != account.balance:
            changes["balance"] = hex(state.get_balance(address))
        if state.get_nonce(address) != account.nonce:
            changes["nonce"] = state.get_nonce(address)
        if state.get_code_hash(address) != account.code_hash:
            changes["codeHash"] = "0x" + state.get_code_hash(address).hex()
            if self._with_code:
                changes["code"] = "0x" + state.get_code(address).hex()
        now = {slot: state.get_storage(address, slot) for slot in account.slots}
        changed = {slot: value for slot, value in now.items() if value != account.slots[slot]}
        if changed:
            changes["storage"] = _encode_slots({slot: value for slot, value in changed.items() if value})
        return changes

    def result(self) -> Json:
        """{address: {balance, code, codeHash, nonce, storage}}, or {pre, post} of it."""
        if not self._diff_mode:
            return self._before
        for changes in self._after.values():
            if not changes.get("storage", True):
                del changes["storage"]
        return {"post": self._after, "pre": self._before}


def _encode_slots(slots: Mapping[int, int]) -> dict[str, str]:
    return {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in sorted(slots.items())}
