"""The begin of a fork: which block of which chain, and what follows from that."""

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from zevm.chain.rules.genesis import Genesis
from zevm.chain.rules.networks import is_public, schedule_of
from zevm.chain.rules.schedule import ZVM_SCHEDULES
from zevm.chain.types import Header
from zevm.node.errors import NodeError
from zevm.node.origin.blocks import BlockError, header_of
from zevm.node.origin.client import NoAnswerError, OriginClient, Persistence
from zevm.node.origin.endpoint import Endpoint, header_fields, public_name
from zevm.node.origin.fork import Fork
from zevm.node.origin.kept import Kept, KeptBlock, KeptForks
from zevm.node.origin.source import RemoteOrigin
from zevm.node.setting_kinds import FORK_TAGS, is_url
from zevm.node.settings import NodeSettings
from zevm.rpc.codec import scalars
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.services import ForkReport
from zevm.storage.errors import OriginError

LOGGER = logging.getLogger("zevm.node")
_ONE_ATTEMPT = Persistence(0, 0.0)


def fork_of(settings: NodeSettings) -> Fork:
    """The fork that the settings ask for. Raises NodeError, OriginError."""
    urls, named = split_block(settings.fork_url, settings.fork_block_number)
    forks = None if settings.no_storage_caching else KeptForks(_folder(settings), settings.limits.fork_disk_bytes)
    url = ",".join(urls)
    last = None if forks is None else forks.last(url, named)
    client = _client(settings, urls)
    if last is None:
        block = _asked(client, named, settings.fork_chain_id)
    else:
        once = _client(settings, urls, _ONE_ATTEMPT)
        try:
            block = _asked(once, named, settings.fork_chain_id)
        except NoAnswerError as error:
            if error.is_absent:
                number = last.header.number
                LOGGER.warning(
                    "%s: the fork begins on block %d, as last time, with the answers of that time", error, number
                )
                block, client = last, once
                client.hint = "; no earlier fork of this block has read it: start one while a node can be reached"
            else:
                block = _asked(client, named, settings.fork_chain_id)
    return _fork(settings, client, block, None if forks is None else forks.open(block, url, named))


def _client(settings: NodeSettings, urls: Sequence[str], persistence: Persistence | None = None) -> OriginClient:
    headers = header_fields(settings.fork_header)
    return OriginClient(
        [Endpoint(url, headers, settings.timeout / 1000) for url in urls],
        persistence or _persistence(settings),
        fetches=settings.limits.fork_fetches,
    )


def _persistence(settings: NodeSettings) -> Persistence:
    return Persistence(settings.retries, settings.fork_retry_backoff / 1000)


def _ask_instead(settings: NodeSettings, client: OriginClient, url: str) -> str:
    """Read from another node; its public URL. Fields of headers go to the hosts of the settings alone. ValueError."""
    if not is_url(url):
        raise ValueError("the value is not a URL of a node (http://HOST:PORT)")
    known = {public_name(given) for given in split_block(settings.fork_url, None)[0]}
    headers = header_fields(settings.fork_header) if public_name(url) in known else {}
    client.ask_instead([Endpoint(url, headers, settings.timeout / 1000)], _persistence(settings))
    return client.name


def _folder(settings: NodeSettings) -> Path:
    """The folder for what forks read: that of the settings, or of the user's caches (XDG Base Directory)."""
    if settings.fork_cache is not None:
        return settings.fork_cache
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zevm" / "forks"


def _asked(client: OriginClient, named: str, chain_id: int | None) -> KeptBlock:
    """The block that the nodes have by a name, and what its chain is."""
    chain_id = chain_id or _number(client, "eth_chainId")
    return KeptBlock(chain_id, _header(client, named), None if is_public(chain_id) else _wasm_prices(client))


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


def _fork(settings: NodeSettings, client: OriginClient, block: KeptBlock, kept: Kept | None) -> Fork:
    chain_id, header, zvm = block
    schedule = schedule_of(chain_id, header, settings.hardfork, zvm=zvm)
    origin = RemoteOrigin(client, header, schedule, settings.limits.fork_items, kept)
    genesis = Genesis(
        schedule if settings.chain_id is None else schedule.with_changes(chain_id=settings.chain_id),
        {},
        header.gas_limit,
        timestamp=header.timestamp,
        number=header.number,
        parent_hash=header.parent_hash,
        base_fee_per_gas=header.base_fee_per_gas,
    )
    described = f"block {header.number} 0x{header.hash.hex()} of {client.name}, proved"
    report = ForkReport(
        client.name,
        chain_id,
        header.number,
        header.hash,
        settings.fork_retry_backoff,
        partial(_ask_instead, settings, client),
    )
    return Fork(origin, genesis, described, report, origin.provide, origin.close)


def split_block(urls: tuple[str, ...], block: str | None) -> tuple[tuple[str, ...], str]:
    """URLs without an `@BLOCK` at the end of one, and the block: that one, the given one, or the latest."""
    plain: list[str] = []
    for url in urls:
        front, at, end = url.rpartition("@")
        if at and "/" not in end and "//" in front and (end.lstrip("-").isdecimal() or end in FORK_TAGS):
            url, block = front, block or end
        plain.append(url)
    return tuple(plain), block or "latest"


def _header(client: OriginClient, block: str) -> Header:
    """The header that a number, a negative number or a tag names."""
    number: int | None = None
    if block not in FORK_TAGS:
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


def _number(client: OriginClient, method: str) -> int:
    answer: Any = client.call(method)
    try:
        return scalars.number(answer)
    except InvalidParamsError as error:
        raise OriginError(f"{client.name} answers {method} wrongly: {error.message}") from None
