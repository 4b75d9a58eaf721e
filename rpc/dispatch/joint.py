"""Calls of a method that came together and are done together: sends, which may share a block."""

from collections.abc import Callable
from functools import partial
from typing import Any

from zevm.rpc.dispatch.calls import Call
from zevm.rpc.execution.writes import Joining, Reply
from zevm.rpc.registry import Method, Registry
from zevm.rpc.services import Services


class JointCalls:
    """Of one dispatcher. finish: makes the answer of a call from its result, or from the error that it ended with."""

    def __init__(self, registry: Registry, services: Services, finish: Callable[[Call, Any], Reply]) -> None:
        self._services, self._finish = services, finish
        methods = registry.by_name.values() if services.limits.joint_sends > 1 else ()
        self._works = {row.name: partial(row.together, services) for row in methods if row.together is not None}

    def joining(self, call: Call, method: Method) -> Joining | None:
        """How to do a call together with others of its method; None where each is done by itself."""
        work = self._works.get(method.name)
        if work is None or not self._services.chain.mining.automine:
            return None
        return Joining(work, call.arguments, partial(self._finish, call))
