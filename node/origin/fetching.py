"""Fetches under way: one for each thing that is asked for, on threads of their own, so that who asks can give up."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from typing import Any, TypeVar

from zevm.chain.concurrency.waiting import ImpatientError, wait_for
from zevm.storage.errors import OriginError

Result = TypeVar("Result")
STOPPING = "the forked chain is not read any more: the node stops, or was reset"


class _Fetch:
    """One fetch, and how many wait for it."""

    __slots__ = ("future", "key", "waiting", "work")

    def __init__(self, key: object, work: Callable[[], Any]) -> None:
        self.key = key
        self.work = work
        self.future: Future[Any] = Future()
        self.waiting = 0


class Fetches:
    """Runs fetches, at most `most` at once; further ones wait, and are dropped once no thread waits for them.

    Any thread may call. A fetch that asks for another does it itself.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._under_way: dict[object, _Fetch] = {}
        self._queue: SimpleQueue[_Fetch | None] = SimpleQueue()
        self._threads = self._idle = 0
        self._here = threading.local()
        self._closed = False

    def result(self, key: object, work: Callable[[], Result], what: Callable[[], str]) -> Result:
        """The result of `work`, done once for all who ask for the same key meanwhile. what: names it.

        Raises OriginError where the thread's patience ends (chain.concurrency.waiting); the fetch then goes on.
        """
        if getattr(self._here, "is_fetching", False):
            return work()
        fetch = self._join(key, work)
        try:
            result: Result = wait_for(fetch.future)
            return result
        except ImpatientError as error:
            raise OriginError(
                f"{what()} has not come within {error.seconds:g} s; the request goes on: try again later, or raise "
                "--rpc-fork-wait-seconds"
            ) from None
        except CancelledError:
            raise OriginError(STOPPING) from None
        finally:
            self._leave(fetch)

    def close(self) -> None:
        """Begin no more; those under way end by themselves, and no thread waits for them."""
        with self._lock:
            self._closed = True
            waiting = [fetch for fetch in self._under_way.values() if fetch.future.cancel()]
            for fetch in waiting:
                del self._under_way[fetch.key]
            for _ in range(self._threads):
                self._queue.put(None)

    def _join(self, key: object, work: Callable[[], Any]) -> _Fetch:
        with self._lock:
            if self._closed:
                raise OriginError(STOPPING)
            fetch = self._under_way.get(key)
            if fetch is None:
                fetch = self._under_way[key] = _Fetch(key, work)
                self._queue.put(fetch)
                if self._idle:
                    self._idle -= 1
                elif self._threads < self._most:
                    self._threads += 1
                    threading.Thread(target=self._work, name=f"origin-{self._threads}", daemon=True).start()
            fetch.waiting += 1
            return fetch

    def _leave(self, fetch: _Fetch) -> None:
        with self._lock:
            fetch.waiting -= 1
            if not fetch.waiting and fetch.future.cancel() and self._under_way.get(fetch.key) is fetch:
                del self._under_way[fetch.key]

    def _work(self) -> None:
        self._here.is_fetching = True
        while (fetch := self._queue.get()) is not None:
            result, failure = None, None
            if fetch.future.set_running_or_notify_cancel():
                try:
                    result = fetch.work()
                except BaseException as error:
                    failure = error
                with self._lock:
                    del self._under_way[fetch.key]
                    self._idle += 1
                if failure is None:
                    fetch.future.set_result(result)
                else:
                    fetch.future.set_exception(failure)
            else:
                with self._lock:
                    self._idle += 1
            del fetch, result, failure
