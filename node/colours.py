"""Colours of the output on a terminal: which lines get them, and when they are off."""

import os
import re
from collections.abc import Callable
from typing import Literal, TextIO

import typer

Colour = Literal["auto", "always", "never"]
Paint = Callable[[str], str]

_STYLES: tuple[tuple[re.Pattern[str], dict[str, object]], ...] = (
    (re.compile(r"WARNING"), {"fg": "yellow", "bold": True}),
    (re.compile(r"RPC request failed:|    Error: "), {"fg": "red"}),
    (re.compile(r"    Hint: "), {"fg": "yellow"}),
    (re.compile(r"    (?:Transaction|Contract created): "), {"fg": "cyan"}),
    (re.compile(r"    (?:Request|Gas used|Block Number|Block Hash|Block Time): "), {"dim": True}),
    (re.compile(r"[a-z]+[0-9]*_\w+(?: \(\d+\))?\Z|rpc\.discover"), {"fg": "green"}),
    (re.compile(r"Listening on |Engine API on "), {"fg": "green", "bold": True}),
    (re.compile(r"=+\Z"), {"dim": True}),
    (re.compile(r"(?:Available Accounts|Private Keys|Wallet|Chain ID|Base Fee|Gas Price|Gas Limit"
                r"|Genesis Timestamp|Genesis Number|Chain)\Z"), {"bold": True}),
)  # fmt: skip
"""Prefixes of lines and their styles; other lines stay plain."""


def painter(stream: TextIO, colour: Colour) -> Paint:
    """A function that colours text line by line for a stream: only on a terminal, unless `colour` says otherwise.

    NO_COLOR and TERM=dumb turn colours off (no-color.org); they do not overrule "always".
    """
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if colour == "never" or (colour == "auto" and not wanted):
        return str
    return lambda text: "\n".join(map(_painted, text.split("\n")))


def _painted(line: str) -> str:
    for pattern, style in _STYLES:
        if pattern.match(line):
            return typer.style(line, **style)  # type: ignore[arg-type]
    return line
