"""The search field: a number, a hash, an address or a name leads to its page."""

import re

from zevm.chain.errors import ChainError
from zevm.chain.types.block_reference import LATEST
from zevm.rpc.errors import RpcError
from zevm.rpc.explorer import traces
from zevm.rpc.explorer.names import ADDRESS, HASH, hash_named
from zevm.rpc.explorer.page import NotFoundError, PageRequest, Redirect
from zevm.rpc.methods.support.names import name_reader, normal_name

LONGEST = 256
"""Characters of a search; no name is longer."""
_NUMBER = re.compile(r"[0-9]{1,18}|0[xX][0-9a-fA-F]{1,15}")
_PAGES = {"latest": "/block/latest", "pending": "/pool", "pool": "/pool", "blocks": "/blocks"}


def find(request: PageRequest) -> Redirect:
    """The page of `?q=`. Raises NotFoundError."""
    asked = request.query.get("q", "").strip()[:LONGEST]
    place = _PAGES.get(asked.lower())
    if place is not None:
        return Redirect(place)
    if ADDRESS.fullmatch(asked):
        return Redirect(f"/address/{asked}")
    if HASH.fullmatch(asked):
        return _of_hash(request, asked)
    if _NUMBER.fullmatch(asked.replace(",", "")):
        digits = asked.replace(",", "")
        return Redirect(f"/block/{int(digits, 16 if digits[:2] in ('0x', '0X') else 10)}")
    return _of_name(request, asked)


def _of_hash(request: PageRequest, text: str) -> Redirect:
    wanted = hash_named(text)
    if traces.find(request.services, wanted) is not None:
        return Redirect(f"/tx/{text}")
    if request.services.chain.header_by_hash(wanted) is not None:
        return Redirect(f"/block/{text}")
    raise NotFoundError(f"No block and no transaction has the hash {text}.")


def _of_name(request: PageRequest, text: str) -> Redirect:
    if not text:
        raise NotFoundError("Nothing was asked for. A block's number, a hash, an address or a name leads to its page.")
    try:
        found = name_reader(request.services, LATEST, request.deadline).resolve(normal_name(text))
    except (ChainError, RpcError):
        found = None
    if found is None or found.target is None:
        raise NotFoundError(
            f"Nothing is called {text}. A block's number, a hash, an address or a name leads to its page."
        )
    return Redirect(f"/address/0x{found.target.hex()}")
