"""The answers of the explorer before they are HTML, and what making one needs."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zevm.analysis.printable import printable
from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.limits import Limits
from zevm.rpc.services import Services

CUT = "…"
LINE_BYTES = 32
"""Of HTML around each line of a text that is shown by lines."""


@dataclass(frozen=True, slots=True)
class Page:
    """A template's name and values. title: of the browser's tab."""

    template: str
    title: str
    values: dict[str, Any]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another page of the explorer; `location` is a path."""

    location: str


class NotFoundError(Exception):
    """The chain has nothing of this name; the message says what was looked for."""


class PageText:
    """Text of strangers on one page: names, reasons, logs, data. Each is cut, and all together are.

    A page stays small whatever a contract returns: bytes count as they are in HTML, where `"` has six.
    """

    def __init__(self, limits: Limits) -> None:
        self._value_bytes = limits.explorer_value_bytes
        self._left = limits.explorer_page_bytes

    def of(self, text: str) -> str:
        """The text without control characters, cut to the remaining size."""
        content = text[: self._value_bytes + 1].encode(errors="surrogatepass")
        if len(content) > self._value_bytes:
            # nothing stays of a character that the end cuts
            text = content[: self._value_bytes].decode(errors="ignore") + CUT
        return self._share(printable(text))

    def lines(self, text: str) -> list[str]:
        """The lines of a text, with spaces for tabs, as far as they fit the rest of the page; then CUT."""
        kept: list[str] = []
        for line in text[: self._left].expandtabs(4).splitlines():
            shown = printable(line)
            self._left -= len(html.escape(shown).encode()) + LINE_BYTES
            if self._left < 0:
                self._left = 0
                return [*kept, CUT]
            kept.append(shown)
        return kept

    def data(self, value: bytes) -> str:
        """Bytes as hex."""
        most = self._value_bytes // 2
        return self._share(f"0x{value[:most].hex()}{CUT if len(value) > most else ''}")

    def _share(self, shown: str) -> str:
        size = len(html.escape(shown).encode())
        if size > self._left:
            return CUT
        self._left -= size
        return shown


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The input of a page. arguments: the parts of the path. query: the first value of each parameter.

    origin: scheme and host as the browser has them. panel_token: of the panel's forms, None where it is not seen.
    """

    services: Services
    deadline: Deadline
    arguments: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    panel_token: str | None = None

    @property
    def rows(self) -> int:
        """Rows of a list on one page."""
        return max(1, self.services.limits.explorer_rows)

    def text(self) -> PageText:
        """A page's share of text; take one for each page."""
        return PageText(self.services.limits)

    def number(self, name: str, default: int = 0) -> int:
        """A parameter of the query that is a decimal number of at most 18 digits; anything else is `default`."""
        text = self.query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else default
