"""The Engine API's authentication: a JSON web token of HS256 in every HTTP request and WebSocket handshake.

Source: execution-apis, src/engine/authentication.md. Refusals are geth's: status 401 and its texts, except those of its
parser. Only the claims `iat` and `exp` are read; others are ignored.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from zevm.rpc.transport.guard import Headers, Refusal, header
from zevm.storage.private_files import make_private

SECRET_BYTES = 32
CLOCK_SKEW_SECONDS = 60
"""Maximum distance of `iat` from this machine's time, in either direction."""

MAX_TOKEN_BYTES = 8_192
_SCHEME = b"bearer "
_HEXADECIMAL = re.compile(r"(0[xX])?([0-9a-fA-F]{64})\Z")
_BASE64 = re.compile(rb"[A-Za-z0-9_-]*\Z")
_UNAUTHORIZED = 401


class JwtSecretError(RuntimeError):
    """The secret cannot be read or created; the message names the file and its expected content."""


def load_secret(file: Path) -> bytes:
    """The 32-byte secret in a file of 64 hex digits; an absent file is created, readable only by its owner, as in geth.

    Raises JwtSecretError.
    """
    try:
        text = file.read_text()
    except FileNotFoundError:
        return _make_secret(file)
    except (OSError, UnicodeDecodeError) as error:
        raise JwtSecretError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    match = _HEXADECIMAL.match(text.strip())
    if match is None:
        raise JwtSecretError(f"{file}: invalid JWT secret, want 64 hex digits (32 bytes), has {len(text.strip())}")
    return bytes.fromhex(match.group(2))


def _make_secret(file: Path) -> bytes:
    secret = secrets.token_bytes(SECRET_BYTES)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        make_private(file, f"0x{secret.hex()}".encode())
    except OSError as error:
        raise JwtSecretError(f"{file}: cannot be made: {error.strerror}") from error
    return secret


class TokenError(Exception):
    """Why a token is refused."""


class Authenticator:
    """Checks the Authorization header. `now`: the wall clock in seconds since 1970."""

    def __init__(self, secret: bytes, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now

    def check(self, headers: Headers) -> Refusal | None:
        """None to admit the request. `headers` have lower-case names."""
        value = header(headers, b"authorization") or b""
        token = value[len(_SCHEME) :] if value[: len(_SCHEME)].lower() == _SCHEME else b""
        try:
            if not token:
                raise TokenError("missing token")
            self._check_claims(self._read(token))
        except TokenError as error:
            return Refusal(_UNAUTHORIZED, str(error))
        return None

    def _read(self, token: bytes) -> dict[str, Any]:
        """The claims of a token with a valid signature. Raises TokenError."""
        parts = token.split(b".")
        if len(token) > MAX_TOKEN_BYTES or len(parts) != 3:
            raise TokenError("token contains an invalid number of segments")
        head, claims = _object(parts[0]), _object(parts[1])
        algorithm = head.get("alg")
        if type(algorithm) is not str:
            raise TokenError("signing method (alg) is unspecified.")
        if algorithm != "HS256":
            raise TokenError(f"signing method {algorithm[:32]} is invalid")
        expected = hmac.new(self._secret, parts[0] + b"." + parts[1], sha256).digest()
        if not hmac.compare_digest(expected, _decode(parts[2])):
            raise TokenError("signature is invalid")
        return claims

    def _check_claims(self, claims: dict[str, Any]) -> None:
        now = self._now()
        issued, expires = _number(claims, "iat"), _number(claims, "exp")
        if expires is not None and now >= expires:
            raise TokenError("token is expired")
        if issued is None:
            raise TokenError("missing issued-at")
        if now - issued > CLOCK_SKEW_SECONDS:
            raise TokenError("stale token")
        if issued - now > CLOCK_SKEW_SECONDS:
            raise TokenError("future token")


def _number(claims: dict[str, Any], name: str) -> float | None:
    """A time claim, in seconds since 1970."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise TokenError(f"the claim {name} is not a number")
    return float(value) if abs(value) < 2**63 else float("inf") * (1 if value > 0 else -1)


def _decode(part: bytes) -> bytes:
    if not _BASE64.match(part):
        raise TokenError("illegal base64 data in the token")
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise TokenError("illegal base64 data in the token") from error


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError) as error:
        raise TokenError("the token's header or claims are not JSON") from error
    if type(value) is not dict:
        raise TokenError("the token's header or claims are no object")
    return value
