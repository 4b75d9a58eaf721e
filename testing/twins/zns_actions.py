"""Calls of random sequences on the name service's twins."""

from __future__ import annotations

from eth_abi.abi import encode
from hypothesis import strategies as st

from testing.name_service import OFFCHAIN_CALLBACK
from testing.twins.actions import (
    LARGEST,
    NOBODY,
    RECEIVER,
    ZERO,
    Actions,
    Inner,
    Packed,
    Person,
    answers,
    calls,
    ids,
    lists,
    numbers,
    people,
    small,
    texts,
)
from zevm.chain.calls.name_changes import call_data
from zevm.chain.rules.name_service import dns_form, namehash
from zevm.storage.keccak import keccak256

NAME = "mytoken.ghost"
"""The name that scenarios register."""

_LABELS = st.sampled_from(["top", "top", "a", "b"]).map(lambda label: keccak256(label.encode()))
_NODES = st.sampled_from([bytes(32), namehash("top"), namehash("top"), namehash("a.top"), namehash("b.top")])
_SECONDS = st.sampled_from([0, 1, 300, 2**32, 2**63, 2**64 - 1])

ZNS_REGISTRY = Actions(
    calls(
        setOwner=(_NODES, people),
        setResolver=(_NODES, people),
        setTTL=(_NODES, _SECONDS),
        setRecord=(_NODES, people, people, _SECONDS),
        setSubnodeOwner=(_NODES, _LABELS, people),
        setSubnodeRecord=(_NODES, _LABELS, people, people, _SECONDS),
        setSubnodeExpiry=(_NODES, _LABELS, _SECONDS),
        forgetSubnode=(_NODES, _LABELS),
        setApprovalForAll=(people, st.booleans()),
    ),
    calls(
        owner=(_NODES,),
        resolver=(_NODES,),
        ttl=(_NODES,),
        expires=(_NODES,),
        recordExists=(_NODES,),
        incarnation=(_NODES,),
        isApprovedForAll=(people, people),
    ),
)

_NAMED = st.sampled_from([namehash(NAME)] * 3 + [namehash("nobody.ghost")])
_LONGEST = "l" * 255
"""A label of as many bytes as the wire format can say."""

_DNS_NAMES = st.sampled_from(
    [dns_form(name) for name in (NAME, "below." + NAME, "nobody.ghost", f"{_LONGEST}.{NAME}")] + [b"", b"\x09short"]
)
_COINS = st.sampled_from([0, 60, 0x80000000, 0x80000001, LARGEST])
_KEYS = st.sampled_from(["", "url", "é" * 40])
_INTERFACES = st.sampled_from([bytes.fromhex(each) for each in ("01ffc9a7", "3b3b57de", "9061b923", "ffffffff")])
_OWN_CHANGES = st.tuples(_NAMED, _KEYS, texts).map(lambda arguments: Inner(b"", "setText", arguments))
_OWN_READS = st.tuples(_NAMED, _KEYS).map(lambda arguments: Inner(b"", "text", arguments))

ZNS_RESOLVER = Actions(
    {
        **calls(
            setApprovalForAll=(people, st.booleans()),
            approve=(_NAMED, people, st.booleans()),
            clearRecords=(_NAMED,),
            setContract=(_NAMED, people),
            setText=(_NAMED, _KEYS, texts),
            setContenthash=(_NAMED, answers),
            setName=(_NAMED, texts),
            setInterface=(_NAMED, _INTERFACES, people),
            multicall=(lists(st.one_of(_OWN_CHANGES, _OWN_READS)),),
            multicallWithNodeCheck=(_NAMED, lists(_OWN_CHANGES)),
        ),
        "setAddr(bytes32,address)": st.tuples(_NAMED, people),
        "setAddr(bytes32,uint256,bytes)": st.tuples(
            _NAMED, _COINS, st.one_of(answers, st.binary(min_size=20, max_size=20))
        ),
    },
    {
        **calls(
            isAuthorised=(_NAMED, people),
            isApprovedForAll=(people, people),
            isApprovedFor=(people, _NAMED, people),
            recordVersions=(_NAMED,),
            contractOf=(_NAMED,),
            text=(_NAMED, _KEYS),
            contenthash=(_NAMED,),
            name=(_NAMED,),
            interfaceImplementer=(_NAMED, _INTERFACES),
            resolve=(_DNS_NAMES, st.one_of(_OWN_READS, answers)),
            supportsInterface=(_INTERFACES,),
        ),
        "addr(bytes32)": st.tuples(_NAMED),
        "addr(bytes32,uint256)": st.tuples(_NAMED, _COINS),
    },
)

_NEW_NAMES = st.sampled_from(
    [NAME, "grace.ghost", "old.kz", "new.gcc", "n" * 63 + ".bc", "é.zns", "a.b.ghost", "n" * 64 + ".bc", "A.ghost",
     "nobody", ".ghost", "a.", "a.eth", "*.ghost", "", "."]
)  # fmt: skip
_DAYS = st.sampled_from([0, 1, 30, 36_500, 36_501]).map(lambda days: days * 86_400)
_DURATIONS = st.one_of(_DAYS, _DAYS, st.sampled_from([86_399, 2**64 - 1]))
_RECORD_CALLS = lists(
    st.tuples(st.sampled_from([NAME, "new.gcc"]), texts).map(
        lambda drawn: call_data("setText(bytes32,string,string)", namehash(drawn[0]), "url", drawn[1])
    )
)

ZNS_REGISTRAR = Actions(
    calls(
        register=(_NEW_NAMES, people, _DURATIONS, st.one_of(st.just([]), _RECORD_CALLS)),
        renew=(_NEW_NAMES, _DURATIONS),
        transfer=(_NEW_NAMES, people),
        reclaim=(_NEW_NAMES, people),
    ),
    calls(
        available=(_NEW_NAMES,),
        registration=(_NEW_NAMES,),
        count=(),
        page=(st.one_of(ids, numbers), st.one_of(small, numbers)),
        MINIMUM_DURATION=(),
        MAXIMUM_DURATION=(),
        GRACE_PERIOD=(),
    ),
)

PUBLIC_RESOLVER, OWNED_CONTRACT = -6, -7
"""Places of the resolver of the chain's genesis, and of a contract that the first account owns."""

_RESOLVERS = st.sampled_from([PUBLIC_RESOLVER] * 3 + [RECEIVER, NOBODY, 0]).map(Person)
_NAMED_ADDRESSES = st.one_of(people, st.just(Person(OWNED_CONTRACT)))

ZNS_REVERSE_REGISTRAR = Actions(
    calls(
        claim=(people,),
        claimWithResolver=(people, _RESOLVERS),
        claimForAddr=(_NAMED_ADDRESSES, people, _RESOLVERS),
        setName=(texts,),
        setNameForAddr=(_NAMED_ADDRESSES, people, _RESOLVERS, texts),
    ),
    calls(ens=(), defaultResolver=(), node=(people,)),
)

ECHO, ONE, HOSTILE = -8, -9, -10
"""Places of contracts that answer with their arguments, and with 1; of an address whose name is no name."""

OFFCHAIN, MISSENT = "0x" + "0f" * 20, "0x" + "0e" * 20
"""Resolvers that send their callers to gateways; the second in the name of the first, to which no client goes."""

LOOKED_UP = (NAME, "a." + NAME, "a.b." + NAME, "echo." + NAME, "a.echo." + NAME, "one." + NAME, "account." + NAME,
             "receiver." + NAME, "offchain." + NAME, "a.offchain." + NAME, "missent." + NAME)  # fmt: skip
"""Names that the universal resolver's scenario has resolvers for, of every kind."""

_LOOKED_UP = st.one_of(
    st.sampled_from(LOOKED_UP).map(dns_form),
    st.sampled_from(
        [
            dns_form("nobody.ghost"),
            dns_form(_LONGEST),
            dns_form(f"{_LONGEST}.a.{NAME}"),
            dns_form(""),
            b"",
            b"\x09short",
            b"\1a\0\0",
        ]
    ),
)
_QUERIES = st.one_of(
    st.sampled_from(LOOKED_UP).map(lambda name: call_data("addr(bytes32)", namehash(name))),
    st.tuples(st.sampled_from(LOOKED_UP), _COINS).map(
        lambda drawn: call_data("addr(bytes32,uint256)", namehash(drawn[0]), drawn[1])
    ),
    answers,
)
_REVERSED = st.one_of(
    st.sampled_from([0, 1, 2, 3, ECHO, HOSTILE, NOBODY]).map(Packed),
    st.sampled_from([b"", b"\0", b"a" * 127, b"a" * 128]),
)
_GATEWAY_RESPONSES = st.one_of(
    answers, st.binary(max_size=40).map(lambda content: encode(["bytes"], [content])), texts.map(str.encode)
)
_LOOKUPS = st.tuples(
    st.sampled_from([OFFCHAIN, OFFCHAIN, MISSENT, "0x" + "01" * 20, ZERO]),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.sampled_from([OFFCHAIN_CALLBACK, OFFCHAIN_CALLBACK, b"\1\2\3\4"]),
    answers,
).map(lambda lookup: encode(["(address,bool,bytes4,bytes4,bytes)"], [lookup]))
_COIN_TYPES = st.one_of(st.just(60), st.just(60), _COINS)

ZNS_UNIVERSAL_RESOLVER = Actions(
    calls(
        resolve=(_LOOKED_UP, _QUERIES),
        resolveCallback=(_GATEWAY_RESPONSES, st.one_of(_LOOKUPS, _LOOKUPS, _LOOKUPS, answers)),
        reverse=(_REVERSED, _COIN_TYPES),
        findResolver=(_LOOKED_UP,),
        requireResolver=(_LOOKED_UP,),
    ),
    calls(
        resolveWithGateways=(_LOOKED_UP, _QUERIES, lists(texts)),
        reverseWithGateways=(_REVERSED, _COIN_TYPES, lists(texts)),
        supportsInterface=(_INTERFACES,),
    ),
)
