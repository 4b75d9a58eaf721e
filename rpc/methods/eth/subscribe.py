"""eth_subscribe and eth_unsubscribe, for connections that support push."""

from typing import Any

from zevm.rpc.codec import scalars
from zevm.rpc.errors import MethodNotFoundError, ServerError
from zevm.rpc.notifications.subscriptions import Caller
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services


def _pushable(caller: Caller | None) -> Caller:
    if caller is None:
        raise MethodNotFoundError("notifications not supported")
    return caller


@method(
    "eth_subscribe",
    cost=Cost.LIGHT,
    params=(
        Param("kind", scalars.string, summary="newHeads, logs, newPendingTransactions, transactionReceipts or syncing"),
        Param("options", scalars.anything, default=None, summary="a log filter, or whether to send whole transactions"),
    ),
    result="subscription id",
    connection=True,
)
def subscribe(services: Services, caller: Caller | None, kind: str, options: Any) -> str:
    """Open a subscription on this WebSocket or IPC connection."""
    return services.subscriptions.open(_pushable(caller), kind, options)


@method(
    "eth_unsubscribe",
    cost=Cost.LIGHT,
    params=(Param("subscription", scalars.string),),
    result="true",
    connection=True,
)
def unsubscribe(services: Services, caller: Caller | None, subscription: str) -> bool:  # noqa: ARG001
    """End a subscription of this connection."""
    entry = _pushable(caller).connection.subscriptions.get(subscription)
    if entry is None:
        raise ServerError("subscription not found")
    entry.cancel()
    return True
