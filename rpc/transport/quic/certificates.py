"""The node's own certificate: a certificate authority with one leaf, made at the first start and kept.

The authority's key is dropped once it has signed: no other certificate of it can ever exist. Keys are P-256, which
every QUIC library accepts. Clients trust the authority's file, or the hash of the leaf's public key.
"""

import datetime
import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zevm.rpc.transport.quic.options import (
    AUTHORITY_NAME,
    CERTIFICATE_NAME,
    KEY_NAME,
    QuicError,
    QuicPortOptions,
)
from zevm.storage.private_files import write_private

VALID_DAYS = 3_650
_SKEW = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's leaf certificate with the rest of its chain, and its key. authority: PEM; None for a given leaf.

    is_new: whether the key was made at this start, so that nothing can have been signed for it before.
    """

    chain: tuple[x509.Certificate, ...]
    key: object
    authority: bytes | None
    is_new: bool = False

    @property
    def server_key_hash(self) -> bytes:
        """SHA-256 of the leaf's public key (DER, SubjectPublicKeyInfo): the server's identity for clients."""
        return key_hash(self.chain[0])


def key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-256 of a certificate's public key as SubjectPublicKeyInfo in DER."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(certificate.public_key().public_bytes(encoding, form)).digest()


class _UnusableError(QuicError):
    """Files that are there and readable, and are no certificate with its key."""


def identity_of(options: QuicPortOptions) -> Identity:
    """The given certificate, or the node's own, made if absent, expired or of other names. Raises QuicError.

    A new certificate of the node's own keeps the key, so that clients that know the server by its hash still do.
    """
    if options.certificate is not None and options.key is not None:
        return _load(options.certificate, options.key, "--quic-cert and --quic-key")
    needed = _names(options.hosts)
    # a container has another name at each start: that alone makes no new certificate
    names = list(dict.fromkeys((*needed, *_names((socket.gethostname(),)))))
    if options.folder is None:
        return replace(_make(names, _new_key())[0], is_new=True)
    certificate, key = options.folder / CERTIFICATE_NAME, options.folder / KEY_NAME
    authority = options.folder / AUTHORITY_NAME
    if certificate.exists() and key.exists() and authority.exists():
        # what is left of a start that was killed is no certificate, and is made again
        with suppress(_UnusableError):
            identity = _load(certificate, key, f"{CERTIFICATE_NAME} and {KEY_NAME}", authority)
            if _serves(identity.chain[0], needed):
                return identity
    try:
        kept_key = _kept_key(key)
        identity, pem = _make(names, kept_key or _new_key())
        assert identity.authority is not None
        write_private(key, pem)
        authority.write_bytes(identity.authority)
        # the last, since its presence tells that the others are whole
        certificate.write_bytes(b"".join(item.public_bytes(serialization.Encoding.PEM) for item in identity.chain))
    except OSError as error:
        raise QuicError(f"the QUIC certificate cannot be written into {options.folder}: {error.strerror}") from error
    return replace(identity, is_new=kept_key is None)


def check_given(options: QuicPortOptions) -> None:
    """Raises QuicError if a given certificate cannot be used."""
    if options.certificate is not None:
        identity_of(options)


def _load(certificate: Path, key: Path, told: str, authority: Path | None = None) -> Identity:
    try:
        chain = tuple(x509.load_pem_x509_certificates(certificate.read_bytes()))
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        pem = None if authority is None else authority.read_bytes()
        if pem is not None:
            chain[0].verify_directly_issued_by(x509.load_pem_x509_certificate(pem))
    except OSError as error:
        raise QuicError(f"{told}: {error.filename}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise _UnusableError(f"{told}: not a certificate and an unencrypted key in PEM: {error}") from error
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(encoding, form) != chain[0].public_key().public_bytes(encoding, form):
        raise _UnusableError(f"{told}: the key in {key} is not that of the certificate in {certificate}")
    return Identity(chain, private, pem)


def _names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """The names that a client may know the node by: localhost and these hosts."""
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", *hosts))
    return [_name(name) for name in names if name]


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        # a name that is not ASCII stands in its own form (RFC 5280, section 7.2)
        return x509.DNSName(name if name.isascii() else name.encode("idna").decode())


def _serves(leaf: x509.Certificate, names: list[x509.GeneralName]) -> bool:
    """Whether a leaf is valid for another day, for all the names."""
    now = datetime.datetime.now(datetime.UTC)
    try:
        present = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return leaf.not_valid_after_utc > now + _SKEW and set(names) <= set(present)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _kept_key(file: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key of an earlier certificate, if it can be used. Raises OSError."""
    if not file.exists():
        return None
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1) else None


def _make(names: list[x509.GeneralName], leaf_key: ec.EllipticCurvePrivateKey) -> tuple[Identity, bytes]:
    """A new authority and a leaf of this key, and the key as PEM."""
    authority_key = _new_key()
    issuer = _subject("zEVM node authority")
    authority = (
        _builder(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _builder(_subject("zEVM node"), issuer, leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity((leaf,), leaf_key, authority.public_bytes(serialization.Encoding.PEM)), pem


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
