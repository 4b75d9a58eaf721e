"""The page of a verified contract's sources."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from zevm.analysis.verification.comparison import Match
from zevm.analysis.verification.store import VerifiedContract
from zevm.rpc.explorer import formats
from zevm.rpc.explorer.account_page import about
from zevm.rpc.explorer.names import address_named
from zevm.rpc.explorer.page import NotFoundError, Page, PageRequest
from zevm.rpc.methods.support.reading import account_of, code_of
from zevm.rpc.services import Services
from zevm.storage.primitives import Address

MATCHES: Final = {Match.EXACT: "exact match", Match.PARTIAL: "match without metadata"}


@dataclass(frozen=True, slots=True)
class FileLink:
    """A file of the sources. query: of the link to it."""

    name: str
    query: str
    is_shown: bool


def verified_at(services: Services, address: Address) -> VerifiedContract | None:
    """The verified source of an account's code."""
    if services.verifier is None:
        return None
    return services.verifier.verified(account_of(services.chain.head.state, address).code_hash)


def source(request: PageRequest) -> Page:
    """The sources, a file at a time: ?file=NAME; by default that of the contract."""
    address = address_named(request.arguments[0])
    found, state = verified_at(request.services, address), request.services.chain.head.state
    values = about(request, address, "source") | {
        "has_verifier": request.services.verifier is not None,
        "has_code": bool(code_of(state, address)),
        "origin": request.origin,
        "chain_id": request.services.chain.chain_id,
        "verified": None if found is None else _described(request, found),
    }
    return Page("source.html", f"Sources of {formats.short(formats.address(address))}", values)


def _described(request: PageRequest, found: VerifiedContract) -> dict[str, Any]:
    text, sources = request.text(), found.sources
    chosen = request.query.get("file", found.file)
    if chosen not in sources:
        raise NotFoundError(f"The contract has no source {chosen[:80]}.")
    names = [chosen, *(name for name in sorted(sources) if name != chosen)]
    settings = found.source_input["settings"]
    optimizer = settings.get("optimizer") or {}
    return {
        "name": text.of(found.name),
        "match": MATCHES[found.match],
        "compiler": f"solc {found.version}",
        "optimizer": f"{optimizer.get('runs', 200)} runs" if optimizer.get("enabled") else "off",
        "evm": text.of(str(settings.get("evmVersion", "the compiler's default"))),
        "arguments": text.data(found.arguments) if found.arguments else None,
        "seconds": found.seconds,
        "files": [FileLink(text.of(name), quote(name, safe=""), name == chosen) for name in names[: request.rows]],
        "left_out": max(0, len(names) - request.rows),
        "file": text.of(chosen),
        "lines": text.lines(sources[chosen]),
    }
