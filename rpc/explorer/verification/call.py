"""A request for the verifier, and its answer, before they are HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from zevm.analysis.verification.verifier import Verifier
from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

FIELDS_LIMIT: Final = 64
"""Parameters of a request of Etherscan's; forge sends ten, old tools with libraries up to forty."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request. path: without the query. query: as it came. body: b"" of GET."""

    services: Services
    verifier: Verifier
    deadline: Deadline
    method: str
    path: str
    query: bytes
    body: bytes

    def parameters(self) -> Mapping[str, str]:
        """Those of the query and of a form in the body. Raises ValueError for more than FIELDS_LIMIT."""
        texts = (self.query.decode("latin-1"), self.body.decode(errors="replace"))
        pairs = [
            parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=FIELDS_LIMIT) for text in texts
        ]
        return dict(pairs[0]) | dict(pairs[1])


@dataclass(frozen=True, slots=True)
class Reply:
    """A status of HTTP, and JSON values. pending: the name of the submission whose outcome is asked for too early."""

    status: int
    value: Any
    pending: str = ""


def address_of(text: str) -> Address | None:
    """An address in hex; None for anything else."""
    digits = text.removeprefix("0x")
    if len(digits) != 40 or not digits.isascii():
        return None
    try:
        return Address(bytes.fromhex(digits))
    except ValueError:
        return None
