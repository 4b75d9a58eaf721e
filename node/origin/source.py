"""The origin of a fork, as storage reads it: keys of the schema, answered from another node and proved."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from lru import LRU

from zevm.chain.concurrency.deadline import NotAtHandError
from zevm.chain.concurrency.waiting import must_not_wait
from zevm.chain.rules import fees
from zevm.chain.rules.schedule import ForkSchedule
from zevm.chain.types import Block, Header
from zevm.chain.types.receipt import encode_receipts
from zevm.node.origin.ancestry import LINKED_BLOCKS, Ancestry
from zevm.node.origin.blocks import BlockError, block_of, header_of, receipts_of
from zevm.node.origin.client import Call, MethodMissingError, OriginClient
from zevm.node.origin.fork import Verified
from zevm.node.origin.kept import Kept
from zevm.node.origin.state import OriginStates
from zevm.node.origin.unproved import UnprovedStates
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.storage import schema
from zevm.storage.account import StateReader
from zevm.storage.errors import OriginError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, TrieKey
from zevm.storage.rlp import encode_int

_ABSENT = object()
_LOGS = b"logs"
"""The beginning of the keys of searches for logs; no key of the schema has it."""
_NAMES = {
    schema.HEADER.prefix: "the header of block",
    schema.BODY.prefix: "the content of block",
    schema.RECEIPTS.prefix: "the receipts of block",
    schema.CANONICAL.prefix: "the hash of block",
    schema.NUMBER.prefix: "the number of block",
    schema.POSITION.prefix: "the place of transaction",
}

Result = TypeVar("Result")


class RemoteOrigin:
    """The chain up to one of its blocks. Any thread may call but the event loop's, where NotAtHandError says so.

    items: most records of each kind that are kept in memory. kept: what is on disk; closed with it. verified: what is
    checked.
    """

    def __init__(
        self,
        client: OriginClient,
        header: Header,
        schedule: ForkSchedule,
        items: int,
        kept: Kept | None = None,
        verified: Verified = Verified.PROOFS,
    ) -> None:
        self.client = client
        self._kept = kept or Kept()
        self.header = header
        self._schedule = schedule
        self._verified = verified
        states = OriginStates if verified is Verified.PROOFS else UnprovedStates
        self._states = states(client, items, self._kept, check_thread)
        self._records: LRU[bytes, Any] = LRU(items)
        self._headers: LRU[bytes, Header] = LRU(max(2 * LINKED_BLOCKS, items // 64))
        self._ancestry = Ancestry(header, self._linked_headers)
        self._headers[header.hash] = header
        self._readers: dict[bytes, Callable[[bytes], bytes | None]] = {
            schema.HEADER.prefix: self._header_record,
            schema.BODY.prefix: self._body_record,
            schema.RECEIPTS.prefix: self._receipts_record,
            schema.CANONICAL.prefix: self._canonical_record,
            schema.NUMBER.prefix: self._number_record,
            schema.POSITION.prefix: self._position_record,
        }

    @property
    def number(self) -> int:
        """The forked block's number."""
        return self.header.number

    @property
    def _checks_roots(self) -> bool:
        return self._verified is not Verified.NONE

    @property
    def is_proved(self) -> bool:
        """See storage.origin.Origin."""
        return self._verified is Verified.PROOFS

    def record(self, key: bytes) -> bytes | None:
        """See storage.origin.Origin."""
        family = key[:1]
        number, root = self.header.number, self.header.state_root
        if family == schema.ACCOUNT.prefix:
            return self._states.record(number, root, schema.address_in(key))
        if family == schema.SLOT.prefix:
            value = self._states.slot(number, root, schema.address_in(key), schema.slot_in(key))
            return encode_int(value) if value else None
        if family == schema.CODE.prefix:
            return self._states.code(key[1:])
        known = self._records.get(key, _ABSENT)
        if known is _ABSENT and (stored := self._kept.record(key)) is not None:
            known = self._records[key] = stored
        if known is _ABSENT:
            check_thread(lambda: self.record(key))
            known = self.client.once(key, lambda: self._read(key), lambda: f"{_NAMES[family]} 0x{key[1:].hex()}")
        record: bytes | None = known
        return record

    def _read(self, key: bytes) -> bytes | None:
        record = self._readers[key[:1]](key[1:])
        if record is not None:
            self._kept.put(records={key: record})
        self._records[key] = record
        return record

    def close(self) -> None:
        """Give up the connections, then the disk."""
        self.client.close()
        self._kept.close()

    def provide(self, addresses: Sequence[Address]) -> None:
        """Have several accounts of the forked block, and their code, at once."""
        number, root = self.header.number, self.header.state_root
        self.client.once(
            ("accounts", tuple(addresses)),
            lambda: self._states.provide(number, root, addresses),
            lambda: f"{len(addresses)} accounts at block {number}",
        )

    def has_code(self, address: Address, code_hash: bytes) -> None:
        """See storage.origin.Origin."""
        self._states.has_code(address, self.header.number, code_hash)

    def node(self, owner: TrieKey, path: str, node_hash: bytes) -> bytes | None:
        """See storage.origin.Origin."""
        return self._states.node(owner, path, node_hash, self.header.number, self.header.state_root)

    def state(self, number: int, root: Hash32) -> StateReader:
        """The state after an older block."""
        return self._states.at(number, root)

    def log_blocks(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]
    ) -> Sequence[int]:
        """See storage.origin.Origin. Which blocks have a match is the node's word; the logs are read from receipts."""
        criteria = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": [f"0x{address.hex()}" for address in addresses],
            "topics": [None if not items else [f"0x{item.hex()}" for item in items] for items in topics],
        }
        criteria = {key: value for key, value in criteria.items() if value}
        key = _LOGS + keccak256(json.dumps(criteria, sort_keys=True).encode())
        stored = self._kept.record(key)
        if stored is None:
            check_thread(lambda: self.log_blocks(first, last, addresses, topics))
            stored = self.client.once(
                key, lambda: self._logged(key, first, last, criteria), lambda: f"the logs of blocks {first} to {last}"
            )
        return [
            schema.decode_number(stored[at : at + schema.NUMBER_SIZE])
            for at in range(0, len(stored), schema.NUMBER_SIZE)
        ]

    def _logged(self, key: bytes, first: int, last: int, criteria: Mapping[str, object]) -> bytes:
        """The numbers of the blocks that have matching logs."""
        answer = self.client.call("eth_getLogs", criteria)
        try:
            numbers = {scalars.number(log.get("blockNumber")) for log in scalars.array_of(scalars.json_object)(answer)}
        except InvalidParamsError as error:
            raise self._lie("eth_getLogs", error.message) from None
        if any(not first <= number <= last for number in numbers):
            raise self._lie("eth_getLogs", f"a log is not of blocks {first} to {last}")
        found = b"".join(map(schema.encode_number, sorted(numbers)))
        self._kept.put(records={key: found})
        return found

    def _header(self, block_hash: bytes) -> Header | None:
        header: Header | None = self._headers.get(block_hash)
        if header is None and (stored := self._kept.record(schema.header_key(block_hash))) is not None:
            header = self._headers[block_hash] = Header.decode(stored)
        if header is None:
            answer = self.client.call("eth_getBlockByHash", f"0x{block_hash.hex()}", False)
            if answer is None:
                return None
            header = self._checked(f"block 0x{block_hash.hex()}", lambda: header_of(answer, block_hash=block_hash))
            if header.number > self.number or self._ancestry.known(header.number) not in (None, block_hash):
                # of later than the fork, or of another branch
                return None
            self._headers[block_hash] = header
        return header

    def _header_record(self, block_hash: bytes) -> bytes | None:
        header = self._header(block_hash)
        return None if header is None else header.encode()

    def _number_record(self, block_hash: bytes) -> bytes | None:
        header = self._header(block_hash)
        if header is None or self.record(schema.canonical_key(header.number)) != block_hash:
            return None
        return schema.encode_number(header.number)

    def _canonical_record(self, encoded: bytes) -> bytes | None:
        number = schema.decode_number(encoded)
        if number > self.number:
            return None
        if self.number - number <= LINKED_BLOCKS:
            return self._ancestry.hash_of(number)
        answer = self.client.call("eth_getBlockByNumber", hex(number), False)
        if answer is None:
            raise OriginError(f"{self.client.name} does not have block {number}")
        header = self._checked(f"block {number}", lambda: header_of(answer, number=number))
        self._headers[header.hash] = header
        return header.hash

    def _linked_headers(self, number: int, block_hash: Hash32, count: int) -> Iterator[Header]:
        """A block's header and those below it, one hash leading to the next."""
        # a batch at a time, since each header names its parent alone
        missing = range(number, number - count, -1)
        answers = self.client.call_all([Call("eth_getBlockByNumber", (hex(item), False)) for item in missing])
        for item, answer in zip(missing, answers, strict=True):
            header = self._checked(f"block {item}", partial(header_of, answer, block_hash=block_hash))
            self._headers[header.hash] = header
            self._kept.put(
                records={
                    schema.header_key(header.hash): header.encode(),
                    schema.canonical_key(header.number - 1): header.parent_hash,
                }
            )
            block_hash = header.parent_hash
            yield header

    def _block(self, block_hash: bytes) -> Block | None:
        header = self._header(block_hash)
        if header is None:
            return None
        named = f"0x{block_hash.hex()}"
        return self._checked(
            f"block {named}", lambda: whole_block(self.client, header, checks_roots=self._checks_roots)
        )

    def _body_record(self, block_hash: bytes) -> bytes | None:
        block = self._block(block_hash)
        return None if block is None else block.encode_body()

    def _receipts_record(self, block_hash: bytes) -> bytes | None:
        header = self._header(block_hash)
        body = None if header is None else self.record(schema.body_key(block_hash))
        if header is None or body is None:
            return None
        block = Block.decode_body(header, body)
        named = f"0x{block_hash.hex()}"
        try:
            answer = self.client.call("eth_getBlockReceipts", hex(header.number)) if block.transactions else []
        except MethodMissingError:
            calls = [Call("eth_getTransactionReceipt", (f"0x{item.hash.hex()}",)) for item in block.transactions]
            answer = self.client.call_all(calls)
        read = partial(receipts_of, answer, block, self._blob_price, checks_root=self._checks_roots)
        found = self._checked(f"the receipts of block {named}", read)
        return encode_receipts(found)

    def _position_record(self, transaction_hash: bytes) -> bytes | None:
        answer = self.client.call("eth_getTransactionByHash", f"0x{transaction_hash.hex()}")
        if not isinstance(answer, dict) or answer.get("blockNumber") is None:
            return None
        try:
            number, index = scalars.number(answer["blockNumber"]), scalars.number(answer.get("transactionIndex"))
        except InvalidParamsError as error:
            raise self._lie(f"transaction 0x{transaction_hash.hex()}", error.message) from None
        if number > self.number or index >= 1 << 32:
            return None
        return schema.encode_number(number) + index.to_bytes(schema.INDEX_SIZE, "big")

    def _blob_price(self, header: Header) -> int | None:
        blob = self._schedule.rules(header.number, header.timestamp).blob
        return (
            None if blob is None or header.excess_blob_gas is None else fees.blob_base_fee(header.excess_blob_gas, blob)
        )

    def _checked(self, what: str, read: Callable[[], Result]) -> Result:
        try:
            return read()
        except BlockError as error:
            raise self._lie(what, str(error)) from None

    def _lie(self, what: str, why: str) -> OriginError:
        return OriginError(f"{self.client.name} answers {what} wrongly: {why}")


def whole_block(client: OriginClient, header: Header, *, checks_roots: bool = True) -> Block:
    """The block with this header. checks_roots: as for block_of. Raises OriginError, BlockError."""
    named = f"0x{header.hash.hex()}"
    answer = client.call("eth_getBlockByHash", named, True)
    if not isinstance(answer, dict):
        raise OriginError(f"{client.name} does not have the transactions of block {named}")
    uncles = answer.get("uncles") or ()
    calls = [Call("eth_getUncleByBlockHashAndIndex", (named, hex(index))) for index in range(min(2, len(uncles)))]
    return block_of(answer, header, client.call_all(calls), checks_roots=checks_roots)


def check_thread(work: Callable[[], object]) -> None:
    """Raise NotAtHandError on a thread that must not wait for another node, as `work` does."""
    if must_not_wait():
        raise NotAtHandError(work)
