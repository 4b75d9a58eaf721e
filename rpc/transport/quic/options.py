"""The QUIC port's options, and the refusals of its start; without an import of the QUIC library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

AUTHORITY_NAME, CERTIFICATE_NAME, KEY_NAME = QUIC_NAMES = ("quic-ca.pem", "quic-cert.pem", "quic-key.pem")
"""The node's own certificate in the data directory."""
NONCES_NAME = "quic-nonces"
"""The used nonces of signed requests, in the data directory."""


class QuicError(RuntimeError):
    """The QUIC port cannot be served, or no connection be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class QuicPortOptions:
    """Addresses, certificate and admission of the QUIC port.

    hosts: names or addresses. port: 0 chooses a free one. allow_classical: also admit clients without a post-quantum
    key exchange. certificate, key: PEM files of the leaf (and its chain) and its private key; None for a certificate
    of the node's own, kept in `folder` (None: in memory, new at each start). require_authentication: refuse unsigned
    requests of zvm/1.
    """

    hosts: Sequence[str]
    port: int
    allow_classical: bool = False
    certificate: Path | None = None
    key: Path | None = None
    folder: Path | None = None
    require_authentication: bool = False


@dataclass(frozen=True, slots=True)
class QuicFigures:
    """A port's figures for the metrics. Keys of mappings: protocol (ALPN) and name of the key exchange's group.

    connections: open ones with a complete handshake. half_open: open ones without. Executions are those of zvm/1.
    """

    connections: Mapping[tuple[str, str], int]
    half_open: int
    handshakes: Mapping[tuple[str, str], int]
    refused_connections: int
    active_executions: int
    executions: int
    gas: int
    oldest_execution_age_ms: int
    refused_busy: int
    refused_authentications: int


class OpenQuicPort(Protocol):
    """The served port (server.QuicPort)."""

    addresses: list[tuple[str, int]]

    @property
    def server_key_hash(self) -> bytes:
        """SHA-256 of the port's public key (SubjectPublicKeyInfo, DER)."""
        ...

    def figures(self) -> QuicFigures:
        """The figures now."""
        ...

    def close(self) -> None:
        """Close every connection and the sockets. Idempotent."""
        ...
