"""A blocking QUIC client of OpenSSL 3.5 or newer, by ctypes. Calls belong on a thread other than the server's."""

import ctypes
import importlib.metadata
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import Any

LEAST_VERSION = 0x30500000
"""OpenSSL's first with X25519MLKEM768."""
_SET_HOST_NAME, _SET_GROUPS, _VERIFY_PEER, _ERROR_ZERO_RETURN = 55, 92, 1, 6


class OpenSslError(Exception):
    """OpenSSL did not do it. `code`: the application error code of a stream that the server has reset."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@cache
def openssl() -> Any:
    """The system's libssl, or the one in the wheel of psycopg-binary; None where neither is new enough."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            library.OpenSSL_version_num.restype = ctypes.c_ulong
            if library.OpenSSL_version_num() < LEAST_VERSION or not hasattr(library, "OSSL_QUIC_client_method"):
                continue
        except (OSError, AttributeError):
            continue
        for name in ("OSSL_QUIC_client_method", "SSL_CTX_new", "SSL_new", "SSL_new_stream", "BIO_ADDR_new"):
            getattr(library, name).restype = ctypes.c_void_p
        return library
    return None


def _candidates() -> Iterator[str]:
    system = find_library("ssl")
    if system is not None:
        yield system
    try:
        files = importlib.metadata.files("psycopg-binary") or ()
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name.startswith("libssl-"):
            yield str(file.locate())


class Connection:
    """An open connection."""

    def __init__(self, pointer: ctypes.c_void_p) -> None:
        self._ssl = pointer

    def exchange(self, data: bytes, *, ends: bool = True) -> bytes:
        """Send bytes on a new stream and read to its end. Raises OpenSslError."""
        library = openssl()
        stream = ctypes.c_void_p(library.SSL_new_stream(self._ssl, ctypes.c_uint64(0)))
        count = ctypes.c_size_t()
        try:
            if not library.SSL_write_ex(stream, data, ctypes.c_size_t(len(data)), ctypes.byref(count)):
                raise OpenSslError("the stream takes no bytes")
            if ends:
                library.SSL_stream_conclude(stream, ctypes.c_uint64(0))
            found, part = bytearray(), ctypes.create_string_buffer(65_536)
            while library.SSL_read_ex(stream, part, ctypes.c_size_t(len(part)), ctypes.byref(count)):
                found += part.raw[: count.value]
            if library.SSL_get_error(stream, 0) == _ERROR_ZERO_RETURN:
                return bytes(found)
            code = ctypes.c_uint64()
            library.SSL_get_stream_read_error_code(stream, ctypes.byref(code))
            raise OpenSslError("the stream was reset", code.value)
        finally:
            library.SSL_free(stream)


@contextmanager
def connected(address: tuple[str, int], authority: Path, alpn: str, groups: str | None = None) -> Iterator[Connection]:
    """A connection to localhost at an IPv4 address. groups: as OpenSSL names them. Raises OpenSslError."""
    library = openssl()
    context = ctypes.c_void_p(library.SSL_CTX_new(ctypes.c_void_p(library.OSSL_QUIC_client_method())))
    library.SSL_CTX_set_verify(context, _VERIFY_PEER, None)
    if groups is not None:
        assert library.SSL_CTX_ctrl(context, _SET_GROUPS, ctypes.c_long(0), groups.encode())
    assert library.SSL_CTX_load_verify_file(context, str(authority).encode())
    pointer = ctypes.c_void_p(library.SSL_new(context))
    peer = ctypes.c_void_p(library.BIO_ADDR_new())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        raw = socket.inet_aton(address[0])
        port = ctypes.c_ushort(socket.htons(address[1]))
        try:
            assert library.BIO_ADDR_rawmake(peer, socket.AF_INET, raw, ctypes.c_size_t(len(raw)), port)
            assert library.SSL_set_fd(pointer, sock.fileno())
            assert library.SSL_set1_initial_peer_addr(pointer, peer)
            library.SSL_ctrl(pointer, _SET_HOST_NAME, ctypes.c_long(0), b"localhost")
            assert library.SSL_set1_host(pointer, b"localhost")
            assert not library.SSL_set_alpn_protos(pointer, bytes((len(alpn),)) + alpn.encode(), len(alpn) + 1)
            library.SSL_set_default_stream_mode(pointer, ctypes.c_uint32(0))
            if library.SSL_connect(pointer) != 1:
                raise OpenSslError("no connection")
            yield Connection(pointer)
            library.SSL_shutdown(pointer)
        finally:
            library.BIO_ADDR_free(peer)
            library.SSL_free(pointer)
            library.SSL_CTX_free(context)
