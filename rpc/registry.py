"""The method table: every JSON-RPC method's parameters, thread and purpose.

    @method("eth_getBalance", cost=Cost.LIGHT, params=(Param("address", codec.address), ...), result="quantity")
    def get_balance(services: Services, address: Address, block: BlockReference) -> str: ...

Dispatch, the table in the documentation, rpc_modules and rpc.discover all read it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from inspect import getdoc, isgeneratorfunction, signature
from typing import Any, TypeVar

from zevm.rpc.codec.scalars import Decoder
from zevm.rpc.errors import InvalidParamsError
from zevm.rpc.execution.durations import Kind

_LEANING = re.compile(r"^(the same|as|also|like|likewise|ditto|see)\b|\bfor the same\b", re.IGNORECASE)

KindOf = Callable[..., Kind | None]
AtOnce = Callable[..., bool]
Together = Callable[[Any, Sequence[Sequence[Any]]], Sequence[Any]]
Function = TypeVar("Function", bound=Callable[..., Any])


class Cost(Enum):
    """The thread of a method.

    LIGHT      on the event loop; must take well under a millisecond and never block
    EXECUTION  on a worker thread, under a deadline; the function takes `deadline` (a Deadline) by keyword; on the event
               loop where `kind` says that it is short
    WRITE      on the chain writer's thread, in order with every other write; with the writer's role on the event loop
               where `kind` says that it is short
    ASYNC      a coroutine on the event loop
    """

    LIGHT = "light"
    EXECUTION = "execution"
    WRITE = "write"
    ASYNC = "async"


LIGHT, EXECUTION, WRITE, ASYNC = Cost
"""The threads by plain names: the look-up of an Enum's member takes a fifth of a microsecond, at each call."""


class Missing(Enum):
    """The default of a parameter without one."""

    REQUIRED = "required"


REQUIRED = Missing.REQUIRED


@dataclass(frozen=True, slots=True)
class Param:
    """One positional parameter. null and an absent value give `default`; without one the parameter is required."""

    name: str
    decode: Decoder
    default: Any = REQUIRED
    summary: str = ""

    @property
    def required(self) -> bool:
        """Whether a request without this parameter is refused."""
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class Method:
    """One row. `function(services, *arguments)`; with `connection`, `function(services, connection, *arguments)`.

    any_thread: a LIGHT method that only reads the chain, which a caller in this process runs on its own thread.
    kind: of an EXECUTION method, or of a WRITE method that shares a sync and takes a `deadline` by keyword:
    `kind(services, *arguments)` is what the call has in common with others of about the same time; on the event loop
    runs what is of a kind that is known to be short. None for a call that never does.
    shares_sync: a WRITE method of short work that only adds to the chain, and so may share a sync with others.
    at_once: of an ASYNC method without `connection` that only reads: `at_once(services, *arguments)` is whether what it
    reads is at hand. Then its coroutine ends without waiting, and needs no task.
    together: of a WRITE method that shares a sync: `together(services, [arguments, ...])` does the first of several
    calls that came together, at least one, in order; their results, or the errors that they ended with.
    holds_back: an ASYNC method whose end comes before the begin of what its connection sends behind it, also behind a
    batch with it.
    is_long: the function is a generator, work in steps (chain.concurrency.writer). least_params: how many there have to
    be, up to the last required one. defaults: of all parameters.
    """

    name: str
    function: Callable[..., Any]
    cost: Cost
    params: tuple[Param, ...]
    result: str
    summary: str
    aliases: tuple[str, ...] = ()
    connection: bool = False
    any_thread: bool = False
    shares_sync: bool = False
    kind: KindOf | None = None
    holds_back: bool = False
    at_once: AtOnce | None = None
    together: Together | None = None
    is_long: bool = field(init=False)
    least_params: int = field(init=False)
    defaults: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_long", isgeneratorfunction(self.function))
        required = [index for index, param in enumerate(self.params, 1) if param.required]
        object.__setattr__(self, "least_params", required[-1] if required else 0)
        object.__setattr__(self, "defaults", tuple([param.default for param in self.params]))

    @property
    def namespace(self) -> str:
        """The part before the underscore (or the dot of rpc.discover)."""
        return namespace_of(self.name)


AUTHENTICATED_NAMESPACES = frozenset({"engine"})
"""Namespaces that only the consensus client's port serves."""


def namespace_of(name: str) -> str:
    """The part of a wire name before the underscore (or the dot of rpc.discover)."""
    return name.replace(".", "_").split("_", 1)[0]


class Registry:
    """Methods by wire name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Method] = {}

    def method(
        self,
        name: str,
        *,
        cost: Cost,
        params: Iterable[Param] = (),
        result: str = "null",
        aliases: Iterable[str] = (),
        connection: bool = False,
        any_thread: bool = False,
        shares_sync: bool = False,
        kind: KindOf | None = None,
        holds_back: bool = False,
        at_once: AtOnce | None = None,
        together: Together | None = None,
    ) -> Callable[[Function], Function]:
        """Register the decorated function under `name` and `aliases`.

        result: the result in words, for the table. The docstring's first line is the summary. connection: the function
        also gets the Caller (rpc.notifications.subscriptions) of the request, or None. any_thread, shares_sync, kind,
        holds_back, at_once, together: see Method.

        Raises ValueError for a name taken, an EXECUTION function without a `deadline` keyword, `any_thread` with
        another cost than LIGHT, `shares_sync` with another than WRITE or for work in steps, `kind` for a function that
        takes no `deadline` or does not share a sync, `holds_back` or `at_once` with another than ASYNC, `together`
        without `shares_sync`, or a summary that depends on another row's: the table is sorted by
        name, and a program may read one row alone.
        """

        def register(function: Function) -> Function:
            summary = (getdoc(function) or "").partition("\n")[0]
            takes_deadline = "deadline" in signature(function).parameters
            if cost is Cost.EXECUTION and not takes_deadline:
                raise ValueError(f"{name}: an EXECUTION method takes `deadline` by keyword")
            if any_thread and (connection or cost is not Cost.LIGHT):
                raise ValueError(f"{name}: any_thread is for LIGHT methods without a connection")
            if shares_sync and (cost is not Cost.WRITE or isgeneratorfunction(function)):
                raise ValueError(f"{name}: shares_sync is for WRITE methods at one go")
            if kind is not None and not (takes_deadline and (cost is Cost.EXECUTION or shares_sync)):
                raise ValueError(f"{name}: kind is for EXECUTION methods, and WRITE methods with a deadline")
            if (holds_back or at_once) and cost is not Cost.ASYNC:
                raise ValueError(f"{name}: holds_back and at_once are for ASYNC methods; others begin in order")
            _check_row(name, summary, is_joint_alone=together is not None and not shares_sync)
            traits = connection, any_thread, shares_sync, kind, holds_back, at_once, together
            row = Method(name, function, cost, tuple(params), result, summary, tuple(aliases), *traits)
            for wire_name in (name, *row.aliases):
                if wire_name in self.by_name:
                    raise ValueError(f"{wire_name} is registered twice")
                self.by_name[wire_name] = row
            return function

        return register

    def methods(self) -> Iterator[Method]:
        """Every row once, by name."""
        return iter(sorted({id(row): row for row in self.by_name.values()}.values(), key=lambda row: row.name))

    def namespaces(self) -> list[str]:
        """The namespaces that have methods, for rpc_modules."""
        return sorted({namespace_of(name) for name in self.by_name})

    def public(self) -> "Registry":
        """The methods of the public port."""
        return self._where(lambda name: namespace_of(name) not in AUTHENTICATED_NAMESPACES)

    def within(self, namespaces: Collection[str]) -> "Registry":
        """The methods of some namespaces."""
        return self._where(lambda name: namespace_of(name) in namespaces)

    def _where(self, wanted: Callable[[str], bool]) -> "Registry":
        part = Registry()
        part.by_name = {name: row for name, row in self.by_name.items() if wanted(name)}
        return part


def _check_row(name: str, summary: str, *, is_joint_alone: bool) -> None:
    if is_joint_alone:
        raise ValueError(f"{name}: together is for methods that share a sync")
    if _LEANING.search(summary):
        raise ValueError(f"{name}: the summary {summary!r} does not stand alone; say what the method does")


REGISTRY = Registry()
"""The node's table; the modules of rpc.methods fill it when imported."""

method = REGISTRY.method


def _default_of(param: Param, index: int) -> Any:
    if param.default is REQUIRED:
        raise InvalidParamsError(f"missing value for required argument {index}")
    return param.default


def decode_arguments(method: Method, params: Any) -> list[Any]:
    """Positional arguments for a method, with geth's texts for missing, ill-formed or superfluous ones."""
    if params is None:
        params = ()
    elif type(params) is not list:
        raise InvalidParamsError("non-array args")
    arguments: list[Any] = []
    for param, value in zip(method.params, params, strict=False):
        if value is None:
            arguments.append(_default_of(param, len(arguments)))
            continue
        try:
            arguments.append(param.decode(value))
        except InvalidParamsError as error:
            raise InvalidParamsError(f"invalid argument {len(arguments)}: {error.message}") from None
    count = len(arguments)
    if count < method.least_params:
        for index, param in enumerate(method.params[count:], count):
            _default_of(param, index)
    if len(params) > count:
        raise InvalidParamsError(f"too many arguments, want at most {count}")
    arguments += method.defaults[count:]
    return arguments
