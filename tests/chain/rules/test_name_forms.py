"""Normal forms of names (ENSIP-15), the kinds of names that have none, and what is said of them."""

import pytest

from zevm.chain.errors import InvalidNameError
from zevm.chain.rules.name_service import dns_form, is_normal, namehash, normalised

NORMAL = {
    "MyToken.GHOST": "mytoken.ghost",
    "\uff41.ghost": "a.ghost",
    "e\u0301.ghost": "é.ghost",
    "Ⅷ.ghost": "viii.ghost",
    "🦊.ghost": "🦊.ghost",
    "👩‍👩‍👧.ghost": "👩‍👩‍👧.ghost",
    "_a.ghost": "_a.ghost",
    "-a-.ghost": "-a-.ghost",
    "٣.ghost": "٣.ghost",
    "ghost": "ghost",
    "*.ghost": "*.ghost",
    "*.MyToken.ghost": "*.mytoken.ghost",
    "0x" + "11" * 20 + ".ghost": "0x" + "11" * 20 + ".ghost",
    "l" * 255: "l" * 255,
    "ẞ" * 85: "ß" * 85,
    ".".join("a" * 128): ".".join("a" * 128),
}


@pytest.mark.lengthy
@pytest.mark.parametrize("text", NORMAL, ids=ascii)
def test_a_name_has_one_normal_form(text: str) -> None:
    name = normalised(text)
    assert name == NORMAL[text]
    assert normalised(name) == name
    assert is_normal(name.removeprefix("*."))


REFUSED = {
    "": "the name is empty",
    ".": "empty label, '.' at 0",
    "a.": "empty label, '.' at 1",
    ".a": "empty label, '.' at 0",
    "mytoken.ghost.": "empty label, '.' at 13",
    "a..b": "empty label, '..' at 1; write '.' there",
    "*": "disallowed character, '*' at 0",
    "a.*.ghost": "disallowed character, '*' at 2",
    "**.ghost": "disallowed character, '*' at 0",
    "a b.ghost": "disallowed character, ' ' at 1",
    "a\0.ghost": r"disallowed character, '\x00' at 1",
    "a\n.ghost": r"disallowed character, '\n' at 1",
    "a/b.ghost": "disallowed character, '/' at 1",
    "a。ghost": "disallowed character, '。' at 1",
    "\u202ea.ghost": r"disallowed character, '\u202e' at 0",
    "\ud800.ghost": r"disallowed character, '\ud800' at 0",
    "a\u200db.ghost": r"invisible character, '\u200d' at 1",
    "a_b.ghost": "underscore in a disallowed position, '_' at 1",
    "xn--ls8h.ghost": "the sequence '--' in a disallowed position",
    "\u0430pple.ghost": "multiple scripts (Latin/Cyrillic)",
    "\u0430\u0440\u0440\u04cf\u0435.ghost": "from Cyrillic and Latin scripts",
    "l" * 256: "the name has 256 bytes, at most 255 are possible",
    "é" * 128: "the name has 256 bytes, at most 255 are possible",
    # fewer bytes before than after
    "Ⅷ" * 85: "the name has 340 bytes once it is normalised, at most 255 are possible",
    "a." * 127 + "Ⅷ": "the name has 257 bytes, at most 255",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text)[:30])
def test_what_has_no_normal_form_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidNameError) as caught:
        normalised(text)
    assert REFUSED[text] in caught.value.message
    # whoever prints it needs no more than UTF-8, and gets one line
    assert caught.value.message.encode().splitlines() == [caught.value.message.encode()]


def test_the_wire_format_of_the_longest_names() -> None:
    assert dns_form("l" * 255) == b"\xff" + b"l" * 255 + b"\0"
    assert dns_form(".".join("a" * 128)) == b"\1a" * 128 + b"\0"
    assert (dns_form(""), namehash("")) == (b"\0", bytes(32))
