"""engine_: a consensus client drives the chain. Served only on the authenticated port (rpc.transport.engine_port)."""

from collections.abc import Callable
from typing import Any, TypeVar

from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.engine.driver import Engine, Forkchoice
from zevm.chain.engine.errors import InvalidParametersError, TooLargeRequestError, UnsupportedForkError
from zevm.chain.engine.payload import ExecutionPayload, PayloadCall
from zevm.chain.engine.transition import TransitionConfiguration
from zevm.chain.errors import PrunedHistoryError
from zevm.chain.rules.blobs import cell_proofs
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Block
from zevm.rpc.codec import engine, scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.errors import ServerError
from zevm.rpc.registry import REGISTRY, Cost, Param, method
from zevm.rpc.services import Services
from zevm.storage.primitives import Hash32

_Name = TypeVar("_Name", int, Hash32)

EXCHANGE = "engine_exchangeCapabilities"
CLIENT_CODE = "ZE"
COMMIT_UNKNOWN = bytes(4)
"""Placeholder of the build's commit, which an installed package does not know; geth answers the same."""

HASHES = scalars.tuple_of(scalars.hash32)
PAYLOAD = Param("payload", engine.execution_payload)
VERSIONED_HASHES = Param("versionedHashes", HASHES, default=None)
BEACON_ROOT = Param("parentBeaconBlockRoot", scalars.hash32, default=None)
REQUESTS = Param("executionRequests", scalars.tuple_of(scalars.data), default=None)
_NEW_PAYLOAD_PARAMS = {
    1: (PAYLOAD,),
    2: (PAYLOAD,),
    3: (PAYLOAD, VERSIONED_HASHES, BEACON_ROOT),
    4: (PAYLOAD, VERSIONED_HASHES, BEACON_ROOT, REQUESTS),
}
_FORKCHOICE_PARAMS = (
    Param("forkchoiceState", engine.forkchoice_state),
    Param("payloadAttributes", engine.payload_attributes, default=None),
)
_IDENTIFIER = Param("payloadId", engine.payload_identifier, summary="8 bytes")


def engine_of(services: Services) -> Engine:
    """The chain's engine. Raises ServerError unless a consensus client drives the chain."""
    engine = services.engine
    if engine is None:
        raise ServerError("no consensus client drives this chain: start with --authrpc")
    return engine


def _register_new_payload(version: int) -> None:
    def new_payload(
        services: Services,
        payload: ExecutionPayload,
        versioned_hashes: tuple[bytes, ...] | None = None,
        beacon_root: bytes | None = None,
        requests: tuple[bytes, ...] | None = None,
    ) -> Json:
        """Check, execute and store a payload."""
        call = PayloadCall(version, payload, versioned_hashes, beacon_root, requests)
        return engine.encode_status(engine_of(services).new_payload(call))

    name = f"engine_newPayloadV{version}"
    method(name, cost=Cost.WRITE, params=_NEW_PAYLOAD_PARAMS[version], result="payload status")(new_payload)


def _register_forkchoice_updated(version: int) -> None:
    def forkchoice_updated(services: Services, choice: Forkchoice, attributes: PayloadAttributes | None) -> Json:
        """Set the head, safe and finalized block, and start building a payload if attributes are given."""
        result = engine_of(services).forkchoice_updated(version, choice, attributes)
        return engine.encode_forkchoice(result)

    name = f"engine_forkchoiceUpdatedV{version}"
    method(name, cost=Cost.WRITE, params=_FORKCHOICE_PARAMS, result="{payloadStatus, payloadId}")(forkchoice_updated)


def _register_get_payload(version: int) -> None:
    def get_payload(services: Services, identifier: bytes) -> Json:
        """The payload of a build process."""
        return engine.encode_built(engine_of(services).get_payload(version, identifier), version)

    result = "payload" if version == 1 else "payload with its value" + (", blobs, requests" if version > 2 else "")
    method(f"engine_getPayloadV{version}", cost=Cost.WRITE, params=(_IDENTIFIER,), result=result)(get_payload)


for _version in _NEW_PAYLOAD_PARAMS:
    _register_new_payload(_version)
for _version in (1, 2, 3):
    _register_forkchoice_updated(_version)
for _version in (1, 2, 3, 4, 5):
    _register_get_payload(_version)


@method(
    "engine_getPayloadBodiesByHashV1",
    cost=Cost.EXECUTION,
    params=(Param("hashes", HASHES),),
    result="[body or null]",
)
def get_payload_bodies_by_hash(
    services: Services,
    hashes: tuple[Hash32, ...],
    *,
    deadline: Deadline,  # noqa: ARG001
) -> list[Json | None]:
    """Transactions and withdrawals of blocks by hash."""
    _check_count(len(hashes), services.limits.engine_payload_bodies)
    return [_body(services.chain.block_by_hash, block_hash) for block_hash in hashes]


@method(
    "engine_getPayloadBodiesByRangeV1",
    cost=Cost.EXECUTION,
    params=(Param("start", scalars.uint64), Param("count", scalars.uint64)),
    result="[body or null]",
)
def get_payload_bodies_by_range(
    services: Services,
    start: int,
    count: int,
    *,
    deadline: Deadline,  # noqa: ARG001
) -> list[Json | None]:
    """Transactions and withdrawals of the existing canonical blocks from a height on."""
    if start == 0 or count == 0:
        raise InvalidParametersError(f"invalid start or count, start: {start} count: {count}")
    _check_count(count, services.limits.engine_payload_bodies)
    chain = services.chain
    last = min(start + count - 1, chain.head.number)
    return [_body(chain.block_by_number, number) for number in range(start, last + 1)]


def _body(read: Callable[[_Name], Block | None], name: _Name) -> Json | None:
    """The body of a block by its hash or number; None for an unknown or a pruned one."""
    try:
        return engine.encode_body(read(name))
    except PrunedHistoryError:
        return None


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise TooLargeRequestError(f"requested count too large: {count}, at most {limit}")


def _blobs(
    services: Services, hashes: tuple[bytes, ...], encode: Callable[[bytes, bytes, tuple[bytes, ...], int], Json | None]
) -> list[Json | None]:
    """The result of `encode` for (commitment, blob, all proofs, index) of each pending blob; None for others."""
    limit = services.limits.engine_blob_hashes
    if len(hashes) > limit:
        raise TooLargeRequestError(f"requested blob count too large: {len(hashes)}, at most {limit}")
    found = services.chain.pool.sidecars_of(hashes)
    encoded: list[Json | None] = []
    for versioned_hash in hashes:
        if versioned_hash not in found:
            encoded.append(None)
            continue
        sidecar, index = found[versioned_hash]
        proofs = sidecar.proofs
        if sidecar.version == 1:
            size = len(proofs) // len(sidecar.blobs)
            proofs = proofs[index * size : (index + 1) * size]
        encoded.append(encode(sidecar.commitments[index], sidecar.blobs[index], proofs, sidecar.version))
    return encoded


def _fork_now(services: Services) -> Fork:
    head = services.chain.head.header
    return services.chain.schedule.fork_at(head.number, head.timestamp)


_BLOB_HASHES = (Param("versionedHashes", HASHES),)


@method("engine_getBlobsV1", cost=Cost.EXECUTION, params=_BLOB_HASHES, result="[{blob, proof} or null]")
def get_blobs_v1(services: Services, hashes: tuple[bytes, ...], *, deadline: Deadline) -> list[Json | None]:  # noqa: ARG001
    """Pending blobs by versioned hash, each with its proof; before Osaka."""
    if not Fork.CANCUN <= _fork_now(services) < Fork.OSAKA:
        raise UnsupportedForkError("engine_getBlobsV1 is only available at Cancun/Prague fork")

    def encode(_: bytes, blob: bytes, proofs: tuple[bytes, ...], version: int) -> Json | None:
        return None if version else {"blob": hexadecimal(blob), "proof": hexadecimal(proofs[0])}

    return _blobs(services, hashes, encode)


def _with_cell_proofs(commitment: bytes, blob: bytes, proofs: tuple[bytes, ...], version: int) -> Json:
    cells = proofs if version else cell_proofs(commitment, blob)
    return {"blob": hexadecimal(blob), "proofs": [hexadecimal(proof) for proof in cells]}


@method("engine_getBlobsV2", cost=Cost.EXECUTION, params=_BLOB_HASHES, result="[{blob, proofs}] or null")
def get_blobs_v2(
    services: Services,
    hashes: tuple[bytes, ...],
    *,
    deadline: Deadline,
) -> list[Json | None] | None:
    """Pending blobs by versioned hash, each with its cell proofs; null unless all are present. From Osaka on."""
    found = get_blobs_v3(services, hashes, deadline=deadline)
    return None if found is None or None in found else found


@method("engine_getBlobsV3", cost=Cost.EXECUTION, params=_BLOB_HASHES, result="[{blob, proofs} or null] or null")
def get_blobs_v3(
    services: Services,
    hashes: tuple[bytes, ...],
    *,
    deadline: Deadline,  # noqa: ARG001
) -> list[Json | None] | None:
    """Pending blobs by versioned hash, each with its cell proofs, null for absent ones. From Osaka on."""
    if _fork_now(services) < Fork.OSAKA:
        return None
    return _blobs(services, hashes, _with_cell_proofs)


@method(
    "engine_exchangeTransitionConfigurationV1",
    cost=Cost.LIGHT,
    params=(Param("configuration", engine.transition_configuration),),
    result="{terminalTotalDifficulty, terminalBlockHash, terminalBlockNumber}",
)
def exchange_transition_configuration(services: Services, theirs: TransitionConfiguration) -> Json:
    """This node's end of proof of work; consensus clients from before 2024 compare it at every poll."""
    return engine.encode_transition(engine_of(services).transition.compare(theirs))


@method(
    EXCHANGE,
    cost=Cost.LIGHT,
    params=(Param("methods", scalars.array_of(scalars.string), summary="the consensus client's"),),
    result="[method]",
)
def exchange_capabilities(services: Services, methods: list[str]) -> list[str]:  # noqa: ARG001
    """The supported methods of the Engine API."""
    return sorted(name for name in REGISTRY.within({"engine"}).by_name if name != EXCHANGE)


@method(
    "engine_getClientVersionV1",
    cost=Cost.LIGHT,
    params=(Param("client", scalars.json_object, summary="{code, name, version, commit} of the consensus client"),),
    result="[{code, name, version, commit}]",
)
def get_client_version(services: Services, client: dict[str, Any]) -> list[Json]:  # noqa: ARG001
    """This node's name and version."""
    name, _, rest = services.client_version.partition("/")
    version = rest.partition("/")[0]
    return [{"code": CLIENT_CODE, "name": name, "version": version, "commit": hexadecimal(COMMIT_UNKNOWN)}]
