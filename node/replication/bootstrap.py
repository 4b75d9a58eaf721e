"""The genesis of a new follower: its leader's."""

import asyncio
import threading
from concurrent.futures import Future

from zevm.chain.errors import ChainError
from zevm.chain.rules.genesis import Genesis
from zevm.node.errors import NodeError
from zevm.node.network import choose_genesis
from zevm.node.replication.follower import greeted
from zevm.node.replication.frames import Frames, RefusedError
from zevm.node.replication.identity import decode_genesis
from zevm.node.replication.messages import Hello, MessageError
from zevm.node.replication.stream import Dial
from zevm.node.settings import NodeSettings
from zevm.rpc.limits import Limits
from zevm.storage.keccak import keccak256


def with_leaders_genesis(settings: NodeSettings, dial: Dial, client: str) -> NodeSettings:
    """The settings of a new chain; unless they have a genesis, with the leader's.

    Raises NodeError if the leader does not answer, or a setting contradicts its genesis.
    """
    if settings.follow is None or settings.init is not None:
        return settings
    genesis = _fetched(settings.follow, dial, settings.limits, client)
    named = settings.model_copy(update={"init": genesis})
    if choose_genesis(named, None) != genesis:
        raise NodeError(
            f"the chain id, fork, first block or base fee of the settings is not that of {settings.follow}: "
            "omit it, since a follower has its leader's"
        )
    return named


def _fetched(address: str, dial: Dial, limits: Limits, client: str) -> Genesis:
    """The leader's genesis. On a thread of its own, since the caller may have an event loop."""
    done: Future[Genesis] = Future()

    def fetch() -> None:
        try:
            done.set_result(asyncio.run(_fetch(dial, limits, client)))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=fetch, name="leaders-genesis", daemon=True).start()
    try:
        return done.result()
    except (OSError, TimeoutError) as error:
        raise NodeError(
            f"no leader answers at {address}: {str(error) or 'no answer in time'}; a first start needs its genesis: "
            "check the address, and that the leader runs with --quic-port, and with --quic-host if it is another "
            "machine; or give --init"
        ) from None
    except (RefusedError, MessageError, ChainError) as error:
        raise NodeError(f"{address} cannot be followed: {error}") from None


async def _fetch(dial: Dial, limits: Limits, client: str) -> Genesis:
    async with dial() as link:
        frames = Frames(await link.open(), limits)
        try:
            welcome = await greeted(frames, Hello(None, client))
        finally:
            frames.close()
    if keccak256(welcome.genesis) != welcome.genesis_hash:
        raise MessageError("the leader's genesis has another hash than it says")
    return decode_genesis(welcome.genesis)
