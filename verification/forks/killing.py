"""Kills of a process while it fetches what a fork reads: what it leaves on disk must be true, and whole.

A process reads of an origin in a random order, over HTTP, keeps the answers in a folder as a fork does, and says what
it has had; it is killed with SIGKILL at a random moment. Then the folder is read without a node. What the process has
had must be there, what it has not may be missing, and nothing may be another value than the origin's.
"""

import multiprocessing
import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NamedTuple

from testing.node_process import NodeProcess, RpcConnection, zevm_command
from verification.forks.lies import Question, grow, questions
from zevm.chain.rules.networks import schedule_of
from zevm.chain.types import Header
from zevm.node.origin.blocks import header_of
from zevm.node.origin.client import OriginClient, Persistence
from zevm.node.origin.endpoint import Endpoint
from zevm.node.origin.kept import Kept
from zevm.node.origin.source import RemoteOrigin
from zevm.node.origin.transport import Place
from zevm.storage.errors import OriginError

CHAIN_ID = 31_337
KEPT_BYTES = 1 << 30
LONGEST_SECONDS = 0.25
"""Most time from the first answer to the kill: as long as all questions take."""

ROUNDS_OF_A_FOLDER = 8
"""Kills after which a folder begins anew: most questions are answered from disk by then."""


class Asked(NamedTuple):
    """A chain for `questions`: a contract, the hashes of some blocks, and accounts."""

    contract: str
    blocks: tuple[str, ...]
    accounts: tuple[str, ...]

    def reads(self) -> list[Question]:
        """The reads of it."""
        return questions(self.contract, list(self.blocks), list(self.accounts))


def read_until_killed(url: str, folder: str, header: bytes, asked: Asked, seed: int, told: Connection) -> None:
    """Read in a random order, and tell of each question that was answered. In a process of its own."""
    client = OriginClient([Endpoint(Place(url, {}), 30)], Persistence(retries=0))
    origin, reads = _origin(client, header, Kept(Path(folder), KEPT_BYTES)), asked.reads()
    for index in random.Random(seed).sample(range(len(reads)), len(reads)):
        reads[index](origin)
        told.send(index)
    # not for ever: the parent may be gone
    time.sleep(60)


def _origin(client: OriginClient, header: bytes, kept: Kept | None = None) -> RemoteOrigin:
    decoded = Header.decode(header)
    return RemoteOrigin(client, decoded, schedule_of(CHAIN_ID, decoded), 1000, kept)


class Campaign:
    """Kills against one origin, whose answers are known. folder: for the answers on disk."""

    def __init__(self, url: str, header: bytes, asked: Asked, folder: Path, seed: int) -> None:
        self._url, self._header, self._asked, self._folder = url, header, asked, folder
        self._random = random.Random(seed)
        self._reads = asked.reads()
        origin = _origin(OriginClient([Endpoint(Place(url, {}), 30)]), header)
        self._truths = [read(origin) for read in self._reads]
        origin.close()
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([__name__])
        self.outcomes: Counter[str] = Counter()

    def kill_one(self) -> None:
        """Let a process read into the folder, kill it, and look at what it left. Raises AssertionError."""
        if self.outcomes["kills"] % ROUNDS_OF_A_FOLDER == 0:
            shutil.rmtree(self._folder, ignore_errors=True)
        had = self._had_before_kill()
        kept = Kept(self._folder, KEPT_BYTES)
        assert kept.is_open, "the folder cannot be opened after the kill"
        origin = _origin(OriginClient([]), self._header, kept)
        try:
            for index in range(len(self._reads)):
                self.outcomes[self._outcome(index, origin, was_had=index in had)] += 1
        finally:
            origin.close()
        self.outcomes["kills"] += 1

    def _outcome(self, index: int, origin: RemoteOrigin, *, was_had: bool) -> str:
        try:
            found = self._reads[index](origin)
        except OriginError:
            # that there is none is no record
            assert not was_had or self._truths[index] is None, f"the answer to question {index} was had, and is lost"
            return "missing, not had"
        assert found == self._truths[index], f"question {index} is answered wrongly from disk"
        return "there, had" if was_had else "there, of an earlier round or a neighbour's proof"

    def _had_before_kill(self) -> set[int]:
        ours, theirs = self._processes.Pipe(duplex=False)
        arguments = (self._url, str(self._folder), self._header, self._asked, self._random.getrandbits(32), theirs)
        process = self._processes.Process(target=read_until_killed, args=arguments, daemon=True)
        process.start()
        theirs.close()
        had = {ours.recv()}
        time.sleep(self._random.random() * LONGEST_SECONDS)
        process.kill()
        process.join()
        # the pipe may end in the midst of a number
        with suppress(EOFError, OSError):
            while True:
                had.add(ours.recv())
        ours.close()
        return had


class _Grown:
    """A node in a process of its own, as `grow` wants one."""

    def __init__(self, rpc: RpcConnection) -> None:
        self._rpc = rpc
        self.accounts: Sequence[Any] = [SimpleNamespace(address=address) for address in rpc.call("eth_accounts")]

    def request(self, method: str, *params: object) -> Any:
        """The result of a call."""
        return self._rpc.call(method, *params)


def run(kills: int, seed: int) -> Counter[str]:
    """Kill this often; counts of outcomes. AssertionError: something was lost, or is wrong."""
    with NodeProcess(zevm_command("--memory")) as node, node.connect() as rpc, TemporaryDirectory() as folder:
        grown = _Grown(rpc)
        contract, blocks = grow(grown)
        header = header_of(rpc.call("eth_getBlockByNumber", "latest", False)).encode()
        asked = Asked(contract, tuple(blocks), tuple(account.address for account in grown.accounts))
        campaign = Campaign(node.url, header, asked, Path(folder) / "kept", seed)
        for _ in range(kills):
            campaign.kill_one()
    return campaign.outcomes
