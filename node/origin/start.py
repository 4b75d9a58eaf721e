"""The begin of a fork: which block of which chain, and what follows from that."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zevm.chain.errors import InvalidRequestError
from zevm.chain.rules.genesis import Genesis, check_begin
from zevm.chain.rules.networks import is_public, schedule_of
from zevm.chain.rules.schedule import ZVM_SCHEDULES
from zevm.chain.types import Header
from zevm.node.errors import NodeError
from zevm.node.origin.blocks import BlockError, header_of
from zevm.node.origin.budget import CallBudget
from zevm.node.origin.bundle import BundledKept, read_bundle, write_bundle
from zevm.node.origin.client import NoAnswerError, OriginClient, Persistence
from zevm.node.origin.endpoint import Endpoint, header_fields
from zevm.node.origin.features import features_of, read_features
from zevm.node.origin.fork import Replayed, Verified, Wanted
from zevm.node.origin.kept import Kept, KeptBlock, KeptForks
from zevm.node.origin.replay import block_number_of, replayed
from zevm.node.origin.source import RemoteOrigin
from zevm.node.origin.transport import Place, public_name
from zevm.node.setting_kinds import FORK_TAGS, NODE_SCHEMES, is_url
from zevm.node.settings import NodeSettings
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.services import ForkReport
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Address

_WORDS = {
    "proofs": "proved",
    "headers": "its accounts and slots not proved (--fork-verify headers)",
    "none": "its accounts, slots, transactions and receipts not proved (--fork-verify none)",
}
LOGGER = logging.getLogger("zevm.node")


@dataclass(frozen=True, slots=True)
class RemoteFork:
    """A Fork over JSON-RPC. kept: what is on disk of the block."""

    settings: NodeSettings
    origin: RemoteOrigin
    genesis: Genesis
    chain_id: int
    kept: Kept
    replayed: Replayed | None = None

    @property
    def described(self) -> str:
        """See Fork."""
        header, client = self.origin.header, self.origin.client
        return f"block {header.number} 0x{header.hash.hex()} of {client.name}, {_WORDS[self.settings.fork_verify]}"

    @property
    def report(self) -> ForkReport:
        """See Fork."""
        header, client = self.origin.header, self.origin.client
        return ForkReport(client.name, self.chain_id, header.number, header.hash, self.settings.fork_retry_backoff)

    def provide(self, addresses: Sequence[Address]) -> None:
        """See Fork."""
        self.origin.provide(addresses)

    def ask_instead(self, url: str) -> None:
        """See Fork. Fields of headers go to the hosts of the settings alone."""
        _check_url(url)
        endpoints = [_endpoint(self.settings, _place(self.settings, url, {}))]
        self.origin.client.ask_instead(endpoints, _persistence(self.settings))

    def again(self, wanted: Wanted) -> "RemoteFork":
        """See Fork. A bundle has one block, without nodes to ask for others."""
        file, client = self.settings.fork_bundle, self.origin.client
        if file is None or wanted.urls or client.places:
            return fork_of(self.settings, wanted, self)
        number = self.origin.header.number
        if wanted.block not in ("latest", str(number)):
            raise NodeError(f"{client.name} has block {number} alone, not {wanted.block}: name a node (jsonRpcUrl)")
        return _bundled(self.settings, file)

    def close(self) -> None:
        """See Fork."""
        self.origin.close()


def fork_of(settings: NodeSettings, wanted: Wanted | None = None, before: RemoteFork | None = None) -> RemoteFork:
    """The fork that a request or else the settings ask for. Raises NodeError, OriginError, ValueError for no URL.

    before: the fork so far, whose nodes are asked where the request names none.
    """
    if wanted is None and settings.fork_bundle is not None:
        return _bundled(settings, settings.fork_bundle)
    is_start = wanted is None
    wanted = wanted or wanted_by(settings)
    if not is_start:
        for url in wanted.urls:
            _check_url(url)
    places = [_place(settings, url, wanted.headers) for url in wanted.urls] or (
        [] if before is None else list(before.origin.client.places)
    )
    client = OriginClient(
        [_endpoint(settings, place) for place in places], _persistence(settings), fetches=settings.limits.fork_fetches
    )
    with ExitStack() as stack:
        stack.callback(client.close)
        forks = None if settings.no_storage_caching else _kept_forks(settings)
        url = ",".join(place.url for place in places)
        last = None if forks is None else forks.last(url, wanted.block)
        what = f"block {wanted.block} of {client.name}"
        # on a thread of its own: who asks for another fork has less patience than these attempts take
        block = client.once("begin", lambda: _found(client, wanted, last, is_start=is_start), lambda: what)
        if before is not None and before.origin.header.hash == block.header.hash:
            kept = before.kept.shared()
        else:
            kept = Kept() if forks is None else forks.open(block, url, wanted.block)
        stack.callback(kept.close)
        fork = _begun(settings, client, block, kept)
        if _is_transaction(wanted.block):
            after = client.once("after", lambda: replayed(client, kept, block.header, wanted.block), lambda: what)
            fork = replace(fork, replayed=after)
        stack.pop_all()
        return fork


def _bundled(settings: NodeSettings, file: Path) -> RemoteFork:
    """The fork of a bundle. Raises NodeError, OriginError."""
    bundle = read_bundle(file, settings.limits.fork_disk_bytes)
    level = bundle.verified.value
    if settings.fork_verify != level:
        raise NodeError(f"{file} was read with --fork-verify {level}: give that, which says what is believed")
    client = OriginClient([])
    client.place = f"the bundle {file.name}"
    client.hint = "; read it with --fork-url, then make the bundle again (zevm fork pack)"
    fork = _begun(settings, client, bundle.block, BundledKept(bundle.entries))
    named = settings.fork_transaction_hash
    if named is None:
        return fork
    return replace(fork, replayed=replayed(client, fork.kept, bundle.block.header, named))


def pack(settings: NodeSettings, file: Path) -> tuple[KeptBlock, int]:
    """Write what forks of a block have read into a bundle; the block, and how many answers. Raises NodeError."""
    forks, wanted = _kept_forks(settings), wanted_by(settings)
    url = ",".join(wanted.urls)
    block = forks.last(url, wanted.block)
    if block is None:
        raise NodeError(
            f"no fork of block {wanted.block} of these nodes has kept answers: start one before, and use it"
        )
    kept = forks.open(block, url, wanted.block)
    try:
        if not kept.is_open:
            raise NodeError("a fork of this block is running: stop it, then pack")
        return block, write_bundle(file, block, Verified(settings.fork_verify), kept.pairs())
    finally:
        kept.close()


def wanted_by(settings: NodeSettings) -> Wanted:
    """The fork that the settings name."""
    urls, named = split_block(settings.fork_url, settings.fork_block_number)
    return Wanted(urls, settings.fork_transaction_hash or named, chain_id=settings.fork_chain_id)


def _begun(settings: NodeSettings, client: OriginClient, block: KeptBlock, kept: Kept) -> RemoteFork:
    chain_id, header, zvm, features = block
    schedule = schedule_of(chain_id, header, settings.hardfork, zvm=zvm, features=read_features(features))
    try:
        check_begin(header, schedule)
    except InvalidRequestError as error:
        raise OriginError(f"{client.name}: no block can follow block {header.number}: {error}") from None
    origin = RemoteOrigin(client, header, schedule, settings.limits.fork_items, kept, Verified(settings.fork_verify))
    genesis = Genesis(
        schedule if settings.chain_id is None else schedule.with_changes(chain_id=settings.chain_id),
        {},
        header.gas_limit,
        timestamp=header.timestamp,
        number=header.number,
        parent_hash=header.parent_hash,
        base_fee_per_gas=header.base_fee_per_gas,
    )
    return RemoteFork(settings, origin, genesis, chain_id, kept)


def _found(client: OriginClient, wanted: Wanted, last: KeptBlock | None, *, is_start: bool) -> KeptBlock:
    """The wanted block, or the one that it was last time, where no node can be reached.

    The start of a node waits for a node that is not there yet; who asks for another fork learns it at once.
    """
    if last is None and is_start:
        return _asked(client, wanted)
    try:
        with client.attempting_once():
            return _asked(client, wanted)
    except NoAnswerError as error:
        if not error.is_absent:
            return _asked(client, wanted)
        if last is None:
            raise
        LOGGER.warning(
            "%s: the fork begins on block %d, as last time, with the answers of that time", error, last.header.number
        )
        client.be_offline("; no earlier fork of this block has read it: start one while a node can be reached")
        return last


def _check_url(url: str) -> None:
    """Refuse what a client may not name, such as a socket on this computer. Raises ValueError."""
    if not is_url(url, NODE_SCHEMES):
        raise ValueError("the value is not a URL of a node (http://HOST:PORT)")


def _place(settings: NodeSettings, url: str, headers: Mapping[str, str]) -> Place:
    """A node by its URL, with the header fields of a request, and with those of the settings if they are for it."""
    given = split_block(settings.fork_url, None)[0]
    is_known = public_name(url) in map(public_name, given)
    return Place(url, {**(header_fields(settings.fork_header) if is_known else {}), **headers}, url in given)


def _endpoint(settings: NodeSettings, place: Place) -> Endpoint:
    units = None if settings.no_rate_limit else settings.compute_units_per_second
    return Endpoint(place, settings.timeout / 1000, None if units is None else CallBudget(units))


def _persistence(settings: NodeSettings) -> Persistence:
    return Persistence(settings.retries, settings.fork_retry_backoff / 1000)


def _kept_forks(settings: NodeSettings) -> KeptForks:
    return KeptForks(_folder(settings), settings.limits.fork_disk_bytes, Verified(settings.fork_verify))


def _folder(settings: NodeSettings) -> Path:
    """The folder for what forks read: that of the settings, or of the user's caches (XDG Base Directory)."""
    if settings.fork_cache is not None:
        return settings.fork_cache
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zevm" / "forks"


def _asked(client: OriginClient, wanted: Wanted) -> KeptBlock:
    """The block that the nodes have by a name, and what its chain is."""
    chain_id = wanted.chain_id or _number(client, "eth_chainId")
    header = _header(client, wanted.block)
    if is_public(chain_id, header):
        return KeptBlock(chain_id, header)
    return KeptBlock(chain_id, header, _wasm_prices(client), features_of(client))


def _wasm_prices(client: OriginClient) -> str | None:
    """The price schedule of the WebAssembly contracts that a chain of zEVM has; None of other nodes' chains."""
    try:
        status = client.call("zvm_status")
    except NoAnswerError:
        raise
    except OriginError:
        # no node of zEVM, which each tells in its own words
        return None
    name = status.get("schedule") if isinstance(status, dict) else None
    if name is not None and name not in ZVM_SCHEDULES:
        raise NodeError(f"{client.name} has WebAssembly contracts at prices that are not known here: {name!r:.100}")
    return str(name) if name is not None else None


def split_block(urls: tuple[str, ...], block: str | None) -> tuple[tuple[str, ...], str]:
    """URLs without an `@BLOCK` at the end of one, and the block: that one, the given one, or the latest."""
    plain: list[str] = []
    for url in urls:
        front, at, end = url.rpartition("@")
        is_block = end.lstrip("-").isdecimal() or end in FORK_TAGS
        if at and is_block and ("//" in front or front.startswith("/")):
            url, block = front, block or end
        plain.append(url)
    return tuple(plain), block or "latest"


def _header(client: OriginClient, block: str) -> Header:
    """The header that a number, a negative number or a tag names."""
    number: int | None = None
    if _is_transaction(block):
        of_transaction = block_number_of(client, block)
        if of_transaction is None:
            raise NodeError(f"--fork-transaction-hash {block}: {client.name} has no such transaction in a block")
        number = _parsed(client, "eth_getTransactionByHash", of_transaction) - 1
    elif block not in FORK_TAGS:
        number = int(block)
        if number < 0:
            number += _number(client, "eth_blockNumber")
    if number is not None and number < 0:
        raise NodeError(f"--fork-block-number {block}: {client.name} has fewer blocks")
    named = block if number is None else hex(number)
    answer = client.call("eth_getBlockByNumber", named, False)
    if answer is None:
        raise NodeError(f"--fork-block-number {block}: {client.name} has no such block")
    try:
        return header_of(answer, number=number)
    except BlockError as error:
        raise OriginError(f"{client.name} answers block {block} wrongly: {error}") from None


def _is_transaction(block: str) -> bool:
    """Whether the name of a block is that of a transaction in the one after it."""
    return block.startswith("0x")


def _number(client: OriginClient, method: str) -> int:
    return _parsed(client, method, client.call(method))


def _parsed(client: OriginClient, method: str, answer: Any) -> int:
    try:
        return scalars.number(answer)
    except InvalidParamsError as error:
        raise OriginError(f"{client.name} answers {method} wrongly: {error.message}") from None
