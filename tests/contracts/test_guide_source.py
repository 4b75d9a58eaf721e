"""Short sources of the guide completed to contracts."""

import pytest

from zevm.contracts.guide_source import ContractNameError, complete

IMPORT = 'const covenant = @import("covenant");'
SHORT = "const zigContract = covenant.zigContract;"


def define(name: str) -> str:
    return f"comptime {{ covenant.define({name}); }}"


def added(name: str, source: str) -> list[str]:
    """The lines that are added at the end: the source's own keep their numbers."""
    whole = complete(name, source)
    assert whole.startswith(source)
    return [line for line in whole[len(source) :].splitlines() if line]


TOKEN = 'const MyToken = covenant.zigContract("MyToken");'

CASES = {
    "whole": (f"{IMPORT}\npub const A = struct {{}};\n{define('A')}", []),
    "no definition": (f"{IMPORT}\npub const Name = struct {{}};", [define("Name")]),
    "the guide's line": (TOKEN, [IMPORT, define("MyToken")]),
    "the guide's file": (f"{IMPORT}\n{TOKEN}\npub fn deploy() void {{}}", [define("MyToken")]),
    "the guide's line without the library": (
        'const TokenContract = zigContract("SimpleToken");',
        [IMPORT, SHORT, define("TokenContract")],
    ),
    "an alias of its own": (
        f'{IMPORT}\nconst zigContract = covenant.zigContract;\nconst T = zigContract("T");',
        [define("T")],
    ),
    "a definition in a comment": (f"{IMPORT}\n// covenant.define(X)", [define("Name")]),
    "a definition in a text": (f'{IMPORT}\nconst a = "define(\\"";', [define("Name")]),
    "a definition in a long text": (f"{IMPORT}\nconst a =\n    \\\\define(\n;", [define("Name")]),
    "an import in a comment": (f"// {IMPORT}\n{TOKEN}", [IMPORT, define("MyToken")]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_added_at_the_end(case: str) -> None:
    source, expected = CASES[case]
    assert added("Name", source) == expected
    assert complete("Name", complete("Name", source)) == complete("Name", source)


@pytest.mark.parametrize("source", ["", " \n\t"])
def test_an_empty_source_is_the_library_s_token_of_the_name(source: str) -> None:
    assert complete("Gold", source).split("\n") == [
        'const Contract = covenant.zigContract("Gold");', IMPORT, define("Contract"), "",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "a" * 65, "é", '"); evil(', "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ContractNameError, match="is no contract name"):
        complete(name, "")


def test_names_of_up_to_64_characters_pass() -> None:
    for name in ("a", "_", "A" * 64, "a_1"):
        assert f'zigContract("{name}")' in complete(name, "")
