"""The methods of a node that follows another: its own reads, the leader's answers to transactions, and refusals."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from enum import Enum
from typing import Any

from zevm.chain.errors import FollowedChainError
from zevm.rpc.registry import (
    AUTHENTICATED_NAMESPACES,
    REGISTRY,
    Cost,
    Method,
    Registry,
    decode_arguments,
    namespace_of,
)
from zevm.rpc.services import LeaderLink, Services


class Fate(Enum):
    """The treatment of a method's calls by a follower."""

    SERVED = "answered from the follower's own chain"
    FORWARDED = "answered by the leader"
    FORWARDED_IF_PENDING = "answered by the leader for the block `pending`, else from the follower's own chain"
    REFUSED = "refused, since the leader alone changes the chain"


_FATES = {
    "anvil_dumpState": Fate.SERVED,
    "anvil_setLoggingEnabled": Fate.SERVED,
    "debug_setHead": Fate.REFUSED,
    "eth_getTransactionCount": Fate.FORWARDED_IF_PENDING,
    "eth_pendingTransactions": Fate.FORWARDED,
    "eth_sendRawTransactionSync": Fate.FORWARDED,
    "eth_sendTransactionSync": Fate.FORWARDED,
    "eth_sendUnsignedTransaction": Fate.REFUSED,
    "txpool_content": Fate.FORWARDED,
    "txpool_contentFrom": Fate.FORWARDED,
    "txpool_inspect": Fate.FORWARDED,
    "txpool_status": Fate.FORWARDED,
    "zns_register": Fate.FORWARDED,
    "zvm_deployZigContract": Fate.FORWARDED,
}
_SELF_SIGNED = frozenset({"eth_sendRawTransaction", "eth_sendRawTransactionConditional", "eth_sendRawTransactionSync"})
"""Methods whose parameters carry the signature of the account that pays."""

_DEVELOPMENT_NAMESPACES = frozenset({"anvil", "hardhat", "evm", "testing"})


def fate_of(row: Method) -> Fate:
    """The treatment of a method by a follower: by the table, else by what the method changes."""
    if row.name in _FATES:
        return _FATES[row.name]
    if row.cost is not Cost.WRITE:
        return Fate.SERVED
    return Fate.REFUSED if row.namespace in _DEVELOPMENT_NAMESPACES else Fate.FORWARDED


def may_be_forwarded(name: str, *, needs_signature: bool = False) -> bool:
    """Whether a leader takes calls of a method from its followers.

    needs_signature: none that spend from the leader's own accounts, since a follower signs no calls.
    """
    row = REGISTRY.by_name.get(name)
    if row is None or namespace_of(name) in AUTHENTICATED_NAMESPACES:
        return False
    fate = fate_of(row)
    if needs_signature and fate is Fate.FORWARDED:
        return row.name in _SELF_SIGNED or row.cost is Cost.LIGHT
    return fate in (Fate.FORWARDED, Fate.FORWARDED_IF_PENDING)


def registry_of_follower(registry: Registry) -> Registry:
    """The same methods as a follower has them."""
    rows = {id(row): _as_follower(row) for row in registry.by_name.values()}
    part = Registry()
    part.by_name = {name: rows[id(row)] for name, row in registry.by_name.items()}
    return part


def _as_follower(row: Method) -> Method:
    fate = fate_of(row)
    if fate is Fate.SERVED:
        return row
    # parameters as they are in the request: whoever answers the call decodes them
    params = tuple(replace(param, decode=_as_it_is, default=None) for param in row.params)
    function = _FUNCTIONS[fate](row)
    return replace(row, function=function, cost=Cost.ASYNC, params=params, connection=False, any_thread=False)


_Function = Callable[..., Coroutine[Any, Any, Any]]


def _forwarding(row: Method) -> _Function:
    async def forward(services: Services, *params: Any) -> Any:
        return await _leader(services).call(row.name, _trimmed(params))

    return forward


def _forwarding_if_pending(row: Method) -> _Function:
    forward = _forwarding(row)

    async def answer(services: Services, *params: Any) -> Any:
        if "pending" in params:
            return await forward(services, *params)
        return row.function(services, *decode_arguments(row, _trimmed(params)))

    return answer


def _refusing(_: Method) -> _Function:
    async def refuse(services: Services, *_: Any) -> Any:
        raise FollowedChainError(_leader(services).address)

    return refuse


_FUNCTIONS = {
    Fate.FORWARDED: _forwarding,
    Fate.FORWARDED_IF_PENDING: _forwarding_if_pending,
    Fate.REFUSED: _refusing,
}


def _leader(services: Services) -> LeaderLink:
    assert services.leader is not None
    return services.leader


def _as_it_is(value: Any) -> Any:
    return value


def _trimmed(params: tuple[Any, ...]) -> list[Any]:
    """The parameters of the request, without those that were left out at the end."""
    given = list(params)
    while given and given[-1] is None:
        given.pop()
    return given
