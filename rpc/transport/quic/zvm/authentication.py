"""Signed requests of zvm/1: the caller's key signs the request for this server alone, once, for a short time.

The second frame of a stream: nonce (32 bytes) | expiry u64 (seconds since 1970) | signature r || s || v (65 bytes).
What is signed is EIP-712 data of the type Request under the domain {name "zvm", version "1", chainId}: the SHA-256 of
the server's public key, so that no server can pass the request on to another, the Keccak-256 of the request's bytes,
nonce and expiry. The recovered address must be the request's caller_address.
"""

import heapq
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from coincurve import PrivateKey

from zevm.chain.types.signatures import InvalidSignatureError, recover_address
from zevm.rpc.memory.sources import source_of
from zevm.rpc.transport.quic.zvm.nonces import KeptNonces, NoncesError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

LOGGER = logging.getLogger("zevm.rpc")
NONCE_BYTES, EXPIRY_BYTES, SIGNATURE_BYTES = 32, 8, 65
AUTHENTICATION_BYTES = NONCE_BYTES + EXPIRY_BYTES + SIGNATURE_BYTES

_EARLIER = ""
"""The source of the nonces that an earlier process has taken."""
_DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId)")
_REQUEST_TYPE = keccak256(b"Request(bytes32 server,bytes32 request,bytes32 nonce,uint64 expiry)")
_NAME_AND_VERSION = keccak256(b"zvm") + keccak256(b"1")


class AuthenticationError(Exception):
    """Why a signed request is refused."""


class NoncesFullError(Exception):
    """As many nonces are kept as may be, of all or of the request's source; it may be sent again later."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """nonce: 32 bytes, unique for the signer until expiry (seconds since 1970). signature: 65 bytes."""

    nonce: bytes
    expiry: int
    signature: bytes

    def encode(self) -> bytes:
        """The frame's content."""
        return self.nonce + self.expiry.to_bytes(EXPIRY_BYTES, "big") + self.signature

    @classmethod
    def decode(cls, data: bytes) -> "Authentication":
        """The inverse. Raises ValueError for another length."""
        if len(data) != AUTHENTICATION_BYTES:
            raise ValueError(f"an authentication has {AUTHENTICATION_BYTES} bytes, not {len(data)}")
        end = NONCE_BYTES + EXPIRY_BYTES
        return cls(data[:NONCE_BYTES], int.from_bytes(data[NONCE_BYTES:end], "big"), data[end:])


def signing_hash(chain_id: int, *, server_key_hash: bytes, request: bytes, nonce: bytes, expiry: int) -> bytes:
    """The hash that is signed (EIP-712)."""
    domain = keccak256(_DOMAIN_TYPE + _NAME_AND_VERSION + chain_id.to_bytes(32, "big"))
    content = keccak256(_REQUEST_TYPE + server_key_hash + keccak256(request) + nonce + expiry.to_bytes(32, "big"))
    return keccak256(b"\x19\x01" + domain + content)


def sign(key: PrivateKey, chain_id: int, server_key_hash: bytes, request: bytes, *, expiry: int) -> Authentication:
    """Sign a request's bytes with a new nonce."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    digest = signing_hash(chain_id, server_key_hash=server_key_hash, request=request, nonce=nonce, expiry=expiry)
    signature = key.sign_recoverable(digest, hasher=None)
    return Authentication(nonce, expiry, signature[:64] + bytes((27 + signature[64],)))


class Authenticator:
    """Checks signed requests, each of which passes once. `now`: the wall clock in seconds since 1970.

    nonces, nonces_per_source: kept ones of all, and of requests from one place. A signer may make keys without end, and
    is no measure; an address costs something. kept: the file of the nonces; without it, requests that do not expire
    after `least_expiry` may have been taken by an earlier process, and are refused.
    """

    def __init__(
        self,
        chain_id: int,
        server_key_hash: bytes,
        *,
        nonces: int,
        nonces_per_source: int,
        longest_seconds: float,
        now: Callable[[], float] = time.time,
        kept: KeptNonces | None = None,
        least_expiry: int = 0,
    ) -> None:
        self._chain_id = chain_id
        self._server_key_hash = server_key_hash
        self._limit = nonces
        self._limit_per_source = nonces_per_source
        self._longest_seconds = longest_seconds
        self._now = now
        self._seen: set[bytes] = set()
        self._expiries: list[tuple[int, bytes, str]] = []
        self._per_source: Counter[str] = Counter()
        self._latest = 0.0
        self._kept = kept
        self._least_expiry = least_expiry if kept is None else kept.least_expiry
        if kept is not None and kept.nonces:
            # no request is taken earlier than that, and a clock that was set back since is wrong
            self._latest = max(expiry for expiry, _ in kept.nonces) - longest_seconds
            for expiry, key in kept.nonces:
                if expiry > self._latest:
                    self._remember(expiry, key, _EARLIER)

    def check(self, request: bytes, caller: Address | None, given: Authentication, host: str) -> None:
        """Raises AuthenticationError unless the caller has signed the request, and this is the first time it comes.

        host: the address that it comes from. Raises NoncesFullError. May be called from any one thread.
        """
        # a clock that is set back would let a request pass again whose nonce has been dropped
        now = self._latest = max(self._latest, self._now())
        if given.expiry <= now:
            raise AuthenticationError(f"the authentication expired {now - given.expiry:.0f} s ago")
        if given.expiry > now + self._longest_seconds:
            raise AuthenticationError(
                f"the authentication expires in {given.expiry - now:.0f} s, the limit is {self._longest_seconds:g} s"
            )
        if given.expiry <= self._least_expiry:
            raise AuthenticationError(
                f"the authentication expires in {given.expiry - now:.0f} s, and the node may have taken it before its "
                f"start: sign again later, or for more than {self._least_expiry - now:.0f} s"
            )
        signer = self._signer(request, given)
        if signer != caller:
            told = "no address" if caller is None else f"0x{caller.hex()}"
            raise AuthenticationError(
                f"the signature is of 0x{signer.hex()}, caller_address is {told}; "
                "a request signed for another server, chain or content has another signer"
            )
        self._take(keccak256(signer + given.nonce), given.expiry, now, source_of(host))

    def _signer(self, request: bytes, given: Authentication) -> Address:
        digest = signing_hash(
            self._chain_id,
            server_key_hash=self._server_key_hash,
            request=request,
            nonce=given.nonce,
            expiry=given.expiry,
        )
        r, s, v = given.signature[:32], given.signature[32:64], given.signature[64]
        if v not in (27, 28):
            raise AuthenticationError(f"the signature's last byte is {v}, not 27 or 28")
        try:
            return recover_address(digest, v - 27, int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        except InvalidSignatureError as error:
            raise AuthenticationError("the signature is none of secp256k1") from error

    def _take(self, key: bytes, expiry: int, now: float, source: str) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            self._forget(*heapq.heappop(self._expiries)[1:])
        if key in self._seen:
            raise AuthenticationError("the nonce was used before: a signed request is taken once")
        if len(self._seen) >= self._limit or self._per_source[source] >= self._limit_per_source:
            raise NoncesFullError
        if self._kept is not None:
            unexpired = ((known, nonce) for known, nonce, _ in chain(self._expiries, ((expiry, key, source),)))
            try:
                self._kept.add(expiry, key, unexpired)
            except NoncesError as error:
                LOGGER.error("a signed request is refused, since its nonce cannot be kept: %s", error)
                raise AuthenticationError("the node cannot keep this request's nonce; its log tells why") from error
        self._remember(expiry, key, source)

    def _remember(self, expiry: int, key: bytes, source: str) -> None:
        self._seen.add(key)
        self._per_source[source] += 1
        heapq.heappush(self._expiries, (expiry, key, source))

    def _forget(self, key: bytes, source: str) -> None:
        self._seen.discard(key)
        self._per_source[source] -= 1
        if not self._per_source[source]:
            del self._per_source[source]
