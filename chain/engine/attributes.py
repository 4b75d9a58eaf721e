"""Whether payload attributes fit their version and fork, and the name of the build that they ask for."""

from hashlib import sha256

from zevm.chain.calls.payload import PayloadAttributes
from zevm.chain.engine.errors import InvalidAttributesError, InvalidParametersError, UnsupportedForkError
from zevm.chain.rules.forks import Fork
from zevm.chain.types import Header
from zevm.storage import rlp
from zevm.storage.primitives import Hash32

PAYLOAD_ID_BYTES = 8


def check_attributes(version: int, attributes: PayloadAttributes, parent: Header, fork: Fork) -> None:
    """Whether attributes fit the version of engine_forkchoiceUpdated, the fork at their time, and the head.

    Raises InvalidParametersError, InvalidAttributesError, UnsupportedForkError with geth's texts.
    """
    _CHECKS[version](attributes, fork)
    if attributes.timestamp <= parent.timestamp:
        raise InvalidAttributesError(f"invalid timestamp, parent {parent.timestamp} given {attributes.timestamp}")


def _check_v1(attributes: PayloadAttributes, fork: Fork) -> None:
    if attributes.withdrawals is not None or attributes.parent_beacon_block_root is not None:
        raise InvalidParametersError("withdrawals and beacon root not supported in V1")
    if fork > Fork.SHANGHAI:
        raise InvalidParametersError("fcuV1 called post-shanghai")


def _check_v2(attributes: PayloadAttributes, fork: Fork) -> None:
    if attributes.parent_beacon_block_root is not None:
        raise InvalidAttributesError("unexpected beacon root")
    if fork > Fork.SHANGHAI:
        raise UnsupportedForkError("fcuV2 must only be called with paris or shanghai payloads")
    if fork < Fork.SHANGHAI and attributes.withdrawals is not None:
        raise InvalidAttributesError("withdrawals before shanghai")
    if fork is Fork.SHANGHAI and attributes.withdrawals is None:
        raise InvalidAttributesError("missing withdrawals")


def _check_v3(attributes: PayloadAttributes, fork: Fork) -> None:
    if attributes.withdrawals is None:
        raise InvalidAttributesError("missing withdrawals")
    if attributes.parent_beacon_block_root is None:
        raise InvalidAttributesError("missing beacon root")
    if fork < Fork.CANCUN:
        raise UnsupportedForkError("fcuV3 must only be called for cancun/prague/osaka payloads")


_CHECKS = {1: _check_v1, 2: _check_v2, 3: _check_v3}


def payload_id(version: int, parent_hash: Hash32, attributes: PayloadAttributes) -> bytes:
    """The build process's 8-byte name: geth's, the version and seven bytes of a hash over the request."""
    withdrawals = [withdrawal.to_item() for withdrawal in attributes.withdrawals or ()]
    parts = (
        parent_hash,
        attributes.timestamp.to_bytes(8, "big"),
        attributes.prev_randao,
        attributes.fee_recipient,
        rlp.encode([*withdrawals]),
        attributes.parent_beacon_block_root or b"",
    )
    return bytes((version,)) + sha256(b"".join(parts)).digest()[1:PAYLOAD_ID_BYTES]
