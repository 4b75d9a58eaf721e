"""rpc.discover: the OpenRPC document."""

from typing import Any

from zevm.rpc.methods.support.openrpc import openrpc_document
from zevm.rpc.registry import REGISTRY, Cost, method
from zevm.rpc.services import Services


@method("rpc.discover", cost=Cost.LIGHT, result="OpenRPC document", aliases=("rpc_discover",))
def discover(services: Services) -> dict[str, Any]:
    """The OpenRPC description of every public method."""
    return openrpc_document(REGISTRY.public(), services.client_version)
