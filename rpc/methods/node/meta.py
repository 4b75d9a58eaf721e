"""rpc_: the available methods."""

from zevm.rpc.registry import REGISTRY, Cost, method
from zevm.rpc.services import Services


@method("rpc_modules", cost=Cost.LIGHT, result="{namespace: version}")
def modules(services: Services) -> dict[str, str]:  # noqa: ARG001
    """The namespaces that the node serves."""
    return dict.fromkeys(REGISTRY.public().namespaces(), "1.0")
