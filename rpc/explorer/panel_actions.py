"""The actions of the development panel: a method of JSON-RPC each, with fields for its parameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zevm.chain.rules.units import ETHER
from zevm.rpc.explorer.names import ADDRESS

_DIGITS = re.compile(r"[0-9]{1,18}")
_SNAPSHOT = re.compile(r"0x[0-9a-fA-F]{1,16}")
_ETHER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,18})?")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")
CALL_DATA_BYTES = 8_192
"""Size of the call data that a form sends."""


class FieldError(ValueError):
    """A field has a text that it does not take; the message quotes it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A text field of a form. parameter: its text as a parameter of the method; raises FieldError.

    is_needed: whether it must have a text.
    """

    name: str
    label: str
    parameter: Callable[[str], object]
    default: str = ""
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the panel. is_object: whether the method takes its parameters as members of one object."""

    name: str
    title: str
    method: str
    fields: tuple[Field, ...] = ()
    is_object: bool = False

    def parameters(self, values: Mapping[str, str]) -> Sequence[object]:
        """The method's parameters out of a form. Raises FieldError."""
        texts = {field: values.get(field.name, "").strip() for field in self.fields}
        found = {field.name: field.parameter(text) for field, text in texts.items() if text or field.is_needed}
        return [found] if self.is_object else list(found.values())


def _number(text: str) -> str:
    if _DIGITS.fullmatch(text) is None:
        raise FieldError(f"{text[:40]!r} is no whole number of at most 18 digits")
    return hex(int(text))


def _snapshot(text: str) -> str:
    if _SNAPSHOT.fullmatch(text) is None:
        raise FieldError(f"{text[:40]!r} is no snapshot: it has 0x and hexadecimal digits, such as 0x1")
    return text


def _address(text: str) -> str:
    if ADDRESS.fullmatch(text) is None:
        raise FieldError(f"{text[:60]!r} is no address: it has 0x and 40 hexadecimal digits")
    return text


def wei_of(text: str) -> int:
    """The wei of an amount of ether in decimals. Raises FieldError."""
    if _ETHER.fullmatch(text) is None:
        raise FieldError(f"{text[:40]!r} is no amount of ether with at most 18 decimals")
    whole, _, fraction = text.partition(".")
    return int(whole) * ETHER + int(fraction.ljust(18, "0"))


def _ether(text: str) -> str:
    return hex(wei_of(text))


def _data(text: str) -> str:
    if _DATA.fullmatch(text) is None or len(text) > 2 + 2 * CALL_DATA_BYTES:
        raise FieldError(
            f"{text[:40]!r} is no data: they have 0x, two digits a byte and {CALL_DATA_BYTES:,} bytes at most"
        )
    return text


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise FieldError(f"{text[:40]!r} is neither on nor off")
    return text == "on"


_ACCOUNT = Field("address", "Address", _address)
ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action("mine", "Mine blocks", "anvil_mine", (Field("blocks", "Blocks", _number, "1"),)),
        Action(
            "automine", "Set mining on each transaction", "evm_setAutomine", (Field("on", "on or off", _switch, "on"),)
        ),
        Action("clock", "Move the clock forward", "evm_increaseTime", (Field("seconds", "Seconds", _number, "3600"),)),
        Action(
            "timestamp",
            "Set the time of the next block",
            "evm_setNextBlockTimestamp",
            (Field("timestamp", "Seconds since 1970", _number),),
        ),
        Action("snapshot", "Take a snapshot", "evm_snapshot"),
        Action("revert", "Return to a snapshot", "evm_revert", (Field("snapshot", "Snapshot", _snapshot),)),
        Action("balance", "Set a balance", "anvil_setBalance", (_ACCOUNT, Field("ether", "ETH", _ether, "100"))),
        Action(
            "send",
            "Send a transaction",
            "eth_sendTransaction",
            (
                Field("from", "From, an account of the node or an impersonated one", _address),
                Field("to", "To; nothing for a creation", _address, is_needed=False),
                Field("value", "ETH", _ether, "0"),
                Field("data", "Data", _data, "0x"),
            ),
            is_object=True,
        ),
        Action("impersonate", "Impersonate an account", "anvil_impersonateAccount", (_ACCOUNT,)),
        Action("release", "End an impersonation", "anvil_stopImpersonatingAccount", (_ACCOUNT,)),
    )
}
"""By the names that the forms have."""
