"""States of the origin as a node states them, without proofs (--fork-verify headers, none).

A state that is not proved has no trie. What the fork changes has one: it begins with a leaf for the state beneath, and
each changed account's storage trie with one for the storage beneath, so that neither is ever empty while values lie
beneath it. The roots commit to the fork's changes alone, and nothing else is read out of these tries.
"""

from collections.abc import Iterator, Mapping, Sequence

from zevm.node.origin.client import Call
from zevm.node.origin.proofs import Proved
from zevm.node.origin.state import OriginStates, code_call, named
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.storage.account import EMPTY_ROOT, Account, decode_account, encode_account
from zevm.storage.errors import OriginError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address, Hash32, TrieKey, Wei
from zevm.storage.state_update import hashed
from zevm.storage.trie_nodes import encode_leaf

_PLACE = keccak256(b"what lies beneath a fork").hex()
"""The path of the leaf; no address and no slot is known to lead there."""

_ACCOUNT, _SLOT = b"account", b"slot"
"""Beginnings of the keys of kept values; no key of the schema is as long."""


class UnprovedStates(OriginStates):
    """Accounts and slots are what the node says; code is found by its hash, which is made here."""

    def record(self, number: int, root: Hash32, address: Address) -> bytes | None:
        """See OriginStates."""
        found = self._known(number, root, address)
        return self._fetch(number, root, address, None).record if found is None else found or None

    def _known(self, number: int, root: Hash32, address: Address) -> bytes | None:
        """An account that was read, b"" for one that is not there; None where it was not."""
        known: tuple[bytes | None, int] | None = self._accounts.get((root, address))
        if known is not None:
            return known[0] or b""
        stored = self._kept.record(_ACCOUNT + root + address)
        if stored is not None:
            self._keep(number, root, address, Proved(stored or None, {}, {}))
        return stored

    def slot(self, number: int, root: Hash32, address: Address, slot: int) -> int:
        """See OriginStates."""
        record = self.record(number, root, address)
        if record is None or decode_account(record).storage_root == EMPTY_ROOT:
            return 0
        value: int | None = self._slots.get((root, address, slot))
        if value is not None:
            return value
        stored = self._kept.record(_slot_key(root, address, slot))
        if stored is None:
            return self._fetch(number, root, address, slot).slots[slot]
        value = self._slots[root, address, slot] = int.from_bytes(stored, "big")
        return value

    def node(self, owner: TrieKey, path: str, node_hash: bytes, number: int, root: Hash32) -> bytes | None:  # noqa: ARG002
        """See OriginStates: the leaf that a trie begins with."""
        if path:
            return None
        if not owner:
            return _leaf(root) if node_hash == root else None
        leaf = _leaf(owner)
        return leaf if keccak256(leaf) == node_hash else None

    def provide(self, number: int, root: Hash32, addresses: Sequence[Address]) -> None:
        """See OriginStates."""
        missing = [address for address in addresses if self._known(number, root, address) is None]
        self._take_all(number, root, dict.fromkeys(missing, ()))

    def _take_all(self, number: int, root: Hash32, slots: Mapping[Address, Sequence[int]]) -> None:
        accounts = [address for address in slots if self._known(number, root, address) is None]
        asked = [(address, slot) for address, some in slots.items() for slot in some]
        calls = [call for address in accounts for call in _account_calls(address, number)]
        answers = iter(self._client.call_all([*calls, *(_slot_call(*item, number) for item in asked)]))
        for address in accounts:
            self._learn_account(number, root, address, answers)
        for address, slot in asked:
            self._learn_slot(number, root, address, slot, next(answers))

    def _take(self, number: int, root: Hash32, address: Address, slot: int | None) -> Proved:
        if slot is None:
            answers = iter(self._client.call_all(_account_calls(address, number)))
            return Proved(self._learn_account(number, root, address, answers), {}, {})
        answer = self._client.call_all([_slot_call(address, slot, number)])[0]
        return Proved(None, {slot: self._learn_slot(number, root, address, slot, answer)}, {})

    def _learn_account(self, number: int, root: Hash32, address: Address, answers: Iterator[object]) -> bytes | None:
        """Keep an account out of the answers to its calls, and its code."""
        try:
            balance, nonce = scalars.quantity(next(answers)), scalars.uint64(next(answers))
            code: bytes = scalars.data(next(answers))
        except InvalidParamsError as error:
            raise self._wrong(number, address, (), error) from None
        code_hash = keccak256(code) if code else EMPTY_KECCAK
        storage_root = keccak256(_leaf(hashed(address))) if code else EMPTY_ROOT
        is_there = bool(code or balance or nonce)
        record = encode_account(Account(nonce, Wei(balance), storage_root, code_hash)) if is_there else None
        self._kept.put(records={_ACCOUNT + root + address: record or b""}, codes={code_hash: code} if code else {})
        self._codes[code_hash] = code
        self._keep(number, root, address, Proved(record, {}, {}))
        return record

    def _learn_slot(self, number: int, root: Hash32, address: Address, slot: int, answer: object) -> int:
        try:
            value: int = scalars.storage_slot(answer)
        except InvalidParamsError as error:
            raise self._wrong(number, address, (slot,), error) from None
        self._kept.put(records={_slot_key(root, address, slot): value.to_bytes(32, "big")})
        self._slots[root, address, slot] = value
        return value

    def _wrong(self, number: int, address: Address, slots: Sequence[int], error: InvalidParamsError) -> OriginError:
        return OriginError(f"{self._client.name} answers {named(number, address, slots)} wrongly: {error.message}")


def _leaf(beneath: bytes) -> bytes:
    """The trie of nothing but what lies beneath: a state root, or the key of an account."""
    return encode_leaf(_PLACE, beneath)


def _slot_key(root: Hash32, address: Address, slot: int) -> bytes:
    return _SLOT + root + address + slot.to_bytes(32, "big")


def _account_calls(address: Address, number: int) -> list[Call]:
    params = (f"0x{address.hex()}", hex(number))
    return [Call("eth_getBalance", params), Call("eth_getTransactionCount", params), code_call(address, number)]


def _slot_call(address: Address, slot: int, number: int) -> Call:
    return Call("eth_getStorageAt", (f"0x{address.hex()}", f"0x{slot:064x}", hex(number)))
