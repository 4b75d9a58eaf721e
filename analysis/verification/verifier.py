"""The verifier: takes submissions, compiles them one after another on its own threads, and tells how each ended."""

import logging
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.verification.comparison import Match, compare
from zevm.analysis.verification.errors import AsWellKnownError, Failure, NoMatchError, StoreFullError
from zevm.analysis.verification.store import VerifiedContract, VerifiedStore
from zevm.analysis.verification.submission import Submission
from zevm.chain.concurrency.deadline import Cancellation
from zevm.contracts.compilers.installed_solc import InstalledSolc
from zevm.contracts.errors import BuildError, CompilerBusyError, CompilerMissingError
from zevm.contracts.options import CompilerLimits
from zevm.storage.keccak import keccak256

LOGGER = logging.getLogger("zevm.analysis")
_REASON_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class VerifierLimits:
    """Bounds. running, waiting: compiles. kept: outcomes that can still be asked for."""

    compiler: CompilerLimits
    running: int
    waiting: int
    kept: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a submission: `match`, or `failure` with its reason; neither while it waits or is compiled."""

    address: bytes
    match: Match | None = None
    failure: Failure | None = None
    reason: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether there is none yet."""
        return self.match is None and self.failure is None


@dataclass(frozen=True, slots=True)
class Job:
    """A submission about an account. code: what the account has. arguments: of the constructor."""

    submission: Submission
    address: bytes
    code: bytes
    arguments: bytes = b""


class Verifier:
    """Any thread. To be closed, which ends what runs."""

    def __init__(
        self, catalogue: Catalogue, store: VerifiedStore, compilers: InstalledSolc, limits: VerifierLimits
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._compilers = compilers
        self._limits = limits
        self._places = threading.Semaphore(limits.running + limits.waiting)
        self._threads = ThreadPoolExecutor(limits.running, "solc")
        self._outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self._running: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._end = Cancellation()

    def begin(self) -> None:
        """Read what earlier runs of the node have verified, in the background."""
        if self._store.has_folder:
            self._threads.submit(self._load)

    def submit(self, job: Job) -> str:
        """The name by which to ask for the outcome. Raises CompilerBusyError."""
        if not self._places.acquire(blocking=False):
            raise CompilerBusyError(
                f"{self._limits.running} contracts are being verified and {self._limits.waiting} wait, as many as may; "
                "try again"
            )
        name = secrets.token_hex(16)
        with self._lock:
            self._outcomes[name] = Outcome(job.address)
            while len(self._outcomes) > self._limits.kept + self._limits.running + self._limits.waiting:
                self._outcomes.popitem(last=False)
        done = self._threads.submit(self._run, name, job)
        with self._lock:
            self._running[name] = done
        done.add_done_callback(partial(self._ended, name))
        return name

    def running(self, name: str) -> "Future[None] | None":
        """Done when the submission has an outcome; None where it has one."""
        with self._lock:
            return self._running.get(name)

    def outcome(self, name: str) -> Outcome | None:
        """The outcome of a submission; None for a name that was not given, or long ago."""
        with self._lock:
            return self._outcomes.get(name)

    def verified(self, code_hash: bytes) -> VerifiedContract | None:
        """The verified source of this code, None where there is none."""
        return self._store.get(code_hash)

    def is_exact(self, code_hash: bytes) -> bool:
        """Whether nothing can be known better of an account with this code."""
        return self._store.match_of(code_hash) is Match.EXACT

    def close(self) -> None:
        """End the running compiles, and drop the waiting ones."""
        self._end.cancel()
        self._threads.shutdown(cancel_futures=True)

    def _load(self) -> None:
        for contract in self._store.load():
            self._catalogue.add(contract)

    def _ended(self, name: str, _: "Future[None]") -> None:
        with self._lock:
            self._running.pop(name, None)
        self._places.release()

    def _run(self, name: str, job: Job) -> None:
        outcome = Outcome(job.address, failure=Failure.COMPILER, reason="the node is stopping")
        try:
            outcome = self._verified(job)
        except Exception as error:
            LOGGER.exception("a contract could not be verified")
            outcome = Outcome(job.address, failure=Failure.COMPILER, reason=f"internal error: {type(error).__name__}")
        finally:
            with self._lock, suppress(KeyError):
                self._outcomes[name] = outcome

    def _verified(self, job: Job) -> Outcome:
        # solc's source maps are decoded with what only compiles need
        from zevm.analysis.verification.compilation import compile_submission
        from zevm.contracts.sandbox.compiler import guarded_by

        try:
            guard = guarded_by(self._end)
            solc, version = self._compilers.find(job.submission.version, guard)
            submission = replace(job.submission, version=version)
            artifact = compile_submission(solc, submission, self._limits.compiler, guard)
            match = compare(artifact, job.code)
            contract, earlier = self._store.add(keccak256(job.code), artifact, submission, match, job.arguments)
        except AsWellKnownError:
            return Outcome(job.address, self._store.match_of(keccak256(job.code)) or match)
        except CompilerMissingError as error:
            return _failed(job, Failure.NO_COMPILER, error)
        except BuildError as error:
            return _failed(job, Failure.COMPILER, error)
        except NoMatchError as error:
            return _failed(job, Failure.NO_MATCH, error)
        except StoreFullError as error:
            return _failed(job, Failure.STORE_FULL, error)
        except OSError as error:
            return _failed(job, Failure.NOT_KEPT, error)
        self._catalogue.replace(earlier, contract)
        LOGGER.info("%.200s is verified as 0x%s (%s)", job.submission.contract, job.address.hex(), match.value)
        return Outcome(job.address, match)


def _failed(job: Job, failure: Failure, error: Exception) -> Outcome:
    LOGGER.info("%.200s is not 0x%s: %.1000s", job.submission.contract, job.address.hex(), error)
    return Outcome(job.address, failure=failure, reason=str(error)[:_REASON_CHARACTERS])
