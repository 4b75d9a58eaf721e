"""A token (ERC-20, ERC-721) as its functions tell it, and accounts that its Transfer logs name with their balances."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from zevm.analysis.abi_values import UndecodableError, decode_values
from zevm.chain.calls.bundles import CallBundle, run_bundles
from zevm.chain.calls.overrides import NO_OVERRIDES
from zevm.chain.canonical.log_records import LogRecord
from zevm.chain.canonical.log_search import LogQuery
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.errors import InvalidRequestError, TransactionError
from zevm.chain.types.block_reference import LATEST
from zevm.chain.types.selectors import signature_selector
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.rpc.methods.support.token_slots import BALANCE_OF
from zevm.rpc.services import Services
from zevm.storage.errors import OriginError
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

TRANSFER: Final = keccak256(b"Transfer(address,address,uint256)")
FIRST_SPAN: Final = 1_024
"""Blocks that a search for transfers begins with, from the head down; each further one has twice as many."""
_WORD = 32
_LARGEST_DECIMALS = 36
_ZERO = bytes(20)
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Token:
    """The answers of a contract about itself; None for a function that it does not have."""

    name: str | None
    symbol: str | None
    decimals: int | None
    supply: int | None


@dataclass(frozen=True, slots=True)
class Transfers:
    """Accounts that the newest Transfer logs name. count: of the logs. first: the oldest block that was searched.

    is_whole: whether there are no others.
    """

    accounts: list[Address]
    count: int
    first: int
    is_whole: bool


class TokenReader:
    """Calls one contract at the head, until a deadline; each call on the state that the one before left."""

    def __init__(self, services: Services, token: Address, deadline: Deadline) -> None:
        self._services, self._token, self._deadline = services, token, deadline

    def token(self) -> Token:
        """Raises ExecutionTimeoutError."""
        names = ("name()", "symbol()", "decimals()", "totalSupply()")
        calls = {name: signature_selector(name) for name in names}
        results: dict[str, bytes | None] = {}
        self._ask(calls, results)
        name, symbol, decimals, supply = (results[each] for each in names)
        places = _number(decimals)
        if places is not None and places > _LARGEST_DECIMALS:
            places = None
        return Token(_text(name), _text(symbol), places, _number(supply))

    def balances(self, accounts: Iterable[Address]) -> tuple[dict[Address, int], bool]:
        """Balances, without those that the contract does not tell, and whether the time sufficed for all."""
        calls = {account: BALANCE_OF + account.rjust(_WORD, b"\0") for account in accounts}
        results: dict[Address, bytes | None] = {}
        with suppress(ExecutionTimeoutError):
            self._ask(calls, results)
        numbers = {account: _number(output) for account, output in results.items()}
        return {account: each for account, each in numbers.items() if each is not None}, len(results) == len(calls)

    def _ask(self, calls: Mapping[Key, bytes], results: dict[Key, bytes | None]) -> None:
        """Fill in the output of each call, None for one that fails. Raises ExecutionTimeoutError."""
        keys = iter(calls)
        gas = self._services.limits.call_gas

        def run(executor: Executor, request: CallRequest) -> None:
            try:
                outcome = executor.call(request, deadline=self._deadline)
            except TransactionError:
                results[next(keys)] = None
            else:
                results[next(keys)] = outcome.output if outcome.succeeded else None

        requests = tuple(CallRequest(to=self._token, data=data, gas_limit=gas) for data in calls.values())
        frame = self._services.chain.frame_at(LATEST, self._deadline)
        run_bundles(frame, [CallBundle(requests)], NO_OVERRIDES, run)


def transfers(services: Services, token: Address, most: int, deadline: Deadline) -> Transfers:
    """The newest Transfer logs of a token, at least `most` where there are as many, as far as the time goes."""
    chain = services.chain
    accounts: dict[Address, None] = {}
    count, last, span, first = 0, chain.head.number, FIRST_SPAN, chain.first_kept
    while last >= first and count < most and not deadline.expired():
        begin = max(first, last - span + 1)
        try:
            found = chain.logs(LogQuery(begin, last, addresses=(token,), topics=((TRANSFER,),)), deadline=deadline)
        except InvalidRequestError:
            # more logs than one search gives, or more blocks than one may have
            if span == 1:
                break
            span = max(1, span // 8)
            continue
        except (ExecutionTimeoutError, OriginError):
            # the node of a forked chain may refuse a range: what was found by then is shown
            break
        for record in list(reversed(found))[: most - count]:
            accounts.update(dict.fromkeys(_ends(record)))
        count += len(found)
        last, span = begin - 1, 2 * span
    return Transfers(list(accounts), min(count, most), last + 1, last < first and count <= most)


def _ends(record: LogRecord) -> list[Address]:
    """Sender and receiver, without the zero address, which mints and burns; none where they are not indexed."""
    return [Address(topic[12:]) for topic in record.log.topics[1:3] if topic[12:] != _ZERO]


def _number(output: bytes | None) -> int | None:
    return None if output is None or len(output) < _WORD else int.from_bytes(output[:_WORD], "big")


def _text(output: bytes | None) -> str | None:
    """A string; of old tokens 32 bytes that zeros end."""
    if not output:
        return None
    if len(output) == _WORD:
        return output.rstrip(b"\0").decode("utf-8", errors="replace")
    try:
        return str(decode_values(["string"], output)[0])
    except UndecodableError:
        return None
