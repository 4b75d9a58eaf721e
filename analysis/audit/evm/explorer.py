"""All paths of a function, within bounds: every branch both ways, loops a bounded number of rounds."""

from collections.abc import Iterator
from dataclasses import dataclass

from zevm.analysis.audit.evm.code import Code
from zevm.analysis.audit.evm.events import Call, Condition, Destruction, Event, Load, Path, Round, Store
from zevm.analysis.audit.evm.memory import Memory
from zevm.analysis.audit.evm.run import Entry, Run
from zevm.analysis.audit.evm.terms import Taint, Term, Terms
from zevm.chain.concurrency.deadline import Deadline

_CHECK_STEPS = 1_024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one function's exploration. repeats: how many runs may come to one place in one situation."""

    steps: int = 60_000
    total_steps: int = 1_000_000
    """Of all functions together: each takes up to a microsecond or three, and some hundred bytes."""
    paths: int = 400
    events: int = 400
    """Effects of one path."""
    rounds: int = 2
    repeats: int = 2


@dataclass(frozen=True, slots=True)
class Exploration:
    """The paths of one function. complete: whether no bound cut one off. steps: instructions that were followed."""

    paths: tuple[Path, ...]
    complete: bool
    steps: int = 0


class Explorer:
    """Explores one function. Raises ExecutionTimeoutError at the deadline."""

    def __init__(self, code: Code, terms: Terms, entry: Entry, bounds: Bounds, deadline: Deadline | None) -> None:
        self._code, self._terms, self._entry = code, terms, entry
        self._bounds, self._deadline = bounds, deadline
        self._seen: dict[object, int] = {}
        self._steps = 0
        self._complete = True
        self._waiting: list[Run] = []

    def explore(self) -> Exploration:
        """Every path that ends well."""
        self._waiting = [Run(self._code.raw, self._entry, self._terms, Memory(self._terms))]
        found: list[Path] = []
        while self._waiting:
            if self._steps > self._bounds.steps or len(found) >= self._bounds.paths:
                self._complete = False
                break
            path = self._follow(self._waiting.pop())
            if path is not None:
                found.append(path)
        return Exploration(tuple(found), self._complete, self._steps)

    def _follow(self, run: Run) -> Path | None:
        """The path of one run to its end; None for one that reverts or is cut off."""
        instructions = self._code.instructions
        while run.pc in instructions and self._steps <= self._bounds.steps:
            self._steps += 1
            if self._deadline is not None and self._steps % _CHECK_STEPS == 0:
                self._deadline.check("audit aborted")
            name, operand, following = instructions[run.pc]
            offset, run.pc = run.pc, following
            try:
                if name == "PUSH":
                    run.stack.append(self._terms.const(operand))
                elif name in ("JUMP", "JUMPI"):
                    if not self._jump(run, name, offset) or self._is_too_long(run):
                        return None
                elif name in _ENDS:
                    return self._end(run, name, offset)
                else:
                    run.step(name, offset)
            except (IndexError, KeyError):
                return None  # the EVM stops here too
        self._complete = self._complete and run.pc not in instructions
        return Path(_listed(run.events)) if run.pc >= len(self._code.raw) else None

    def _is_too_long(self, run: Run) -> bool:
        if run.noted <= self._bounds.events:
            return False
        self._complete = False
        return True

    def _end(self, run: Run, name: str, offset: int) -> Path | None:
        if name in ("REVERT", "INVALID"):
            return None
        output: tuple[Term, ...] = ()
        if name == "RETURN":
            output = run.memory.window(*run.pop(2))
        elif name == "SELFDESTRUCT":
            run.step(name, offset)
        kept = tuple(word for word in run.memory.words.values() if word.taint & Taint.RESULT)
        return Path(_listed(run.events), output + kept)

    def _jump(self, run: Run, name: str, offset: int) -> bool:
        """Go on at the destination. Raises IndexError. False for a run that cannot."""
        target = run.pop(1)[0].value
        if name == "JUMP":
            if target is None:
                self._complete = False
                return False
            run.pc = target
            return target in self._code.destinations and self._is_new(run)
        condition, holds = plain(run.pop(1)[0])
        known = bool(condition.value) if condition.value is not None else run.decided.get(id(condition))
        if known is not None:
            return self._go(run, offset, target, taken=known == holds)
        other = run.split()
        for side, taken in ((other, True), (run, False)):
            truth = taken == holds
            side.decided[id(condition)] = truth
            side.note(Condition(offset, condition, truth))
            rounds = side.branches.get((offset, taken), 0)
            side.branches[offset, taken] = rounds + 1
            if rounds:
                side.note(Round(offset, condition))
        if other.branches[offset, True] <= self._bounds.rounds and self._go(other, offset, target, taken=True):
            self._waiting.append(other)
        return run.branches[offset, False] <= self._bounds.rounds and self._go(run, offset, target, taken=False)

    def _go(self, run: Run, offset: int, target: int | None, *, taken: bool) -> bool:
        # a loop over constants never splits: bound it too
        passes = run.branches.get((-offset - 1, taken), 0) + 1
        run.branches[-offset - 1, taken] = passes
        if passes > _MOST_PASSES:
            self._complete = False
            return False
        if not taken:
            return self._is_new(run)
        if target is None:
            self._complete = False
            return False
        run.pc = target
        return target in self._code.destinations and self._is_new(run)

    def _is_new(self, run: Run) -> bool:
        """Whether too few runs have been here in this situation: same returns on the stack, same effects."""
        destinations = self._code.destinations
        returns = tuple(word.args[0] for word in run.stack if word.op == "const" and word.args[0] in destinations)
        key = (run.pc, returns, run.situation)
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        return count < self._bounds.repeats


_ENDS = frozenset({"STOP", "RETURN", "REVERT", "INVALID", "SELFDESTRUCT"})
_MOST_PASSES = 300


def plain(term: Term) -> tuple[Term, bool]:
    """A condition without negations, and whether the branch is taken if it holds."""
    holds = True
    while term.op == "ISZERO":
        term, holds = term.parts()[0], not holds
    return term, holds


def _backwards(events: tuple[object, ...]) -> Iterator[Event]:
    while events:
        earlier, last = events
        assert isinstance(earlier, tuple)
        assert isinstance(last, Condition | Load | Store | Call | Destruction | Round)
        yield last
        events = earlier


def _listed(events: tuple[object, ...]) -> tuple[Event, ...]:
    return tuple(_backwards(events))[::-1]
