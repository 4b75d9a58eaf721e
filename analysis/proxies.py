"""Accounts that run another account's code: delegations and minimal proxies."""

from zevm.chain.vm.delegation import delegation_of
from zevm.storage.primitives import Address

_PROXY_HEAD, _PROXY_TAIL = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_PROXY_BYTES = len(_PROXY_HEAD) + 20 + len(_PROXY_TAIL)


def implementation_of(code: bytes) -> Address | None:
    """The account whose code runs instead: of a delegation (EIP-7702) or a minimal proxy (EIP-1167)."""
    if code.startswith(_PROXY_HEAD) and code.endswith(_PROXY_TAIL) and len(code) == _PROXY_BYTES:
        return Address(code[len(_PROXY_HEAD) : -len(_PROXY_TAIL)])
    return delegation_of(code)
