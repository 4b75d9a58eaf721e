"""Colours of the output on a terminal: which lines get them, and when they are off."""

import os
import re
from collections.abc import Callable
from typing import Literal, TextIO

Colour = Literal["auto", "always", "never"]
Paint = Callable[[str], str]

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = 1, 2, 31, 32, 33, 36
"""Parameters of Select Graphic Rendition (ECMA-48, 8.3.117)."""

_STYLES: tuple[tuple[re.Pattern[str], tuple[int, ...]], ...] = (
    (re.compile(r"WARNING"), (_YELLOW, _BOLD)),
    (re.compile(r"RPC request failed:|    Error: "), (_RED,)),
    (re.compile(r"    Hint: "), (_YELLOW,)),
    (re.compile(r"    (?:Transaction|Contract created): "), (_CYAN,)),
    (re.compile(r"    (?:Request|Gas used|Block Number|Block Hash|Block Time): "), (_DIM,)),
    (re.compile(r"[a-z]+[0-9]*_\w+(?: \(\d+\))?\Z|rpc\.discover"), (_GREEN,)),
    (re.compile(r"Listening on |Engine API on "), (_GREEN, _BOLD)),
    (re.compile(r"=+\Z"), (_DIM,)),
    (re.compile(r"(?:Available Accounts|Private Keys|Wallet|Chain ID|Base Fee|Gas Price|Gas Limit"
                r"|Genesis Timestamp|Genesis Number|Chain)\Z"), (_BOLD,)),
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
            return "".join(f"\x1b[{code}m" for code in style) + line + "\x1b[0m"
    return line
