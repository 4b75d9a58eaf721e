"""Code of an account against code of an artifact: everything that a deployment fills in, and nothing else."""

import pytest

from zevm.analysis.code_match import CodeIndex, CodePattern, listed_ranges, without_metadata

METADATA = bytes.fromhex("a264697066735822") + bytes(34) + bytes.fromhex("64736f6c6343000825") + b"\0\x33"
BODY = bytes.fromhex("6080604052600436106100ff") + bytes([0x7F]) + bytes(32) + bytes.fromhex("5b600080fd")
IMMUTABLE = (13, 32)


def _index(code: bytes, references: list[tuple[int, int]], *, is_vyper: bool = False) -> CodeIndex[str]:
    index: CodeIndex[str] = CodeIndex()
    index.add(code, CodePattern.of_runtime(code, references, is_vyper=is_vyper), "it")
    return index


@pytest.mark.parametrize("references", [[IMMUTABLE], []], ids=["listed", "found"])
@pytest.mark.parametrize("metadata", [METADATA, METADATA[:10] + b"\x99" + METADATA[11:], b""])
def test_immutables_and_metadata_do_not_count(references: list[tuple[int, int]], metadata: bytes) -> None:
    deployed = BODY.replace(bytes(32), b"\x11" * 32) + metadata
    assert _index(BODY + METADATA, references).find(deployed) == "it"


@pytest.mark.parametrize("position", [0, 10, 45, len(BODY) - 1])
def test_every_other_byte_counts(position: int) -> None:
    other = bytearray(BODY + METADATA)
    other[position] ^= 1
    assert _index(BODY + METADATA, [IMMUTABLE]).find(bytes(other)) is None


def test_length_counts() -> None:
    index = _index(BODY + METADATA, [IMMUTABLE])
    assert index.find(BODY + b"\0" + METADATA) is None
    assert index.find(BODY[:-1]) is None
    assert index.find(b"") is None


def test_a_library_has_its_address_in_it() -> None:
    library = b"\x73" + bytes(20) + bytes.fromhex("3014608060405260043610")
    assert _index(library, []).find(b"\x73" + b"\xaa" * 20 + library[21:]) == "it"


def test_vyper_s_immutables_follow_the_code() -> None:
    index = _index(BODY, [], is_vyper=True)
    assert index.find(BODY + b"\x05" * 64) == "it"
    assert index.find(BODY[:-1] + b"\x05" * 64) is None


def test_of_equal_bodies_the_exact_one_is_found() -> None:
    index: CodeIndex[str] = CodeIndex()
    others = [BODY + METADATA[:12] + bytes([number]) + METADATA[13:] for number in range(3)]
    for number, code in enumerate(others):
        index.add(code, CodePattern.of_runtime(code, [], is_vyper=False), str(number))
    assert [index.find(code) for code in others] == ["0", "1", "2"]


def test_arguments_follow_creation_code() -> None:
    index: CodeIndex[str] = CodeIndex()
    short, long = BODY + METADATA, BODY + b"\x01" * 40 + METADATA
    for name, code in (("short", short), ("long", long)):
        index.add(code, CodePattern.of_creation(code, []), name)
    assert index.find_longest(short + bytes(32)) == ("short", len(short))
    assert index.find_longest(long + bytes(64)) == ("long", len(long))
    assert index.find_longest(BODY[:-1]) is None


@pytest.mark.parametrize("code", [b"", b"\0", b"\0\0", b"\xa0\0\x01", b"\xff\xff\xff\xff", b"\0" * 40])
def test_what_has_no_metadata_stays(code: bytes) -> None:
    assert without_metadata(code) in (code, code[:-3])


def test_ranges_of_solc_s_references() -> None:
    references = {"7": [{"start": 3, "length": 32}], "a.sol": {"L": [{"start": 40, "length": 20}, {"start": "x"}]}}
    assert list(listed_ranges(references)) == [(3, 32), (40, 20)]
    assert list(listed_ranges(None)) == []
