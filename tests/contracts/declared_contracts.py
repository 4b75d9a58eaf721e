"""Contracts whose state variables walk all that storage can hold."""

from itertools import cycle

from tests.contracts.declarations import Array, Contract, Enumeration, Mapping, Structure, Type, Value, Whole

COLOUR = Enumeration("Colour", ("red", "green", "blue"))
MANY = Enumeration("Many", tuple(f"m{number}" for number in range(256)))
VALUES: tuple[Value | Enumeration, ...] = (
    *(Value(f"{sign}int{bits}") for bits in range(8, 257, 8) for sign in ("u", "")),
    *(Value(f"bytes{size}") for size in range(1, 33)),
    Value("bool"),
    Value("address"),
    COLOUR,
    MANY,
)
STRING, BYTES, NUMBER, ADDRESS = Value("string"), Value("bytes"), Value("uint256"), Value("address")
SMALL = (*(Value(name) for name in ("uint8", "int24", "bool", "uint40", "bytes3", "uint128")), COLOUR)

POINT = Structure("Point", (("x", Value("int32")), ("y", Value("int32"))))
ITEM = Structure(
    "Item",
    (
        ("owner", ADDRESS),
        ("price", Value("uint96")),
        ("sold", Value("bool")),
        ("title", STRING),
        ("points", Array(POINT)),
        ("code", Value("bytes5")),
        ("trail", Array(Value("uint16"), 5)),
        ("last", POINT),
        ("colour", COLOUR),
    ),
)
BOOK = Structure("Book", (("count", Value("uint64")), ("held", Mapping(ADDRESS, NUMBER)), ("end", Value("uint64"))))


def named(kinds: list[Type]) -> list[tuple[str, Type]]:
    """With a name for each."""
    return [(f"field{number}", kind) for number, kind in enumerate(kinds)]


def shuffled(kinds: tuple[Value | Enumeration, ...]) -> list[Type]:
    """Each once, in an order in which neighbours differ in size, so that slots end in all ways."""
    count = len(kinds)
    return [kinds[number * 41 % count] for number in range(count)]


def values() -> Contract:
    """Every value type, packed."""
    return Contract("Values", named(shuffled(VALUES)), deletes_values=False)


def keys() -> Contract:
    """Mappings under every type of key."""
    items = cycle((NUMBER, Value("uint40"), STRING))
    mappings: list[Type] = [Mapping(key, item) for key, item in zip((*VALUES, STRING, BYTES), items, strict=False)]
    return Contract("Keys", named(mappings), deletes_values=False)


def arrays() -> Contract:
    """Dynamic and fixed arrays of items that share slots, fill one, or take several."""
    wide = (NUMBER, ADDRESS, Value("uint136"), Value("bytes17"))
    dynamic: list[Type] = [Array(kind) for kind in (*SMALL, *wide, STRING, BYTES)]
    counts = (1, 11, 33, 6, 70, 10, 3, 2, 4, 3, 1, 2)
    fixed: list[Type] = [Array(kind, count) for kind, count in zip((*SMALL, *wide, STRING), counts, strict=True)]
    nested: list[Type] = [
        Array(Array(Value("uint8"))),
        Array(Array(Value("uint16"), 3)),
        Array(Array(Value("uint64")), 2),
        Array(Array(Value("uint24"), 11), 2),
        Array(Mapping(ADDRESS, NUMBER)),
        Array(Mapping(NUMBER, Value("bool")), 2),
    ]
    between: list[Type] = [Value("uint8")]
    return Contract("Arrays", named([*dynamic, *between, *fixed, *between, *nested]))


def structures() -> Contract:
    """Structs alone, in arrays, in mappings and in each other; strings."""
    kinds: list[Type] = [
        Value("uint8"),
        POINT,
        Value("uint8"),
        ITEM,
        BOOK,
        STRING,
        BYTES,
        Array(ITEM),
        Array(POINT, 3),
        Array(BOOK),
        Mapping(STRING, Mapping(ADDRESS, ITEM)),
        Mapping(COLOUR, Array(STRING)),
        Mapping(NUMBER, BOOK),
        Mapping(BYTES, BYTES),
    ]
    return Contract("Structures", named(kinds))


LINE = Structure(
    "Line",
    (
        ("from_", POINT),
        ("to", POINT),
        ("name", STRING),
        ("colours", Whole(COLOUR)),
        ("number", Value("uint40")),
        ("small", Whole(Value("uint8"))),
        ("two", Whole(Value("uint8"), 2)),
        ("rows", Whole(Whole(Value("int24"), 11))),
        ("data", BYTES),
    ),
)
PAGE = Structure("Page", (("points", Whole(POINT)), ("number", Value("uint40")), ("corners", Whole(POINT, 2))))


def wholes() -> Contract:
    """Arrays and structs that are read and written at once."""
    kinds: list[Type] = [
        *(Whole(kind) for kind in (*SMALL, NUMBER, ADDRESS, Value("bytes17"), STRING, BYTES)),
        *(Whole(kind, 33) for kind in SMALL),
        Whole(STRING, 2),
        Whole(Whole(Value("uint8"))),
        Whole(Whole(Value("uint64"), 5), 2),
        POINT,
        LINE,
    ]
    return Contract("Wholes", named(kinds), sets_wholes=True)


def pages() -> Contract:
    """The same with arrays of structs, which solc writes at once only by way of its intermediate representation."""
    return Contract("Pages", named([PAGE]), sets_wholes=True, needs_ir=True)


CONTRACTS = (values, keys, arrays, structures, wholes, pages)
