"""A toy chain: real headers and bodies at the RLP level, without execution."""

from dataclasses import dataclass
from pathlib import Path

from zevm.storage import rlp, schema
from zevm.storage.database import Database
from zevm.storage.history import put_difference
from zevm.storage.keccak import keccak256
from zevm.storage.ledger import log_key
from zevm.storage.schema import Version
from zevm.storage.store import Batch, Reader


@dataclass(frozen=True)
class ToyBlock:
    """What Ledger.put_block and Ledger.append take."""

    number: int
    header: bytes
    body: bytes
    receipts: bytes
    transaction_hashes: tuple[bytes, ...]
    log_keys: tuple[bytes, ...]

    @property
    def hash(self) -> bytes:
        return keccak256(self.header)


def toy_block(number: int, parent_hash: bytes, salt: bytes = b"") -> ToyBlock:
    """A block with one legacy and one typed transaction."""
    seed = keccak256(number.to_bytes(8, "big") + salt)
    legacy = rlp.encode([rlp.encode_int(number), seed, salt])
    typed = b"\x02" + rlp.encode([seed, rlp.encode_int(number)])
    body = rlp.wrap_list(rlp.wrap_list(legacy + rlp.encode_bytes(typed)) + rlp.encode([]))
    header = rlp.encode([parent_hash, *[seed] * 7, rlp.encode_int(number), *[seed] * 8])
    keys = (log_key(bytes([number % 7]) * 20), log_key(b"\x00" + bytes([number % 3]) * 32))
    return ToyBlock(number, header, body, seed * 3, (keccak256(legacy), keccak256(typed)), keys)


def append_block(database: Database, block: ToyBlock) -> None:
    """Commit a block with some trie nodes, code and state beside it, in one batch."""
    batch = Batch()
    put_block(database, batch, block)
    for index in range(4):
        node = block.hash + bytes([index])
        batch.put(schema.node_key(keccak256(node)), node)
    code = b"\x60" + block.hash
    batch.put(schema.code_key(keccak256(code)), code)
    flat = {schema.account_key(block.hash[:20]): b"account", schema.slot_key(block.hash[:20], block.number): b"\x01"}
    batch.put_all(list(flat.items()))
    put_difference(batch, Version(block.number), [(key, b"") for key in flat], before=bytes(32), after=block.hash)
    database.write(batch)


def put_block(database: Database, batch: Batch, block: ToyBlock) -> None:
    header, body, receipts = block.header, block.body, block.receipts
    database.ledger.put_block(batch, block_hash=block.hash, header=header, body=body, receipts=receipts)
    database.ledger.append(
        batch,
        number=block.number,
        block_hash=block.hash,
        transaction_hashes=block.transaction_hashes,
        log_keys=block.log_keys,
    )


def grow(database: Database, count: int, salt: bytes = b"") -> list[ToyBlock]:
    """Append `count` blocks to whatever is there."""
    head = database.ledger.head()
    number, parent = (0, bytes(32)) if head is None else (head[0] + 1, head[1])
    blocks = []
    for index in range(number, number + count):
        block = toy_block(index, parent, salt)
        append_block(database, block)
        blocks.append(block)
        parent = block.hash
    return blocks


def contents(reader: Reader) -> dict[bytes, bytes]:
    """Every pair."""
    return dict(reader.iterate(b"", b"\xff" * 64))


def toy_database(path: Path, count: int) -> list[ToyBlock]:
    """A closed database of `count` blocks."""
    with Database.open(path) as database:
        return grow(database, count)


def write_marks(path: Path, content: bytes) -> None:
    """Give both files of the last acknowledged write the same content."""
    for name in ("SEQUENCE", "marks/SEQUENCE"):
        (path / name).write_bytes(content)
