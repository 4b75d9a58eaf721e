"""The instructions that instrumentation adds to a module."""

from typing import NamedTuple

from chain.zvm.binary import signed, unsigned
from chain.zvm.schedule import INK_PER_GAS, Schedule


class Places(NamedTuple):
    """Indices in the instrumented module."""

    ink: int
    stack: int
    fault: int
    out_of_ink: int
    out_of_stack: int
    pay_for_growth: int | None


class Writer:
    """The instructions that instrumentation adds, for one module under one schedule."""

    def __init__(self, places: Places, schedule: Schedule) -> None:
        self._get_ink, self._set_ink = b"\x23" + unsigned(places.ink), b"\x24" + unsigned(places.ink)
        self._get_stack, self._set_stack = b"\x23" + unsigned(places.stack), b"\x24" + unsigned(places.stack)
        self._no_ink = b"\x04\x40\x10" + unsigned(places.out_of_ink) + b"\x00\x0b"
        self._no_stack = b"\x04\x40\x10" + unsigned(places.out_of_stack) + b"\x00\x0b"
        self._pay = places.pay_for_growth
        self._bulk_byte = schedule.bulk_byte
        self._page_ink = schedule.pages.page_gas * INK_PER_GAS
        self._charges: dict[int, bytes] = {}

    def charge(self, ink: int) -> bytes:
        """Check and debit a constant price."""
        code = self._charges.get(ink)
        if code is None:
            code = self._charges[ink] = self._debit(b"\x42" + signed(ink))
        return code

    def _debit(self, price: bytes) -> bytes:
        check = self._get_ink + price + b"\x54" + self._no_ink
        return check + self._get_ink + price + b"\x7d" + self._set_ink

    def _debit_each(self, scratch: bytes, ink: int) -> bytes:
        units = b"\x20" + scratch + b"\xad\x42" + signed(ink) + b"\x7e"
        return b"\x21" + scratch + self._debit(units) + b"\x20" + scratch

    def bulk(self, scratch: int) -> bytes:
        """Charge for the length on top of the stack."""
        return self._debit_each(unsigned(scratch), self._bulk_byte)

    def growth(self, scratch: int) -> bytes:
        """Pay for the pages on top of the stack: by the host function, or linearly where none is imported."""
        local = unsigned(scratch)
        if self._pay is None:
            return self._debit_each(local, self._page_ink)
        return b"\x22" + local + b"\x10" + unsigned(self._pay) + b"\x20" + local

    def enter(self, words: int) -> bytes:
        """Check and debit a frame's stack words."""
        amount = b"\x41" + signed(words)
        check = self._get_stack + amount + b"\x4d" + self._no_stack
        return check + self._get_stack + amount + b"\x6b" + self._set_stack

    def leave(self, words: int) -> bytes:
        """Give a frame's stack words back."""
        return self._get_stack + b"\x41" + signed(words) + b"\x6a" + self._set_stack


def fault(places: Places, code: int, *, clear_ink: bool) -> bytes:
    """Body of a function that records why execution ends, and traps."""
    clear = b"\x42\x00\x24" + unsigned(places.ink) if clear_ink else b""
    return b"\x00" + clear + b"\x41" + signed(code) + b"\x24" + unsigned(places.fault) + b"\x00\x0b"
