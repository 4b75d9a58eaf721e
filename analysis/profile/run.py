"""Profiles of mined transactions and of calls: executed off the chain, at full speed and watched."""

from collections.abc import Callable

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.profile.recorder import ProfileRecorder
from zevm.analysis.profile.timer import FrameTimer
from zevm.analysis.profile.tree import Profile
from zevm.chain.calls.call import executor_in, state_over
from zevm.chain.calls.overrides import CallOverrides
from zevm.chain.calls.place import StateContext
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import TransactionError
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.trace import replay_before, traced_frame
from zevm.chain.view import ChainView
from zevm.chain.vm.interface import CallRequest
from zevm.chain.vm.tracer import Tracer
from zevm.storage.primitives import Hash32


def profile_transaction(
    chain: ChainView, transaction_hash: Hash32, catalogue: Catalogue, deadline: Deadline
) -> Profile:
    """A mined transaction, on its original state. Raises TraceError, UnknownBlockError, ExecutionTimeoutError."""
    position = chain.find_transaction(transaction_hash)
    if position is None:
        raise TraceError("transaction not found")

    def run(tracer: Tracer) -> None:
        replay_before(chain, position, deadline).run(tracer, deadline)

    return _profile(run, catalogue)


def profile_call(
    chain: ChainView,
    call: CallRequest,
    context: StateContext,
    overrides: CallOverrides,
    catalogue: Catalogue,
    deadline: Deadline,
) -> Profile:
    """A call on a block, or on the state before one of its transactions. Raises as `profile_transaction`."""
    frame = traced_frame(chain, context, deadline)

    def run(tracer: Tracer) -> None:
        executor = executor_in(frame.environment, state_over(frame.reader, overrides), overrides)
        try:
            executor.call(call, deadline=deadline, tracer=tracer)
        except TransactionError as error:
            raise TraceError(f"profiling failed: {error.message}") from error

    return _profile(run, catalogue)


def _profile(run: Callable[[Tracer], None], catalogue: Catalogue) -> Profile:
    """The first run compiles what the watched one needs; of the timed ones the faster counts, frame by frame."""
    run(ProfileRecorder(catalogue, ()))
    timers = FrameTimer(), FrameTimer()
    for timer in timers:
        run(timer)
    recorder = ProfileRecorder(
        catalogue, [min(times) for times in zip(*(timer.self_ns for timer in timers), strict=True)]
    )
    run(recorder)
    return recorder.profile()
