"""The actions of the development panel: a method of JSON-RPC each, with fields for its parameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zevm.chain.rules.units import ETHER
from zevm.rpc.explorer.names import ADDRESS

_DIGITS = re.compile(r"[0-9]{1,18}")
_SNAPSHOT = re.compile(r"0x[0-9a-fA-F]{1,16}")
_ETHER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,18})?")


class FieldError(ValueError):
    """A field has a text that it does not take; the message quotes it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A text field of a form. parameter: its text as a parameter of the method; raises FieldError."""

    name: str
    label: str
    parameter: Callable[[str], object]
    default: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """A button of the panel."""

    name: str
    title: str
    method: str
    fields: tuple[Field, ...] = ()

    def parameters(self, values: Mapping[str, str]) -> Sequence[object]:
        """The method's parameters out of a form. Raises FieldError."""
        return [field.parameter(values.get(field.name, "").strip()) for field in self.fields]


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


def _ether(text: str) -> str:
    if _ETHER.fullmatch(text) is None:
        raise FieldError(f"{text[:40]!r} is no amount of ether with at most 18 decimals")
    whole, _, fraction = text.partition(".")
    return hex(int(whole) * ETHER + int(fraction.ljust(18, "0")))


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise FieldError(f"{text[:40]!r} is neither on nor off")
    return text == "on"


_ACCOUNT = Field("address", "Address", _address)
ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action("mine", "Mine blocks", "anvil_mine", (Field("blocks", "Blocks", _number, "1"),)),
        Action("automine", "Mine with each transaction", "evm_setAutomine", (Field("on", "on or off", _switch, "on"),)),
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
        Action("impersonate", "Impersonate an account", "anvil_impersonateAccount", (_ACCOUNT,)),
        Action("release", "End an impersonation", "anvil_stopImpersonatingAccount", (_ACCOUNT,)),
    )
}
"""By the names that the forms have."""
