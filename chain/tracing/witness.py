"""The data that a block's execution reads, which suffices to execute the block again."""

from typing import NamedTuple

from zevm.chain.blocks.execution import BlockExecution, execute_all
from zevm.chain.errors import UnknownBlockError
from zevm.chain.tracing.errors import TraceError
from zevm.chain.types import Block, Header
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.storage import state_update
from zevm.storage.account import StateDiff
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import STATE_TRIE, Hash32, TrieKey
from zevm.storage.state import StateStore
from zevm.storage.state_readers import TrieReader
from zevm.storage.state_update import StateUpdate, TrieGround
from zevm.storage.trie import Nodes


class Witness(NamedTuple):
    """headers: ascending, the last one the parent. codes, nodes: each once, in bytewise order."""

    headers: list[Header]
    codes: list[bytes]
    nodes: list[bytes]


class _Recorder:
    """Reads through a StateStore and remembers what it read; a StatePreparer."""

    def __init__(self, states: StateStore) -> None:
        self._states = states
        self.nodes: dict[bytes, bytes] = {}
        self.codes: dict[bytes, bytes] = {}

    def nodes_of(self, owner: TrieKey) -> Nodes:
        """The nodes of a trie, remembered."""
        stored = self._states.nodes(owner)

        def find(path: str, node_hash: bytes) -> bytes | None:
            raw = stored(path, node_hash)
            if raw is not None:
                self.nodes[node_hash] = raw
            return raw

        return find

    def code(self, code_hash: bytes) -> bytes:
        """Code, remembered."""
        code = b"" if code_hash == EMPTY_KECCAK else self._states.code(code_hash)
        if code:
            self.codes[code_hash] = code
        return code

    def ground(self, base: Hash32 | StateUpdate) -> TrieGround:
        """The remembered nodes."""
        return state_update.ground_of(self.nodes_of, base)

    def prepare(self, base: Hash32 | StateUpdate, diff: StateDiff) -> StateUpdate:
        """The new state, as StateStore makes it, through the remembered nodes."""
        return state_update.prepare(self.nodes_of, base, diff)


class _Headers:
    """Hashes of past blocks, and how far back anyone asked."""

    def __init__(self, chain: ChainView, parent: Header) -> None:
        self._chain = chain
        self._parent = parent
        self.oldest = parent.number

    def hash_of(self, number: int) -> Hash32 | None:
        """A canonical block's hash; the blocks up to the parent are then part of the witness."""
        self.oldest = min(self.oldest, number)
        return self._chain.records.canonical_hash(number)

    def headers(self) -> list[Header]:
        """From the oldest that was asked for to the parent."""
        chain = [self._parent]
        while chain[-1].number > self.oldest:
            header = self._chain.header_by_hash(chain[-1].parent_hash)
            if header is None:
                break
            chain.append(header)
        return chain[::-1]


def make_witness(chain: ChainView, block: Block) -> Witness:
    """Execute a block once more and note what it reads. Raises TraceError, UnknownBlockError, TransactionError."""
    if block.number <= chain.canonical.first_number:
        raise TraceError("genesis is not traceable")
    parent = chain.header_by_hash(block.header.parent_hash)
    if parent is None:
        raise UnknownBlockError(f"block 0x{block.hash.hex()} found, but parent missing")
    recorder, headers = _Recorder(chain.database.state), _Headers(chain, parent)
    root = chain.canonical.root_held(parent)
    environment = chain.spec.environment(block.header, headers.hash_of, chain.settings.recoveries)
    reader = TrieReader(recorder.nodes_of, root, recorder.code)
    executor = Executor(environment, BlockState(reader), shortcuts=False)
    execution = BlockExecution(environment, recorder, reader, executor)
    execute_all(execution, block.transactions)
    execution.seal(block.header, uncles=block.uncles, withdrawals=block.withdrawals or ())
    recorder.nodes_of(STATE_TRIE)("", root)
    return Witness(headers.headers(), sorted(recorder.codes.values()), sorted(recorder.nodes.values()))
