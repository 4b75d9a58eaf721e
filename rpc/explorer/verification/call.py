"""A request for the verifier, and its answer, before they are HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson

from zevm.analysis.verification.verifier import Verifier
from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.codec.parsing import check_shape
from zevm.rpc.errors import RpcError
from zevm.rpc.limits import Limits
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

FIELDS_LIMIT: Final = 64
"""Parameters of a request of Etherscan's; forge sends ten, old tools with libraries up to forty."""
_SLICE_BYTES: Final = 65_536


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
        found: dict[str, str] = {}
        for data in (self.query, self.body):
            if data.count(b"&") >= FIELDS_LIMIT:
                raise ValueError("Max number of fields exceeded")
            fields = (field.partition(b"=") for field in data.split(b"&") if field)
            found |= {_unquoted(name): _unquoted(value) for name, _, value in fields}
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """A status of HTTP, and JSON values. pending: the name of the submission whose outcome is asked for too early."""

    status: int
    value: Any
    pending: str = ""


def _unquoted(data: bytes) -> str:
    """The text of a form's name or value: in slices, since the library takes a hundred times the memory of each."""
    data = data.replace(b"+", b" ")
    parts, start = [], 0
    while start < len(data):
        end = start + _SLICE_BYTES
        if end < len(data) and (escape := data.rfind(b"%", end - 2, end)) >= 0:
            end = escape
        parts.append(unquote_to_bytes(data[start:end]))
        start = end
    return b"".join(parts).decode(errors="replace")


def document_of(data: bytes, limits: Limits) -> Any:
    """The JSON of a text of a client's. Raises ValueError, also for more than a call's body may have of values."""
    try:
        check_shape(data, limits)
    except RpcError as error:
        raise ValueError(str(error)) from None
    return orjson.loads(data)


def address_of(text: str) -> Address | None:
    """An address in hex; None for anything else."""
    digits = text.removeprefix("0x")
    if len(digits) != 40 or not digits.isascii():
        return None
    try:
        return Address(bytes.fromhex(digits))
    except ValueError:
        return None
