"""The answer of the explorer to a request, as it is sent."""

from dataclasses import dataclass

HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response. location: of a redirection. has_form: whether it carries a form that changes the chain."""

    status: int
    body: bytes
    kind: bytes = HTML
    location: str | None = None
    has_form: bool = False
