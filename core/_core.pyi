"""The extension in Zig. Bytes in, bytes out; hashes are 32 bytes.

A function that has a reference bound (zevm.core.replaced_by) hands to it what it does not take. Without one it raises
RefusedError. An exception of a callable that was passed goes through. All may be called from any thread.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, TypeVar

_Record = TypeVar("_Record")

FACE: str
"""The checksum (SHA-256, in hexadecimal digits) of the stubs that the library was built with."""

SOURCES: str
"""The checksum of everything that it was built from: `zevm.core.build.sources_checksum`."""

class RefusedError(ValueError):
    """The core does not take these arguments: they are malformed, or of a rare kind."""

def keccak256(data: bytes, /) -> bytes:
    """The digest. Data over 64 KB are hashed with the interpreter's lock free. Raises TypeError for no bytes."""

def keccak_many(items: Sequence[bytes], /) -> list[bytes]:
    """The digests of a list's or tuple's items: four or eight at once where the processor can."""

def bloom(items: Sequence[bytes], /) -> bytes:
    """The 256-byte bloom filter of addresses and topics."""

def rlp_encode(item: object, /) -> bytes:
    """The encoding of bytes, or of lists or tuples of such, up to 256 deep."""

def rlp_decode(data: bytes, max_depth: int = 64, /) -> Any:
    """Bytes, or nested lists of bytes: the one item that spans the data. Lists in lists: `max_depth`, at most 256."""

def rlp_split(data: bytes, /) -> list[bytes]:
    """The still encoded items of the list that spans the data."""

def items_replaced(data: bytes, table: Mapping[bytes, bytes], /) -> bytes:
    """A list's RLP with items of a table, a dict of encoded items (storage/short_headers.py)."""

def trie_get(nodes: Callable[[str, bytes], bytes | None], root: bytes, key: bytes, /) -> bytes | None:
    """The value at a key of 64 bytes at most, or None. nodes: path in hexadecimal digits and hash -> the node."""

def trie_get_with_proof(
    nodes: Callable[[str, bytes], bytes | None], root: bytes, key: bytes, /
) -> tuple[bytes | None, list[bytes]]:
    """As `trie_get`, and the nodes that were looked up, from the root on."""

def trie_update(
    nodes: Callable[[str, bytes], bytes | None], root: bytes, changes: Mapping[bytes, bytes], /
) -> tuple[bytes, dict[bytes, bytes]]:
    """The root after the changes (a dict; b"" deletes), and each new node by its hash."""

def trie_changes(
    nodes: Callable[[str, bytes], bytes | None],
    known: Sequence[dict[bytes, bytes]],
    owner: bytes,
    old_root: bytes,
    new_root: bytes,
    /,
) -> tuple[dict[bytes, bytes], dict[bytes, bytes | None], dict[bytes, bytes], dict[bytes, bytes]]:
    """storage.node_changes.trie_changes."""

def ordered_root(items: Sequence[bytes], /) -> bytes:
    """The root of the trie that holds each item of a list under the RLP of its index."""

def make_changes(
    parts: tuple[Any, ...],
    delete: Callable[[bytes], object],
    new_accounts: Mapping[bytes, tuple[int, int, bytes] | None],
    new_slots: Mapping[tuple[bytes, int], int],
    /,
) -> None:
    """Set accounts and slots in the parts of a state (chain/vm/state_changes.py). What callables raise goes through."""

def make_plain_calls(parts: tuple[Any, ...], calls: Sequence[tuple[bytes, bytes, Mapping[int, int] | None]], /) -> int:
    """Make the effects of system calls in the parts of a state (chain/vm/state_changes.py). As `make_changes`."""

def net_changes(
    base: Mapping[bytes, tuple[int, int, bytes, bytes] | None],
    accounts: Mapping[bytes, tuple[int, int, bytes] | None],
    slots: Mapping[bytes, Mapping[int, int]],
    base_slots: Mapping[bytes, Mapping[int, int]],
    wiped: Mapping[bytes, bool],
    codes: Mapping[bytes, bytes],
    change_of: Callable[[tuple[int, int, bytes]], Any],
    /,
) -> tuple[dict[bytes, Any], dict[bytes, dict[int, int]], set[bytes], dict[bytes, bytes], dict[bytes, bytes]]:
    """The fields of a StateDiff (chain/vm/net_change.py): what differs from an earlier state. Mappings are dicts."""

def state_after(
    nodes: Callable[[bytes], Callable[[str, bytes], bytes | None]],
    known: Sequence[Mapping[bytes, bytes]],
    root: bytes,
    accounts: Mapping[bytes, tuple[int, int, bytes] | None],
    storage: Mapping[bytes, Mapping[int, int]],
    wiped: Container[bytes],
    storage_roots: Mapping[bytes, bytes],
    account_of: Callable[[tuple[int, int, bytes, bytes]], Any],
    /,
) -> tuple[bytes, dict[bytes, bytes], dict[bytes, Any], dict[bytes, bytes]]:
    """The root after a difference, records and accounts by address, new nodes by hash. Mappings are dicts.

    nodes: the key of an account, b"" for the state trie -> that trie's nodes, as `trie_get` asks for them. known: nodes
    by hash, which are looked into first. account_of: makes an account of nonce, balance, storage root and code hash.
    """

def ended_block(
    nodes: Callable[[bytes], Callable[[str, bytes], bytes | None]],
    known: Sequence[Mapping[bytes, bytes]],
    root: bytes,
    contents: tuple[Mapping[Any, Any], ...],
    account_of: Callable[[tuple[int, int, bytes, bytes]], Any],
    most_changes: int | None,
    header_class: type[_Record],
    names: Sequence[str],
    sizes: Sequence[int],
    values: Sequence[object],
    transactions: Sequence[bytes],
    receipts: Sequence[object],
    /,
) -> tuple[Any, ...] | None:
    """The state and the header at a block's end (chain/blocks/ending.py), out of `net_changes`'s first arguments."""

def flat_changes(
    get: Callable[[bytes], bytes | None],
    accounts: Mapping[bytes, bytes],
    storage: Mapping[bytes, Mapping[int, int]],
    removed: Sequence[bytes],
    /,
) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes]]]:
    """Operations on flat records, and the old value of each that changes (storage/flat_state.py)."""

def flat_operations(
    get: Callable[[bytes], bytes | None],
    undo_key: bytes,
    before: bytes,
    after: bytes,
    accounts: Mapping[bytes, bytes],
    storage: Mapping[bytes, Mapping[int, int]],
    removed: Sequence[bytes],
    /,
) -> list[tuple[bytes, bytes | None]]:
    """The operations of `flat_changes`, the new roots, and those of `difference_operations` (storage/flat_state.py)."""

def index_operations(
    number: int, block_hash: bytes, transaction_hashes: Sequence[bytes], log_keys: Sequence[bytes], /
) -> list[tuple[bytes, bytes]]:
    """Operations of a canonical block's indexes and of the head (storage/ledger.py)."""

def block_operations(
    number: int,
    block_hash: bytes,
    transaction_hashes: Sequence[bytes],
    header: bytes,
    transactions: Sequence[bytes],
    rest: bytes,
    receipts: Sequence[object],
    /,
) -> list[tuple[bytes, bytes]]:
    """A block, its receipts and its place in the indexes, and the head (chain/canonical/appending.py)."""

def head_operations(
    flat: tuple[Any, ...],
    table: Mapping[bytes, bytes],
    number: int,
    block_hash: bytes,
    header: bytes,
    transactions: Sequence[object],
    rest: bytes,
    receipts: Sequence[object],
    /,
) -> list[tuple[bytes, bytes | None]]:
    """All that a new head writes (chain/canonical/appending.py). flat: the arguments of `flat_operations`."""

def difference_operations(
    undo_key: bytes, before: bytes, after: bytes, old_values: Sequence[tuple[bytes, bytes]], /
) -> list[tuple[bytes, bytes]]:
    """Operations of a reverse difference under a key of 13 bytes, and of its index (storage/history.py)."""

def memory_changes(
    data: Mapping[bytes, bytes | None], operations: Sequence[tuple[bytes, bytes | None]], packed: type[bytes], /
) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None], list[bytes], list[bytes]]:
    """What a batch changes in a dict: by key, values as they are kept and those before; keys that come; those that go.

    packed: the class of values without their zeros (storage/memory.py).
    """

def fields_rlp(values: Sequence[object], /) -> bytes:
    """The list of strings, of integers of 256 bits, and of tuples, which are lists of these, four deep at most.

    None is the empty string, and left out at the end.
    """

def fields_fit(values: Sequence[bytes | int | None], sizes: Sequence[int], /) -> bool:
    """True where each value but None has its positive size in bytes, or its negative one in bits at most.

    Without a reference it is refused otherwise.
    """

def set_fields(record: object, names: Sequence[str], values: Sequence[object], /) -> None:
    """Set attributes as object.__setattr__ does (core/records.py)."""

def sealed_header(
    header_class: type[_Record],
    names: Sequence[str],
    sizes: Sequence[int],
    values: Sequence[object],
    transactions: Sequence[bytes],
    receipts: Sequence[object],
    /,
) -> tuple[_Record, bytes]:
    """A finished block's header and its RLP (chain/types/header.py). names: of all fields, and of the hash."""

def body_transactions(encoded: Sequence[bytes], /) -> bytes:
    """The list of a block's transactions (chain/types/block.py)."""

def receipts_summary(receipts: Sequence[object], /) -> tuple[bytes, bytes]:
    """The root of a block's receipts (chain/types/receipt.py), or EncodedReceipts, and their blooms' union."""

def stored_receipts(receipts: Sequence[object], /) -> bytes:
    """The list of a block's receipts as the ledger keeps them."""

def transaction_fields(data: bytes, /) -> dict[str, Any] | None:
    """The fields of chain.types.Transaction by name; `type` is a number, entries of lists are tuples.

    With `hash` and `signing_hash` where the transaction has 4,096 bytes at most. Blob transactions with their sidecar
    are refused.
    """

def plain_needs(
    transaction: object, environment: object, limits: object, local: bool, /
) -> tuple[int, int, int, int] | None:
    """What a plain transaction needs that the pool may take (chain/pool/admission.py)."""

def run_plain(
    state: object,
    helper: object,
    block: tuple[Any, ...],
    transaction: object,
    gas: tuple[int, int, int],
    base_fee: int | None,
    gas_available: int,
    warm: bytes,
    is_shared: bool,
    /,
) -> tuple[Any, ...] | None:
    """Take a Transaction without lists through all phases, as `run_transaction` does (chain/vm/engines/plain.py).

    gas: GasNeeds. base_fee, gas_available: of the block, and what it has left. is_shared: see `transaction_fields` of
    chain/vm/engines/native.py. Returns status, output, detail, gas used, gas used before refunds, spare gas, accounts,
    slots, codes and logs; None where the core refuses, or the transaction may not be in the block.
    """

def run_plain_block(
    state: object,
    helper: object,
    block: tuple[Any, ...],
    transactions: Sequence[object],
    gas: Sequence[tuple[int, int, int] | None],
    base_fee: int | None,
    gas_available: int,
    warm: bytes,
    is_shared: bool,
    rules: object,
    ends: list[tuple[int, bytes, Any, int, int, list[tuple[bytes, tuple[bytes, ...], bytes]]]],
    /,
) -> None:
    """Run Transactions of a block one after another, each as `run_plain`, and make their changes in the state.

    gas: None of one that validate_static has not seen, which is checked by the rules. ends: gets status, output,
    detail, gas used, price and logs of each. It ends before a transaction that `run_plain` would give None of, or that
    is not valid, and behind one that has asked the helper.
    """

def run_simulated(
    state: object,
    helper: object,
    block: tuple[Any, ...],
    calls: Sequence[tuple[Any, ...]],
    base_fee: int | None,
    gas_left: int,
    gas_budget: int,
    validates: bool,
    warm: bytes,
    is_shared: bool,
    shows_transfers: bool,
    records: tuple[type, type, type],
    ends: list[Any],
    /,
) -> None:
    """Run SimulatedCalls (chain/vm/simulated_calls.py) one after another, as `run_plain_block` runs Transactions.

    gas_left: of the block. gas_budget: what all further calls may use. shows_transfers: as logs. records: SimulatedEnd,
    CallResult and EncodedReceipt. ends: gets a SimulatedEnd of each that succeeds without logs. Of others it gets
    status, output, detail, gas used, gas used before refunds, whether its gas was capped, logs, the places of transfers
    in them, their own among all that were made, the number of these, gas limit, nonce, the encoded transaction, its
    hash, encoded receipt and bloom. It ends before a call that has lists, that creates, or that may not begin.
    """

def run_call(
    state: object,
    accounts: Mapping[bytes, Any] | None,
    view: object,
    block: tuple[Any, ...],
    request: tuple[Any, ...],
    warm: bytes,
    is_shared: bool,
    /,
) -> tuple[int, bytes, Any, int, int, int, list[tuple[bytes, tuple[bytes, ...], bytes]]] | None:
    """Take a call off the chain through all phases, of whose effects nothing is told; None where the core refuses.

    As `run_transaction`; the state is the helper too, its `account_fields` may give a whole Account, and code that the
    core has kept is not asked for. Of `accounts`, by their addresses, the state is not asked. Where `view` is not None,
    slots are read by its `get`, as records of storage/schema.py. request: a CallRequest to an account, without fees and
    authorizations, whose gas limit covers what it costs before it runs; its access list is pairs of address and slots.
    Returns status, output, detail, gas used, gas used before refunds, spare gas, and logs.
    """

def evm_operations(fork: int, /) -> list[tuple[str, int, int, int] | None]:
    """The machine's table for a fork's index: by opcode name, constant gas, words taken and given."""

def evm_words(opcode: int, operands: bytes, /) -> bytes:
    """An instruction from ADD to CLZ on each group of 32-byte operands, the top one first; the 32-byte results."""

def hex_json(value: object, /) -> bytes:
    """JSON text of dicts, lists and tuples, 8 deep at most: bytes and integers of 256 bits as 0x-prefixed hex."""

def results_json(results: Sequence[tuple[Any, ...]], /) -> bytes:
    """CallResults (chain/calls/simulation.py) without errors and logs, as items of a JSON list, with commas between."""

def simulated_calls(values: list[object], usual: _Record, legacy: _Record, /) -> list[_Record]:
    """Call objects of a request as SimulatedCalls, without lists, blobs and a chain (rpc/methods/eth/simulate.py).

    usual, legacy: the SimulatedCalls of objects without members, the second one of a legacy transaction.
    """

def call_arguments(value: object, usual: _Record, /) -> _Record:
    """A call object as TransactionArguments, without a type, lists and blobs (rpc/codec/objects.py).

    usual: the arguments of an object without members.
    """

def secp256k1_start(addresses: tuple[int, ...], /) -> None:
    """Take the addresses of libsecp256k1's context and functions, in the order of `Api` in core/zig/signatures.zig."""

def recover_address(digest: bytes, y_parity: int, r: int, s: int, /) -> bytes:
    """The address whose key signed a digest (chain/types/signatures.py). After `secp256k1_start`."""

def recover_addresses(signatures: Sequence[tuple[bytes, int, int, int]], /) -> list[bytes | None]:
    """The addresses whose keys signed, None where no key fits (chain/types/signatures.py).

    signatures: digest, y_parity, r and s each. Works on threads of its own, without the interpreter's lock.
    """

def run_message(
    state: object,
    helper: object,
    block: tuple[Any, ...],
    transaction: tuple[Any, ...],
    message: tuple[Any, ...],
    /,
) -> tuple[int, int, bytes, Any, int | None, tuple[Any, ...]] | None:
    """Run a transaction's outermost message with all that it calls; None where the core refuses it.

    state: an ExecutionState, of which cold accounts, slots and codes are asked and which does not change. helper: see
    chain/vm/engines/native.py, whose `_block`, `_transaction` and `_message` make the tuples.
    Returns status, gas left, output, detail, spare gas (None for no limit) and effects (chain/vm/execution_state.py).
    What the state and the helper raise goes through.
    """

def run_transaction(
    state: object,
    helper: object,
    block: tuple[Any, ...],
    transaction: tuple[Any, ...],
    transaction_environment: tuple[Any, ...],
    warm: bytes,
    wants_named: bool,
    watch: tuple[int, bool, bool] | None,
    /,
) -> tuple[tuple[int, bytes, Any, int, int, int, bytes | None, tuple[Any, ...]], tuple[int, list[Any]] | None] | None:
    """Take a transaction or a call through all phases, as `run_message` runs a message; None where the core refuses.

    transaction_environment: see chain/vm/engines/whole.py. warm: the precompiles that are warm at first, as entries
    of 21 bytes; all that the transaction does not name besides is cold.
    wants_named: whether the addresses and slots that instructions name are wanted, failed frames' too. watch: for a
    record of frames, the most bytes that it may take, past which the core refuses, and whether it has logs, and looks.
    Returns status, output, detail, gas used, gas used before refunds, spare gas, the new contract's address, and the
    net changes: accounts, slots and codes as of `run_message`, logs, the place of each among all that were made, their
    number, the addresses named, and the slots named. Beside that, of a watched run, the bytes that the record takes,
    and its events: the fields of a FrameStart (chain/vm/message.py); gas used, output, status and detail of a frame's
    end; address, topics and data of a log; address and slot, or None, of the first look of an instruction at it.
    """

def wasm_start(addresses: tuple[int, ...], /) -> None:
    """Take the addresses of wasmtime's functions, in the order of `Api` in core/zig/wasmtime.zig. Before all below."""

def wasm_functions() -> dict[str, int]:
    """The addresses of host functions of WebAssembly contracts, by their names: wasmtime_func_unchecked_callback_t.

    A module that is bound to any of them runs in a store whose data is the address of a run, as `wasm_begin` gives it.
    """

def wasm_machine_functions() -> dict[str, int]:
    """The same for contracts that run as frames of `run_message` and `run_transaction`: all host functions."""

def wasm_forget(template: int, /) -> None:
    """Drop the instances of a module bound to its imports that wait for another run. Before the template goes."""

def wasm_begin(scratch: int, has_memory: bool, prices: bytes, data: bytes, host: object, /) -> int:
    """The address of a run, which lives until `wasm_end`. Raises RefusedError where there is no memory for it.

    scratch: the address of a chain.zvm.runtime.capi.Scratch. prices: core/zig/wasm_frame.zig. data: call data.
    host: a chain.zvm.host.native.NativeHost.
    """

def wasm_run(
    run: int,
    engine: int,
    template: int,
    memory_bytes: int,
    table_elements: int,
    entry: bytes,
    ink: int,
    stack_words: int,
    slots: int,
    slot_count: int,
    at_epoch: int,
    /,
) -> tuple[int, int, int]:
    """Make an instance in a store of its own and call its function, once a run; with the interpreter's lock free.

    engine, template, slots, at_epoch: addresses, the last 0 for a run without a deadline. slots: the arguments, which
    the result replaces. Returns (course, wasmtime's error or 0, ink left). Courses: 0 called, 1 not instantiated, 2 an
    export is missing. A trap is in the scratch.
    """

def wasm_failure(run: int, /) -> BaseException | tuple[int, int, int] | None:
    """Why a run was stopped: what its host raised, or a kind and numbers (`End` in core/zig/wasm_frame.zig)."""

def wasm_end(run: int, /) -> bytes | None:
    """End a run and its store: its output, None where none was set. The address is not to be used again."""

def bn254_add(data: bytes, /) -> bytes | str:
    """The sum of two points of alt_bn128 (EIP-196), 64 bytes; or geth's text of what is wrong with the input."""

def bn254_multiply(data: bytes, /) -> bytes | str:
    """A point times a scalar, in the same way."""

def bn254_pairing(data: bytes, /) -> bytes | str:
    """1 as a word where the product of the pairings is one, else 0 (EIP-197); or the text of what is wrong."""

def modexp(base: bytes, exponent: bytes, modulus: bytes, /) -> bytes:
    """base ** exponent % modulus, as long as the modulus (EIP-198). A base or modulus over 1,024 bytes is refused."""

def blake2f(data: bytes, /) -> bytes:
    """The 64 bytes of BLAKE2b's compression function for well-formed input of 213 bytes (EIP-152)."""

def bind(
    name: str, reference: Callable[..., object] | None, result: Callable[..., object] | None, /
) -> Callable[..., object] | None:
    """Let a function hand to `reference` what it refuses, and pass its own answers through `result`.

    Returns the reference that was bound before.
    """

def check(exception: type[Exception] | None, /) -> type[Exception] | None:
    """From now on run a function's reference too, and raise this exception where the results differ; None: no more.

    Returns what was in force before.
    """

def use_kernel(name: str, /) -> None:
    """Compute with another level than the best one: "baseline", "x86_64_v3", "x86_64_v4". Raises RefusedError."""

def kernel() -> str:
    """The level in use."""

def memory() -> tuple[int, int, int]:
    """Bytes that the core has allocated, their highest number so far, and their limit (1 GiB)."""

def limit_memory(limit_bytes: int, /) -> None:
    """Set the limit. Work that would pass it is refused, and so done in Python."""
