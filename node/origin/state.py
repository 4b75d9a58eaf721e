"""States of the origin: accounts, slots and code, proved, and kept in memory for the next reader."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from lru import LRU

from zevm.node.origin.client import Call, MethodMissingError, OriginClient
from zevm.node.origin.kept import Kept
from zevm.node.origin.proofs import ProofError, Proved, proof_call, proved
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, Account, decode_account
from zevm.storage.errors import MissingNodeError, OriginError
from zevm.storage.keccak import EMPTY_KECCAK, keccak256
from zevm.storage.primitives import Address, Hash32, TrieKey
from zevm.storage.read_ahead import NotReadError, Wanted, check_trial
from zevm.storage.rlp import decode, decode_int
from zevm.storage.state_update import hashed, slot_hash

TRIED_PREIMAGES = 1 << 20
"""Slots that are tried to find one whose hash begins with a path: enough for most paths of four digits."""

MOST_SEARCHED_DIGITS = 4

PROOF_SLOTS = 128
"""Slots of one eth_getProof; nodes bound them, some at 1,024."""

LEAST_NODES = 4096
"""Trie nodes kept at least: a block's changes find those that were read for them."""


class OriginStates:
    """Every state of the origin's chain. Any thread may call; all raises OriginError.

    items: most accounts and slots kept in memory, and most trie nodes. kept: what is on disk. check: called before each
    fetch, which it is given.
    """

    def __init__(
        self, client: OriginClient, items: int, kept: Kept, check: Callable[[Callable[[], object]], None]
    ) -> None:
        self._client = client
        self._kept = kept
        self._check = check
        self._accounts: LRU[tuple[bytes, Address], tuple[bytes | None, int]] = LRU(items)
        self._slots: LRU[tuple[bytes, Address, int], int] = LRU(items)
        self._nodes: LRU[bytes, bytes] = LRU(max(LEAST_NODES, items))
        self._codes: LRU[bytes, bytes] = LRU(max(1, items // 64))
        self._holders: LRU[bytes, tuple[Address, int]] = LRU(items)
        """Code hash -> an account with that code, and the block at which it has it."""
        self._changed: dict[bytes, tuple[Address, int]] = {}
        """The same of accounts that the fork has changed: it has them itself, and reads them here no more."""
        self._lock = threading.Lock()

    def at(self, number: int, root: Hash32) -> "OriginState":
        """The state after a block, which has this root."""
        return OriginState(self, number, root)

    def record(self, number: int, root: Hash32, address: Address) -> bytes | None:
        """An account's RLP; None where there is none."""
        known = self._accounts.get((root, address))
        if known is not None:
            return known[0]
        try:
            record = trie.get(self._node_at_hand, root, hashed(address))
        except MissingNodeError:
            return self._fetch(number, root, address, None).record
        self._keep(number, root, address, Proved(record, {}, {}))
        return record

    def slot(self, number: int, root: Hash32, address: Address, slot: int) -> int:
        """A slot's value."""
        try:
            record = self.record(number, root, address)
        except NotReadError:
            check_trial(Wanted(number, root, address, slot), self._fetch_all)
            raise
        if record is None or decode_account(record).storage_root == EMPTY_ROOT:
            return 0
        value: int | None = self._slots.get((root, address, slot))
        if value is not None:
            return value
        try:
            raw = trie.get(self._node_at_hand, decode_account(record).storage_root, slot_hash(slot))
        except MissingNodeError:
            return self._fetch(number, root, address, slot).slots.get(slot, 0)
        value = self._slots[root, address, slot] = 0 if raw is None else decode_int(decode(raw))
        return value

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash, of an account that was read."""
        if code_hash == EMPTY_KECCAK:
            return b""
        code: bytes | None = self._codes.get(code_hash)
        if code is None:
            code = self._kept.code(code_hash)
            if code is not None:
                self._codes[code_hash] = code
        if code is None:
            holder = self._holder(code_hash)
            if holder is None:
                raise OriginError(f"no account is known with the code 0x{code_hash.hex()}")
            self._check(lambda: self.code(code_hash))
            call = code_call(holder[0], holder[1])
            code = self._client.once(
                ("code", code_hash), lambda: self._take_code(code_hash, call), lambda: f"the code 0x{code_hash.hex()}"
            )
        return code

    def has_code(self, address: Address, number: int, code_hash: bytes) -> None:
        """See storage.origin.Origin; number: of the forked block."""
        self._changed.setdefault(code_hash, (address, number))

    def _holder(self, code_hash: bytes) -> tuple[Address, int] | None:
        """An account with this code, and the block at which it has it."""
        holder: tuple[Address, int] | None = self._holders.get(code_hash) or self._changed.get(code_hash)
        if holder is not None:
            return holder
        # of an account that is asked for often, and was read long ago
        for (_, address), (record, number) in self._accounts.items():
            if record is not None and decode_account(record).code_hash == code_hash:
                return address, number
        return None

    def node(self, owner: TrieKey, path: str, node_hash: bytes, number: int, root: Hash32) -> bytes | None:
        """A node of the state with a root, or of another state that was read."""
        raw = self._node_at_hand(path, node_hash)
        if raw is not None:
            return raw
        for address, slot in self._leading(owner, path, root):
            self._fetch(number, root, address, slot)
            raw = self._node_at_hand(path, node_hash)
            if raw is not None:
                return raw
        return None

    def _node_at_hand(self, path: str, node_hash: bytes) -> bytes | None:  # noqa: ARG002  as storage.trie.Nodes
        raw: bytes | None = self._nodes.get(node_hash)
        if raw is None:
            raw = self._kept.node(node_hash)
            if raw is not None:
                self._nodes[node_hash] = raw
        return raw

    def _fetch(self, number: int, root: Hash32, address: Address, slot: int | None) -> Proved:
        """Have the proof of an account, or of one of its slots, and keep it."""
        check_trial(Wanted(number, root, address, slot), self._fetch_all)
        self._check(lambda: self._fetch(number, root, address, slot))
        return self._client.once(
            (root, address, slot),
            lambda: self._take(number, root, address, slot),
            lambda: named(number, address, () if slot is None else (slot,)),
        )

    def _fetch_all(self, wanted: Sequence[Wanted]) -> None:
        """Have many accounts and slots, with the code of the accounts, in one message where there are not too many."""
        self._check(lambda: self._fetch_all(wanted))
        states = dict.fromkeys((item.number, item.root) for item in wanted)
        for number, root in states:
            slots: dict[Address, list[int]] = {}
            for item in wanted:
                if item.root == root:
                    found = slots.setdefault(Address(item.address), [])
                    found += [] if item.slot is None else [item.slot]
            self._client.once(
                (root, frozenset(wanted)),
                partial(self._take_all, number, root, slots),
                lambda number=number, slots=slots: f"{len(slots)} accounts at block {number}",  # type: ignore[misc]
            )

    def _take_all(self, number: int, root: Hash32, slots: Mapping[Address, Sequence[int]]) -> None:
        calls: list[Call] = []
        asked: list[tuple[Address, Sequence[int]]] = []
        for address, some in slots.items():
            for start in range(0, max(1, len(some)), PROOF_SLOTS):
                asked.append((address, some[start : start + PROOF_SLOTS]))
                calls += [proof_call(address, asked[-1][1], number), code_call(address, number)]
        answers = self._answers(calls)
        for index, (address, some) in enumerate(asked):
            self._learn(number, root, address, some, answers[2 * index : 2 * index + 2])

    def provide(self, number: int, root: Hash32, addresses: Sequence[Address]) -> None:
        """Have several accounts at once, with their code."""
        wanted = [address for address in addresses if not self._is_at_hand(root, address)]
        calls = [call for address in wanted for call in _account_calls(address, number)]
        answers = self._answers(calls)
        for index, address in enumerate(wanted):
            self._learn(number, root, address, (), answers[2 * index : 2 * index + 2])

    def _is_at_hand(self, root: Hash32, address: Address) -> bool:
        try:
            record = trie.get(self._node_at_hand, root, hashed(address))
        except MissingNodeError:
            return False
        if record is None:
            return True
        code_hash = decode_account(record).code_hash
        return code_hash == EMPTY_KECCAK or code_hash in self._codes or self._kept.code(code_hash) is not None

    def _take(self, number: int, root: Hash32, address: Address, slot: int | None) -> Proved:
        if slot is None:
            return self._learn(number, root, address, (), self._answers(_account_calls(address, number)))
        return self._learn(number, root, address, (slot,), self._answers([proof_call(address, [slot], number)]))

    def _answers(self, calls: Sequence[Call]) -> list[Any]:
        try:
            return self._client.call_all(calls)
        except MethodMissingError as error:
            raise OriginError(
                f"{error}; a fork needs a node that proves what it answers, or --fork-verify headers, which believes it"
            ) from None

    def _learn(
        self, number: int, root: Hash32, address: Address, slots: Sequence[int], answers: Sequence[Any]
    ) -> Proved:
        """Keep what a proof shows, and the code that may come with it."""
        try:
            found = proved(answers[0], root, address, slots)
        except ProofError as error:
            raise OriginError(
                f"{self._client.name} does not prove {named(number, address, slots)}, whose state root is "
                f"0x{root.hex()}: {error}"
            ) from None
        codes: dict[bytes, bytes] = {}
        if len(answers) > 1 and found.record is not None:
            code_hash = decode_account(found.record).code_hash
            if code_hash != EMPTY_KECCAK and code_hash not in self._codes:
                codes[code_hash] = self._checked_code(code_hash, code_call(address, number), answers[1])
        self._kept.put(nodes=found.nodes, codes=codes)
        for digest, code in codes.items():
            self._codes[digest] = code
        self._keep(number, root, address, found)
        return found

    def _keep(self, number: int, root: Hash32, address: Address, found: Proved) -> None:
        # nodes first: who finds the record may look for them
        for node_hash, raw in found.nodes.items():
            self._nodes[node_hash] = raw
        self._accounts[root, address] = found.record, number
        if found.record is not None:
            self._holders[decode_account(found.record).code_hash] = address, number
        for slot, value in found.slots.items():
            self._slots[root, address, slot] = value

    def _take_code(self, code_hash: bytes, call: Call) -> bytes:
        code = self._checked_code(code_hash, call, self._client.call_all([call])[0])
        self._kept.put(codes={code_hash: code})
        self._codes[code_hash] = code
        return code

    def _checked_code(self, code_hash: bytes, call: Call, answer: Any) -> bytes:
        try:
            code: bytes = scalars.data(answer)
        except InvalidParamsError as error:
            raise OriginError(f"{self._client.name} answers {call.method} of {call.params[0]} so: {error}") from None
        if keccak256(code) != code_hash:
            raise OriginError(
                f"{self._client.name} gives a code of {call.params[0]} whose hash is not 0x{code_hash.hex()}"
            )
        return code

    def _leading(self, owner: TrieKey, path: str, root: Hash32) -> Iterator[tuple[Address, int | None]]:
        """An account or slot whose proof leads to a path: one that was read, or one that is searched for."""
        accounts, slot_keys = self._accounts.keys(), self._slots.keys()
        if not owner:
            read = (address for at, address in accounts if at == root)
            candidates = chain(read, (number.to_bytes(20, "big") for number in _tried(path)))
            account = next((item for item in candidates if _leads(item, path)), None)
            if account is not None:
                yield Address(account), None
            return
        holder = next((address for _, address in accounts if hashed(address) == owner), None)
        if holder is None:
            return
        slots = chain((slot for at, address, slot in slot_keys if (at, address) == (root, holder)), _tried(path))
        found = next((slot for slot in slots if _leads(slot.to_bytes(32, "big"), path)), None)
        if found is not None:
            yield holder, found


def named(number: int, address: Address, slots: Sequence[int]) -> str:
    """An account or slots of it, as messages call them."""
    return "".join(f"slot 0x{slot:x} of " for slot in slots) + f"0x{address.hex()} at block {number}"


def _leads(plain: bytes, path: str) -> bool:
    return keccak256(plain).hex().startswith(path)


def _tried(path: str) -> range:
    return range(TRIED_PREIMAGES if len(path) <= MOST_SEARCHED_DIGITS else 0)


def _account_calls(address: Address, number: int) -> list[Call]:
    """For an account and its code: most accounts that are read are called next."""
    return [proof_call(address, (), number), code_call(address, number)]


def code_call(address: Address, number: int) -> Call:
    """The call for an account's code."""
    return Call("eth_getCode", (f"0x{address.hex()}", hex(number)))


class OriginState:
    """One state, as a StateReader."""

    __slots__ = ("_number", "_states", "root")

    def __init__(self, states: OriginStates, number: int, root: Hash32) -> None:
        self.root = root
        self._states = states
        self._number = number

    def account(self, address: Address) -> Account | None:
        """The account at an address, or None."""
        record = self._states.record(self._number, self.root, address)
        return None if record is None else decode_account(record)

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0 where absent."""
        return self._states.slot(self._number, self.root, address, slot)

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        return self._states.code(code_hash)
