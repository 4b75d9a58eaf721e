"""The features that a node says its chain has now (eth_config, EIP-7910): what a header does not tell of the rules."""

from typing import Any

from zevm.chain.rules.forks import BlobParameters
from zevm.chain.rules.networks import Features
from zevm.node.origin.client import NoAnswerError, OriginClient
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.storage.errors import OriginError

MOST_BLOBS = 1 << 16
"""More blobs in a block are no chain's."""


def features_of(client: OriginClient) -> dict[str, Any] | None:
    """The node's word as JSON, for `read_features`; None where it has none that can be read. Raises NoAnswerError."""
    try:
        answer = client.call("eth_config")
    except NoAnswerError:
        raise
    except OriginError:
        # older nodes do not have the method, and each says so in its own words
        return None
    current = answer.get("current") if isinstance(answer, dict) else None
    return current if read_features(current) is not None else None


def read_features(current: object) -> Features | None:
    """The features in an answer's `current`; None where it is none."""
    if not isinstance(current, dict):
        return None
    blob, precompiles, contracts = (current.get(key) for key in ("blobSchedule", "precompiles", "systemContracts"))
    try:
        since = scalars.number(current.get("activationTime"))
        parameters = None if blob is None else _blob_parameters(scalars.json_object(blob))
        names = frozenset(scalars.json_object(precompiles))
        deposit = scalars.json_object(contracts).get("DEPOSIT_CONTRACT_ADDRESS")
        return Features(since, names, parameters, None if deposit is None else scalars.address(deposit))
    except InvalidParamsError:
        return None


def _blob_parameters(given: dict[str, Any]) -> BlobParameters:
    target, maximum, fraction = (scalars.number(given.get(key)) for key in ("target", "max", "baseFeeUpdateFraction"))
    if not target <= maximum < MOST_BLOBS or not 0 < fraction < 1 << 64:
        raise InvalidParamsError("no blob parameters")
    return BlobParameters(target, maximum, fraction)
