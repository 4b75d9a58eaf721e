"""`zevm fork pack` and --fork-bundle: a fork without a network, out of a file that proves itself."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.forked import ForkedNode, run_forked
from testing.node_process import NodeError, RpcConnection, RpcError, node_environment, zevm_command
from testing.origin_chain import OTHER, SENDER, Chain, forked, store, stored
from zevm.chain.rules.forks import LATEST_FORK
from zevm.chain.rules.schedule import ForkSchedule
from zevm.node.errors import NodeError as RefusedError
from zevm.node.origin.bundle import BundledKept, read_bundle, write_bundle
from zevm.node.origin.client import OriginClient
from zevm.node.origin.fork import Verified
from zevm.node.origin.kept import RECORD_PREFIX
from zevm.node.origin.source import RemoteOrigin
from zevm.storage import schema
from zevm.storage.errors import OriginError, StorageError

pytestmark = pytest.mark.slow
MOST_BYTES = 1 << 26
Made = tuple[Path, list[Any], Any]
"""A bundle, the answers that went into it, and a block on top of them."""


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


def pack(file: Path, cache: Path, url: str) -> str:
    arguments = ["fork", "pack", str(file), "--fork-url", url, "--fork-cache", str(cache)]
    done = run_forked(arguments, stdin="", cwd=cache.parent, environment=node_environment(), timeout_seconds=60)
    return done.stdout + done.stderr


def asked(rpc: RpcConnection, origin: Chain) -> list[Any]:
    """Reads of every kind."""
    first, last = origin.receipts[0], origin.receipts[-1]
    return [
        stored(rpc, origin.contract, 7),
        stored(rpc, origin.contract, 999),
        rpc.call("eth_getBalance", OTHER, "0x3"),
        rpc.call("eth_getBlockByNumber", "0x5", True),
        rpc.call("eth_getBlockByHash", first["blockHash"], True),
        rpc.call("eth_getTransactionReceipt", last["transactionHash"]),
        rpc.call("eth_getTransactionByHash", first["transactionHash"]),
        rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(origin.number), "address": origin.contract}),
        rpc.call("eth_getProof", origin.contract, ["0x7"], "latest"),
        rpc.call("debug_traceTransaction", first["transactionHash"]),
    ]


def block_of(rpc: RpcConnection, origin: Chain) -> Any:
    rpc.call("evm_setNextBlockTimestamp", 2_000_000_000)
    store(rpc, origin.contract, 7, 0)
    return rpc.call("eth_getBlockByNumber", "latest", True)


@pytest.fixture(scope="module")
def bundle(origin: Chain, tmp_path_factory: pytest.TempPathFactory) -> Made:
    cache = tmp_path_factory.mktemp("bundle") / "cache"
    with forked(origin.node.url, "--fork-cache", str(cache)) as node, node.connect() as rpc:
        answers, block = asked(rpc, origin), block_of(rpc, origin)
    file, again = cache.parent / "chain.zfork", cache.parent / "again.zfork"
    assert f"answers on block {origin.number} of chain 31337" in pack(file, cache, origin.node.url)
    pack(again, cache, origin.node.url)
    assert again.read_bytes() == file.read_bytes()
    return file, answers, block


def from_bundle(file: Path, *options: str) -> ForkedNode:
    return ForkedNode(zevm_command("--fork-bundle", str(file), *options))


def test_a_bundle_is_the_chain_as_far_as_it_was_read(origin: Chain, bundle: Made) -> None:
    file, answers, block = bundle
    with from_bundle(file) as node, node.connect() as rpc:
        assert "of the bundle chain.zfork, proved" in node.tail(60)
        assert asked(rpc, origin) == answers
        # what was not read is an error with a remedy, and never zero
        for method, params in (
            ("eth_getStorageAt", [origin.contract, "0x9", "latest"]),
            ("eth_getBalance", [origin.contract, "0x9"]),
            ("eth_getTransactionByHash", ["0x" + "12" * 32]),
        ):
            with pytest.raises(RpcError, match=r"the bundle chain.zfork lacks .* make the bundle again") as caught:
                rpc.call(method, *params)
            assert caught.value.code == -32000
        with pytest.raises(RpcError, match="lacks"):
            store(rpc, origin.contract, 11, 1)
        assert block_of(rpc, origin) == block


def test_a_reset_begins_on_the_bundles_block_again(origin: Chain, bundle: Made) -> None:
    file, _, block = bundle
    with from_bundle(file) as node, node.connect() as rpc:
        for forking in ({"blockNumber": origin.number}, {}):
            assert block_of(rpc, origin) == block
            rpc.call("hardhat_reset", {"forking": forking})
            assert int(rpc.call("eth_blockNumber"), 16) == origin.number
        with pytest.raises(RpcError, match=f"the bundle chain.zfork has block {origin.number} alone, not 3"):
            rpc.call("anvil_reset", {"forking": {"blockNumber": 3}})
        rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": origin.node.url, "blockNumber": 3}})
        assert rpc.call("eth_blockNumber") == "0x3"


def test_a_damaged_or_another_file_is_refused(bundle: Made, tmp_path: Path) -> None:
    content, file = bundle[0].read_bytes(), tmp_path / "x.zfork"
    step = max(1, len(content) // 40)
    for place in (*range(10, len(content), step), len(content) - 1):
        file.write_bytes(content[:place] + bytes((content[place] ^ 0x10,)) + content[place + 1 :])
        with pytest.raises(RefusedError):
            read_bundle(file, MOST_BYTES)
    for wrong in (b"", b"zevm", content[:-9], content[: len(content) // 2]):
        file.write_bytes(wrong)
        with pytest.raises(RefusedError):
            read_bundle(file, MOST_BYTES)
    empty = b"zevm fork 1\n"
    digest = hashlib.sha256(empty).digest()
    file.write_bytes(gzip.compress(empty + len(digest).to_bytes(4, "big") + digest))
    with pytest.raises(RefusedError, match="is no bundle of a fork that this version reads"):
        read_bundle(file, MOST_BYTES)
    block = read_bundle(bundle[0], MOST_BYTES).block
    write_bundle(file, block._replace(zvm="ink"), Verified.PROOFS, iter(()))
    with pytest.raises(RefusedError, match="prices that are not known here: 'ink'"):
        read_bundle(file, MOST_BYTES)
    with pytest.raises(RefusedError, match="more than 1000 bytes"):
        read_bundle(bundle[0], 1000)
    for options, words in (
        ((tmp_path / "none.zfork",), "cannot be read"),
        ((bundle[0], "--fork-verify", "none"), "read with --fork-verify proofs"),
    ):
        with pytest.raises(NodeError, match=words), from_bundle(*options):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("failure", [KeyboardInterrupt, StorageError("lost")])
def test_a_bundle_is_written_whole_or_not_at_all(
    bundle: Made, tmp_path: Path, failure: type[BaseException] | BaseException
) -> None:
    block, file = read_bundle(bundle[0], MOST_BYTES).block, tmp_path / "x.zfork"

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        yield b"a", b"b"
        raise failure

    with pytest.raises((KeyboardInterrupt, RefusedError)):
        write_bundle(file, block, Verified.PROOFS, pairs())
    assert not list(tmp_path.iterdir())
    file.write_bytes(b"a file")
    with pytest.raises(RefusedError, match="cannot be written: not a directory"):
        write_bundle(file / "below.zfork", block, Verified.PROOFS, iter(()))


def answer(read: Callable[[], object]) -> object:
    try:
        return read()
    except OriginError:
        return "missing"


def test_no_altered_value_is_believed(bundle: Made, tmp_path: Path) -> None:
    """Every value in turn with another byte, in a file whose checksum fits: each read is as before, or an error."""
    whole, file = read_bundle(bundle[0], MOST_BYTES), tmp_path / "altered.zfork"
    searches = RECORD_PREFIX + b"logs"
    contract = bytes.fromhex(bundle[1][8]["address"][2:])
    addresses = (bytes.fromhex(SENDER[2:]), bytes.fromhex(OTHER[2:]), contract)
    keys = [
        *(key[1:] for key in whole.entries if key.startswith(RECORD_PREFIX) and not key.startswith(searches)),
        *map(schema.account_key, addresses),
        *(schema.slot_key(contract, slot) for slot in (7, 999)),
        *(schema.code_key(key[1:]) for key in whole.entries if key.startswith(b"c")),
    ]

    def reads(entries: dict[bytes, bytes]) -> list[object]:
        write_bundle(file, whole.block, Verified.PROOFS, iter(sorted(entries.items())))
        found = read_bundle(file, MOST_BYTES)
        schedule = ForkSchedule.default(31337, LATEST_FORK)
        origin = RemoteOrigin(OriginClient([]), found.block.header, schedule, 1000, BundledKept(found.entries))
        try:
            return [answer(lambda key=key: origin.record(key)) for key in keys]  # type: ignore[misc]
        finally:
            origin.close()

    truths = reads(dict(whole.entries))
    assert "missing" not in truths
    refused = 0
    for key, value in sorted(whole.entries.items()):
        if value and not key.startswith(searches):
            altered = reads(dict(whole.entries) | {key: value[:-1] + bytes((value[-1] ^ 1,))})
            assert all(read in (truth, "missing") for read, truth in zip(altered, truths, strict=True)), key.hex()
            refused += altered != truths
    assert refused > 20


def test_what_cannot_be_packed_is_told(origin: Chain, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert "has kept answers: start one before" in pack(tmp_path / "f", cache, origin.node.url)
    with forked(origin.node.url, "--fork-cache", str(cache)):
        assert "a fork of this block is running" in pack(tmp_path / "f", cache, origin.node.url)
    assert "cannot be written" in pack(tmp_path / "no" / "f", cache, origin.node.url)
