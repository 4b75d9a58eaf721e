"""The fork that a node's chain is, and the change of it while the node runs (anvil_reset, anvil_setRpcUrl).

Another chain is made whole, apart from the one that is served, and takes its place in one step of the writer; until
then nothing has changed. So it is for chains in memory alone: a data directory holds one chain for good.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from zevm.chain.blockchain import Chain
from zevm.chain.blocks.branch import Branch
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.rules.genesis import Genesis
from zevm.chain.rules.predeploys import SYSTEM_CONTRACTS
from zevm.chain.view import Ground
from zevm.node.errors import NodeError
from zevm.node.network import choose_genesis, furnish, given_genesis, node_limits
from zevm.node.origin.fork import Fork, Replayed, Wanted
from zevm.node.settings import NodeSettings
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.services import ForkReport, ForkRequest
from zevm.storage.database import Database
from zevm.storage.primitives import Address

LOGGER = logging.getLogger("zevm.node")


class Forks:
    """Of one node. accounts: the development accounts."""

    def __init__(self, settings: NodeSettings, accounts: Sequence[Address]) -> None:
        self._settings = settings
        self._accounts = accounts
        self._chain: Chain | None = None
        self._own: Genesis | None = None
        self.current: Fork | None = None

    def begin(self) -> Fork | None:
        """The fork that the settings ask for, if any; open until `close`. Raises NodeError, OriginError."""
        if self._settings.fork_url or self._settings.fork_bundle is not None:
            self.current = self._forked(None)
            self._provide(self.current)
        return self.current

    def serve(self, chain: Chain) -> None:
        """Change this chain from now on, which has just begun. Raises NodeError."""
        self._chain = chain
        self._own = chain.genesis if self.current is None else None
        if self.current is None:
            return
        after = self.current.replayed
        if after is not None:
            try:
                chain.writer.run(_replay, chain, after)
            except TransactionError as error:
                raise NodeError(f"the block cannot be made up to --fork-transaction-hash: {error}") from None
        chain.writer.run(self._set_next_block, chain)
        time_of_next = self._settings.timestamp
        if time_of_next is not None:
            chain.clock.set_next_timestamp(time_of_next, chain.head.header.timestamp)

    def close(self) -> None:
        """Give the connections up."""
        if self.current is not None:
            self.current.close()

    @property
    def report(self) -> ForkReport | None:
        """See rpc.services.Forking."""
        return None if self.current is None else self.current.report

    def ask_instead(self, url: str) -> None:
        """See rpc.services.Forking."""
        assert self.current is not None
        try:
            self.current.ask_instead(url)
        except ValueError as error:
            raise InvalidParamsError(str(error)) from None

    def begin_again(self, wanted: ForkRequest | None, told: Callable[[], None], *, deadline: Deadline) -> None:
        """See rpc.services.Forking."""
        self._refuse()
        chain, fork = self._chain, None
        assert chain is not None
        try:
            if wanted is None:
                ground = self._own_ground(chain)
            else:
                fork = self._asked_for(wanted)
                ground = self._ground_on(chain, fork)
            load_instance_id(ground.database)
            deadline.check()
            chain.writer.run(self._take, ground, fork, told)
        except BaseException:
            if fork is not None:
                fork.close()
            raise
        LOGGER.info("the chain has begun again: %s", "it is no fork" if fork is None else f"on {fork.described}")

    def _refuse(self) -> None:
        settings = self._settings
        if not settings.memory:
            raise InvalidParamsError(
                "a fork is kept in memory, and this chain is on disk: start a node with --memory or --fork-url"
            )
        if settings.quic_port is not None:
            raise InvalidParamsError("replicas may follow this chain (--quic-port): it cannot become another one")

    def _take(self, ground: Ground, fork: Fork | None, told: Callable[[], None]) -> None:
        """Put the new chain in the old one's place, on the writer's thread."""
        assert self._chain is not None
        self._chain.begin_again(ground)
        if fork is not None:
            self._set_next_block(self._chain)
        before, self.current = self.current, fork
        told()
        if before is not None:
            before.close()

    def _set_next_block(self, chain: Chain) -> None:
        """Give the first block on top of a fork the base fee of the settings, if they have one."""
        fee = self._settings.block_base_fee_per_gas
        if fee is not None:
            chain.change_settings(base_fee_per_gas=fee)

    def _asked_for(self, wanted: ForkRequest) -> Fork:
        """The fork of a request. Raises InvalidParamsError where it asks for none that there is."""
        if wanted.url is None and self.current is None:
            raise InvalidParamsError("forking.jsonRpcUrl is missing, and this chain is no fork")
        block = "latest" if wanted.number is None else str(wanted.number)
        try:
            return self._forked(Wanted(() if wanted.url is None else (wanted.url,), block, wanted.headers))
        except NodeError as error:
            raise InvalidParamsError(str(error)) from None
        except ValueError as error:
            raise InvalidParamsError(f"forking.jsonRpcUrl: {error}") from None

    def _forked(self, wanted: Wanted | None) -> Fork:
        if wanted is not None and self.current is not None:
            return self.current.again(wanted)
        # only a fork needs a client of HTTP
        from zevm.node.origin.start import fork_of

        return fork_of(self._settings, wanted)

    def _provide(self, fork: Fork) -> None:
        init = self._settings.init
        given = () if init is None else given_genesis(init).accounts
        fork.provide([*self._accounts, *(address for _, address, _ in SYSTEM_CONTRACTS), *given])

    def _ground_on(self, chain: Chain, fork: Fork) -> Ground:
        """A chain on top of a fork's block, with the development accounts."""
        self._provide(fork)
        database = Database.open(None, node_limits=node_limits(self._settings), origin=fork.origin)
        ground = Ground(database, fork.genesis, chain.options)
        header = ground.canonical.head.header
        newest = ground.spec.at(header.number + 1, max(int(time.time()), header.timestamp + 1)).fork
        ground.begin_with(partial(furnish, newest, self._accounts, self._settings))
        return ground

    def _own_ground(self, chain: Chain) -> Ground:
        """The chain that the settings ask for apart from a fork: the same each time."""
        if self._own is None:
            self._own = choose_genesis(self._settings, None, self._accounts)
        database = Database.open(None, node_limits=node_limits(self._settings))
        return Ground(database, self._own, chain.options)


def _replay(chain: Chain, after: Replayed) -> None:
    """Make the block that the other chain has next, up to a transaction. Raises TransactionError."""
    head = chain.head.header
    branch = Branch(head, spec=chain.spec, history=chain.canonical, states=chain.database.state, clock=chain.clock)
    branch.replay(after.header, after.transactions)
    chain.switch_to(head, branch.blocks)
    chain.clock.reach(after.header.timestamp)
