"""Calls of random sequences on twins: for each contract, its functions and how their arguments are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

ZERO = "0x" + "00" * 20
LARGEST = 2**256 - 1

ACTORS = 4
"""Accounts that send."""

CONTRACT, RECEIVER, NOBODY = -1, -2, -3
"""Places of `Person` that are no account: the contract under test, a contract that receives, the zero address."""


@dataclass(frozen=True, slots=True)
class Person:
    """An address that is known only once the contracts are deployed: an account's number, or a place above."""

    place: int


@dataclass(frozen=True, slots=True)
class Packed:
    """The 20 bytes of a Person's address."""

    place: int


@dataclass(frozen=True, slots=True)
class Inner:
    """Call data of the contract's own function as an argument, with bytes before it."""

    prefix: bytes
    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One message: who sends how much wei with which call; `damage` alters the call data."""

    sender: int
    value: int
    name: str
    arguments: tuple[Any, ...]
    damage: tuple[int, int] | None = None


Arguments = SearchStrategy[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Actions:
    """The functions of a contract that change something, and those that only read, with how arguments are drawn."""

    changes: Mapping[str, Arguments]
    reads: Mapping[str, Arguments]

    def __or__(self, other: Actions) -> Actions:
        return Actions({**self.changes, **other.changes}, {**self.reads, **other.reads})


people = st.sampled_from([*range(ACTORS)] * 3 + [CONTRACT, RECEIVER, NOBODY]).map(Person)
accounts = st.integers(0, ACTORS - 1).map(Person)
small = st.integers(0, 12)
numbers = st.one_of(
    small,
    st.integers(0, 2_000),
    st.sampled_from([2**112 - 1, 2**112, 2**128, 2**255, LARGEST - 1, LARGEST]),
    st.integers(0, LARGEST),
)
amounts = st.one_of(*[st.integers(0, 300)] * 5, numbers)
ids = st.integers(0, 4)
answers = st.one_of(st.just(b""), st.binary(max_size=40), st.integers(0, 8).map(lambda number: bytes([number])))
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=70)
names = st.sampled_from(["", "a", "thirty-one bytes are the longest", "n" * 31, "n" * 32, "n" * 33, "é" * 40])
roles = st.sampled_from([b"\0" * 32, b"\1" * 32])


def calls(**functions: Sequence[SearchStrategy[Any]]) -> dict[str, Arguments]:
    """Functions by name with one strategy for each argument."""
    return {name: st.tuples(*parts) for name, parts in functions.items()}


ERC20 = Actions(
    calls(transfer=(people, amounts), approve=(people, amounts), transferFrom=(people, people, amounts)),
    calls(balanceOf=(people,), allowance=(people, people), totalSupply=(), name=(), symbol=(), decimals=()),
)

OWNABLE = Actions(calls(transferOwnership=(accounts,)), calls(owner=()))


def lists(item: SearchStrategy[Any]) -> SearchStrategy[list[Any]]:
    """Short lists."""
    return st.lists(item, max_size=4)


def even_lists(first: SearchStrategy[Any], second: SearchStrategy[Any]) -> SearchStrategy[tuple[list[Any], list[Any]]]:
    """Two lists, mostly of one length."""
    pairs = st.lists(st.tuples(first, second), max_size=4)
    even = pairs.map(lambda found: ([pair[0] for pair in found], [pair[1] for pair in found]))
    return st.one_of(even, even, even, st.tuples(lists(first), lists(second)))


TOKEN = ERC20 | Actions(calls(transferAndCall=(people, amounts, answers)), {})

SIMPLE_TOKEN = Actions(calls(transfer=(people, amounts)), calls(balanceOf=(people,), getInfo=()))


def managed_token(roles_of_contract: Sequence[bytes]) -> Actions:
    """ERC-20 with roles and a pause."""
    role = st.sampled_from([bytes(32), *roles_of_contract, b"\1" * 32])
    ids = st.sampled_from([bytes.fromhex("01ffc9a7"), bytes.fromhex("7965db0b"), b"\xff" * 4])
    return ERC20 | Actions(
        calls(
            mint=(people, amounts),
            burn=(amounts,),
            burnFrom=(people, amounts),
            pause=(),
            unpause=(),
            grantRole=(role, people),
            revokeRole=(role, people),
            renounceRole=(role, people),
            setRoleAdmin=(role, role),
        ),
        calls(paused=(), hasRole=(role, people), getRoleAdmin=(role,), supportsInterface=(ids,)),
    )


_ONWARD_COLLECTIBLE = st.tuples(people, people, ids).map(lambda arguments: Inner(b"\x08", "transferFrom", arguments))
_ONWARD_ITEM = st.tuples(people, people, ids, small, st.just(b"")).map(
    lambda arguments: Inner(b"\x08", "safeTransferFrom", arguments)
)

_COLLECTIBLE_DATA = st.one_of(answers, _ONWARD_COLLECTIBLE)

OWNED_COLLECTIBLE = OWNABLE | Actions(
    {
        **calls(
            mint=(people,),
            safeMint=(people, _COLLECTIBLE_DATA),
            approve=(people, ids),
            setApprovalForAll=(people, st.booleans()),
            transferFrom=(people, people, ids),
            burn=(ids,),
            setBaseURI=(texts,),
        ),
        "safeTransferFrom(address,address,uint256)": st.tuples(people, people, ids),
        "safeTransferFrom(address,address,uint256,bytes)": st.tuples(people, people, ids, _COLLECTIBLE_DATA),
    },
    calls(
        balanceOf=(people,),
        ownerOf=(ids,),
        getApproved=(ids,),
        isApprovedForAll=(people, people),
        tokenURI=(st.one_of(ids, numbers),),
    ),
)


def _batch(*before: SearchStrategy[Any], after: SearchStrategy[Any] | None = None) -> Arguments:
    tail = () if after is None else (after,)
    drawn = st.tuples(st.tuples(*before), even_lists(ids, amounts), st.tuples(*tail))
    return drawn.map(lambda parts: (*parts[0], *parts[1], *parts[2]))


_ITEM_DATA = st.one_of(answers, _ONWARD_ITEM)

ITEMS = OWNABLE | Actions(
    {
        **calls(
            mint=(people, ids, amounts, _ITEM_DATA),
            safeTransferFrom=(people, people, ids, amounts, _ITEM_DATA),
            burn=(people, ids, amounts),
            setApprovalForAll=(people, st.booleans()),
            setURI=(texts,),
        ),
        "mintBatch": _batch(people, after=_ITEM_DATA),
        "safeBatchTransferFrom": _batch(people, people, after=answers),
        "burnBatch": _batch(people),
    },
    {
        **calls(isApprovedForAll=(people, people), balanceOf=(people, ids), uri=(ids,)),
        "balanceOfBatch": even_lists(people, ids),
    },
)

_OWNERS = st.tuples(lists(st.one_of(accounts, accounts, people)), st.integers(0, 3))
_OWN_CALLS = _OWNERS.map(lambda arguments: Inner(b"", "setOwners", arguments))

_UNALLOCATABLE = st.sampled_from([2**65, 2**128, LARGEST])
"""Lists of fewer items end where gas does, which is elsewhere in either language."""

MULTISIG = Actions(
    {
        **calls(
            submit=(people, st.one_of(small, amounts), st.one_of(st.binary(max_size=70), _OWN_CALLS)),
            confirm=(ids,),
            revoke=(ids,),
            execute=(ids,),
        ),
        "setOwners": _OWNERS,
        "": st.tuples(),
    },
    calls(
        owners=(ids,),
        isOwner=(people,),
        required=(),
        getOwners=(),
        getTransaction=(ids,),
        transactionCount=(),
        executable=(ids, st.one_of(ids, _UNALLOCATABLE)),
        confirmed=(ids, people),
    ),
)

ESCROW = Actions(
    calls(
        fund=(),
        release=(),
        refund=(),
        dispute=(texts,),
        resolve=(st.one_of(st.integers(0, 10_001), numbers),),
        withdraw=(),
    ),
    calls(
        reasons=(),
        reason=(ids,),
        isIn=(st.integers(0, 3),),
        stateOf=(st.integers(0, 255),),
        share=(numbers, numbers),
        split=(st.one_of(st.integers(0, 10_000), numbers),),
        withdrawable=(people,),
        state=(),
        deadline=(),
        patience=(),
        title=(),
    ),
)

FIRST_TOKEN, SECOND_TOKEN = -4, -5
"""Places of the exchange's tokens."""

_TOKENS = st.sampled_from([FIRST_TOKEN, SECOND_TOKEN, FIRST_TOKEN, SECOND_TOKEN, CONTRACT, 0]).map(Person)

EXCHANGE = ERC20 | Actions(
    calls(
        add=(amounts, amounts, small, people),
        remove=(amounts, small, small, people),
        swap=(_TOKENS, amounts, small, people),
    ),
    calls(quote=(numbers, numbers, numbers), reserves=(), describe=(_TOKENS,)),
)

REGISTRY = Actions(
    calls(
        initialize=(people, texts),
        migrate=(texts,),
        register=(names, st.binary(max_size=100)),
        lock=(names,),
        release=(names,),
        mark=(st.integers(0, 255),),
        unmark=(),
        transferOwnership=(accounts,),
    ),
    calls(owner=(), title=(), changes=(), entry=(names,), names=(), marks=(people,), version=(), proxiableUUID=()),
)


@st.composite
def steps(draw: Callable[[SearchStrategy[Any]], Any], actions: Actions) -> Step:
    """One message. Most change something; one in eight carries wei, one in ten has damaged call data."""
    table = actions.reads if draw(st.integers(0, 4)) == 4 else actions.changes
    name = draw(st.sampled_from(sorted(table)))
    value = draw(small) if name in ("fund", "") else draw(st.sampled_from([0] * 7 + [1_000]))
    damage = (draw(st.integers(0, 400)), draw(st.integers(0, 7))) if draw(st.integers(0, 9)) == 9 else None
    arguments = draw(table[name])
    return Step(draw(_senders(arguments)), value, name, arguments, damage)


def _senders(arguments: tuple[Any, ...]) -> SearchStrategy[int]:
    """Mostly those who may: the first account, and the one that the call is about."""
    first = arguments[0] if arguments else None
    concerned = [first.place] * ACTORS if isinstance(first, Person) and first.place >= 0 else []
    return st.sampled_from([0, 0, *range(ACTORS), *concerned])
