"""Compiles for clients of an event loop: a few at a time, a few that wait, each ended when its client leaves."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

from zevm.chain.concurrency.deadline import Cancellation
from zevm.contracts.artifact import Artifact
from zevm.contracts.errors import ClientCompilesError, CompilerBusyError
from zevm.contracts.sandbox.compiler import SandboxedZig, guarded_by


class CompileService:
    """A sandboxed compiler on threads of its own. To be closed, which ends what runs.

    running: compiles at a time. waiting: further ones that wait for their turn. of_one_client: how many of both may be
    one client's. Used on one event loop.
    """

    def __init__(self, compiler: SandboxedZig, *, running: int, waiting: int, of_one_client: int) -> None:
        self._compiler = compiler
        self._running, self._waiting, self._of_one_client = running, waiting, of_one_client
        self._places = threading.Semaphore(running + waiting)
        self._clients: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(running, "zig")
        self._cancellations: set[Cancellation] = set()

    def begin(self) -> None:
        """Fill the compiler's cache in the background, so that the first client waits no longer than the next."""
        self._threads.submit(self._compiler.fill_cache)

    async def compile(self, name: str, source: str, client: str | None) -> Artifact:
        """As SandboxedZig.compile; cancelling it ends the compiler. Raises CompilerBusyError besides.

        client: whose it is; None for the operator's own, which are not counted by client.
        """
        if client is None:
            return await self._compile(name, source)
        if self._clients[client] >= self._of_one_client:
            raise ClientCompilesError(
                f"{self._clients[client]} sources of {client} are being compiled or wait, as many as may; "
                "try again when one of them is answered"
            )
        self._clients[client] += 1
        try:
            return await self._compile(name, source)
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    async def _compile(self, name: str, source: str) -> Artifact:
        if not self._places.acquire(blocking=False):
            raise CompilerBusyError(
                f"{self._running} sources are being compiled and {self._waiting} wait, as many as may; try again"
            )
        cancellation = Cancellation()
        self._cancellations.add(cancellation)
        job: Future[Artifact] = self._threads.submit(self._compiler.compile, name, source, guarded_by(cancellation))
        job.add_done_callback(lambda _job: self._places.release())
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise
        finally:
            self._cancellations.discard(cancellation)

    def close(self) -> None:
        """End the running compiles, drop the waiting ones, and delete the compiler's files."""
        for cancellation in tuple(self._cancellations):
            cancellation.cancel()
        self._compiler.end()
        self._threads.shutdown(cancel_futures=True)
        self._compiler.close()
