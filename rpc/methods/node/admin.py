"""admin_: geth's information about a node and its peers. This node has no peers: these parts are empty."""

from typing import Any

from zevm.rpc.codec.results import hexadecimal
from zevm.rpc.registry import Cost, method
from zevm.rpc.services import Services


@method("admin_nodeInfo", cost=Cost.LIGHT, result="{id, name, ip, ports, listenAddr, protocols, ...}")
def node_info(services: Services) -> dict[str, Any]:
    """The node's name and chain, in geth's form; the peer-to-peer fields are empty."""
    chain = services.chain
    genesis = chain.header_by_number(chain.genesis.number)
    assert genesis is not None
    return {
        "id": services.instance_id.hex(),
        "name": services.client_version,
        "enode": "",
        "enr": "",
        "ip": "",
        "ports": {"discovery": 0, "listener": 0},
        "listenAddr": "",
        "protocols": {
            "eth": {
                "network": chain.chain_id,
                "genesis": hexadecimal(genesis.hash),
                "config": chain.schedule.to_config(),
                "head": hexadecimal(chain.head.header.hash),
            }
        },
    }


@method("admin_peers", cost=Cost.LIGHT, result="[]")
def peers(services: Services) -> list[Any]:  # noqa: ARG001
    """The connected peers: always none."""
    return []
