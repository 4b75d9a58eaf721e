"""The context that the objects of one query share: services, budget, calls and references."""

from dataclasses import dataclass
from typing import Any

from zevm.chain.calls.overrides import BlockOverrides
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import UnknownBlockError
from zevm.chain.types.block_reference import LATEST, BlockReference
from zevm.rpc.codec.objects import LogFilter, arguments_from
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.rpc.graphql.budget import Budget
from zevm.rpc.methods.eth import call
from zevm.rpc.services import Services


def reference_of(number: int | None) -> BlockReference:
    """The block of a `block` argument; the latest without one. Raises UnknownBlockError."""
    if number is None:
        return LATEST
    if number < 0:
        raise UnknownBlockError
    return BlockReference(number=number)


@dataclass(frozen=True, slots=True)
class Context:
    """The context of every object of a query."""

    services: Services
    budget: Budget

    @property
    def deadline(self) -> Deadline:
        """When executions have to end."""
        deadline = self.budget.deadline
        assert deadline is not None, "only queries on a worker execute"
        return deadline

    def call(self, data: dict[str, Any], block: BlockReference) -> Json:
        """A CallResult."""
        outcome = call.execute(self.services, arguments_from(data), block, deadline=self.deadline)
        return {
            "data": hexadecimal(outcome.output),
            "gasUsed": hex(outcome.gas_used),
            "status": hex(outcome.succeeded),
        }

    def estimate_gas(self, data: dict[str, Any], block: BlockReference) -> str:
        """The gas that a transaction needs."""
        return call.estimate_gas(
            self.services, arguments_from(data), block, {}, BlockOverrides(), deadline=self.deadline
        )


def log_filter(criteria: dict[str, Any], **range_of_blocks: Any) -> LogFilter:
    """The filter of BlockFilterCriteria or FilterCriteria. range_of_blocks: LogFilter's fields for it."""
    return LogFilter(
        addresses=tuple(criteria.get("addresses") or ()),
        topics=tuple(tuple(alternatives) for alternatives in criteria.get("topics") or ()),
        **range_of_blocks,
    )
