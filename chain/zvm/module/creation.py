"""The creation data of a module: its bytes, and its constructor's call data or arguments."""

import brotli

from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, CONSTRUCTOR_SELECTOR

_WITHOUT_DICTIONARY = COMPRESSED_PREFIX + b"\0"

_INIT_SECTION = b"zvm.init"


def creation_data(module: bytes, payload: bytes | None = None, *, compress: bool = False) -> bytes:
    """Creation data for a transaction, CREATE or CREATE2.

    payload: call data of the one run of the entrypoint that the creation makes, carried by a custom section
    `zvm.init` that is not stored; None for no run. compress: in the compressed form; a module that comes in it
    stays in it. Raises ModuleRefusedError for one that cannot be decompressed to take the payload.
    """
    if module[:4] == _WITHOUT_DICTIONARY:
        if payload is None:
            return module
        from zevm.chain.zvm.module.prepare import decompress

        module, compress = decompress(module), True
    if payload is not None:
        content = _leb128(len(_INIT_SECTION)) + _INIT_SECTION + payload
        module += b"\0" + _leb128(len(content)) + content
    return compressed(module) if compress else module


def compressed(module: bytes) -> bytes:
    """The compressed form of a module; the same bytes for the same module with the locked version of Brotli."""
    return _WITHOUT_DICTIONARY + bytes(brotli.compress(module))


def stripped(module: bytes) -> bytes:
    """The module without its custom sections: names, producers, debug information. What is no module stays as it is."""
    from zevm.chain.zvm.errors import ModuleRefusedError
    from zevm.chain.zvm.module.binary import MAGIC as VERSION_1
    from zevm.chain.zvm.module.binary import Reader

    if module[: len(VERSION_1)] != VERSION_1:
        return module
    reader, kept = Reader(module, len(VERSION_1), len(module)), [VERSION_1]
    try:
        while reader.position < len(module):
            start, identifier = reader.position, reader.byte()
            reader.take(reader.unsigned())
            if identifier:
                kept.append(module[start : reader.position])
    except ModuleRefusedError:
        return module
    return b"".join(kept)


def constructor_payload(arguments: bytes) -> bytes:
    """The payload that calls a constructor with ABI-encoded arguments."""
    return CONSTRUCTOR_SELECTOR + arguments


def _leb128(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
