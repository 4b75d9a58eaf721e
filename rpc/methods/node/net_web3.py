"""net_, web3_, and the methods of eth_ about the node rather than the chain."""

from zevm.rpc.codec import scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.registry import Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.keccak import keccak256

HASH = scalars.hash32
PROOF_OF_WORK = "there is no proof of work on this chain; blocks are made at once, at an interval, or by evm_mine"


@method("eth_chainId", cost=Cost.LIGHT, any_thread=True, result="quantity")
def chain_id(services: Services) -> str:
    """The chain's id (EIP-155)."""
    return hex(services.chain.chain_id)


@method("net_version", cost=Cost.LIGHT, any_thread=True, result="decimal string", aliases=("eth_networkId",))
def net_version(services: Services) -> str:
    """The chain's id as a decimal string."""
    return str(services.chain.chain_id)


@method("net_listening", cost=Cost.LIGHT, result="boolean")
def net_listening(services: Services) -> bool:  # noqa: ARG001
    """Whether the node accepts connections."""
    return True


@method("net_peerCount", cost=Cost.LIGHT, result="quantity")
def net_peer_count(services: Services) -> str:
    """The number of peers: 1 for a node connected to the leader that it follows, else 0."""
    return hex(services.leader is not None and services.leader.report().connected)


@method("web3_clientVersion", cost=Cost.LIGHT, any_thread=True, result="string")
def client_version(services: Services) -> str:
    """The node's name and version, prefixed with `anvil/` unless a consensus client drives the node."""
    return services.announced_version or services.client_version


@method("web3_sha3", cost=Cost.LIGHT, any_thread=True, params=(Param("data", scalars.data),), result="32-byte hash")
def sha3(services: Services, data: bytes) -> str:  # noqa: ARG001
    """Keccak-256 of the data."""
    return hexadecimal(keccak256(data))


@method("eth_protocolVersion", cost=Cost.LIGHT, result="quantity")
def protocol_version(services: Services) -> str:  # noqa: ARG001
    """The version of the Ethereum wire protocol that clients expect."""
    return "0x44"


@method("eth_syncing", cost=Cost.LIGHT, result="false, or {startingBlock, currentBlock, highestBlock}")
def syncing(services: Services) -> Json | bool:
    """How far a node that follows another is behind its leader; false if it is not, or follows none.

    A follower that refuses its leader's chain is syncing as well, whatever the heights: it does not go on.
    """
    report = None if services.leader is None else services.leader.report()
    current = services.chain.head.number
    if report is None:
        return False
    highest = max(current, report.head or 0)
    if highest == current and report.refusal is None:
        return False
    return {
        "startingBlock": hex(report.started_at),
        "currentBlock": hex(current),
        "highestBlock": hex(highest),
    }


@method("eth_coinbase", cost=Cost.LIGHT, result="address")
def coinbase(services: Services) -> str:
    """The fee recipient of coming blocks."""
    return hexadecimal(services.chain.settings.coinbase)


@method("eth_mining", cost=Cost.LIGHT, result="boolean")
def mining(services: Services) -> bool:
    """Whether the node mines by itself."""
    return services.chain.mining.automine or services.chain.mining.interval_ms > 0


@method("eth_hashrate", cost=Cost.LIGHT, result="quantity")
def hashrate(services: Services) -> str:  # noqa: ARG001
    """Hashes per second: always 0, since there is no proof of work."""
    return "0x0"


@method("eth_getWork", cost=Cost.LIGHT, result="error")
def get_work(services: Services) -> None:  # noqa: ARG001
    """Refused: there is no proof of work."""
    raise ServerError(PROOF_OF_WORK)


@method(
    "eth_submitWork",
    cost=Cost.LIGHT,
    params=(Param("nonce", scalars.fixed_data(8, "types.BlockNonce")), Param("hash", HASH), Param("digest", HASH)),
    result="false",
)
def submit_work(services: Services, nonce: bytes, work_hash: bytes, digest: bytes) -> bool:  # noqa: ARG001
    """Always false: there is no proof of work."""
    return False


@method(
    "eth_submitHashrate",
    cost=Cost.LIGHT,
    params=(Param("hashrate", scalars.data), Param("id", HASH)),
    result="false",
)
def submit_hashrate(services: Services, rate: bytes, identifier: bytes) -> bool:  # noqa: ARG001
    """Always false: there is no proof of work."""
    return False
