"""Tokens for the Engine API, made here from the specification, apart from the code under test."""

import base64
import hmac
import json
import time
from hashlib import sha256
from typing import Any

SECRET = bytes(range(32))


def encoded(part: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def token(
    claims: Any = None,
    *,
    secret: bytes = SECRET,
    header: Any = None,
    age_seconds: float = 0,
    signature: bytes | None = None,
) -> str:
    """A JSON web token; by default a good one that was issued `age_seconds` ago."""
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    body = {"iat": int(time.time() - age_seconds)} if claims is None else claims
    signed = b".".join(encoded(json.dumps(part).encode()) for part in (head, body))
    made = hmac.new(secret, signed, sha256).digest() if signature is None else signature
    return (signed + b"." + encoded(made)).decode()


def bearer(value: str | None = None, **changes: Any) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token(**changes) if value is None else value}"}
