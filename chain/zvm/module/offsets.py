"""Offsets of a deployed module for positions in the code that runs, which has the metering in it."""

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.binary import decode
from zevm.chain.zvm.module.body import BodyWalk
from zevm.chain.zvm.module.code_writer import Writer
from zevm.chain.zvm.module.form import COMPRESSED_PREFIX
from zevm.chain.zvm.module.instrument import body_walks, writer_of
from zevm.chain.zvm.module.prepare import decompress
from zevm.chain.zvm.price_table import PriceTable


class _Located(bytes):
    """Bytes of a module whose slices know where in it they are."""

    start = 0

    def __getitem__(self, index: SupportsIndex | slice) -> "_Located | int":  # type: ignore[override]
        found = super().__getitem__(index)
        if not isinstance(found, bytes):
            return found
        located = _Located(found)
        located.start = index.start  # type: ignore[union-attr]
        return located


def module_offsets(code: bytes, price_table: PriceTable, positions: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The offsets in a module's bytes, decompressed, of these positions; what only metering has added has none.

    code: a contract's, as stored. positions: (function's index, offset in its instrumented body, behind the body's
    size). It walks the functions again, which takes milliseconds.
    """
    try:
        module = decode(decompress(code) if code[:3] == COMPRESSED_PREFIX else code)
    except ModuleRefusedError:
        return ()
    module.raw = _Located(module.raw)
    writer, first = writer_of(module, price_table), len(module.imports)
    pieces = [_pieces(walk, writer) for walk in body_walks(module, price_table, writer)]
    return tuple(
        _offset(pieces[function - first], offset)
        for function, offset in positions
        if first <= function < first + len(pieces)
    )


class _Piece(NamedTuple):
    """A piece of a metered body: bytes of the module, from `start` in it, or such as were put in front of them."""

    length: int
    start: int
    is_added: bool


def _pieces(walk: BodyWalk, writer: Writer) -> list[_Piece]:
    """A body's pieces in order, whose beginning and end belong to its first and last instruction."""
    first = walk.position
    body = walk.run()
    found = [_Piece(len(writer.leave(body.frame_words)) + 1, walk.stop - 1, True)]
    for part in reversed(walk.out):
        if isinstance(part, _Located):
            found.append(_Piece(len(part), part.start, False))
        else:
            found.append(_Piece(len(part), found[-1].start, True))
    found.append(_Piece(len(body.code) - sum(piece.length for piece in found), first, True))
    return found[::-1]


def _offset(pieces: list[_Piece], position: int) -> int:
    for piece in pieces:
        if position < piece.length:
            return piece.start if piece.is_added else piece.start + position
        position -= piece.length
    return pieces[-1].start
