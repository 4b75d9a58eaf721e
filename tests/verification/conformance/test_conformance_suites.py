"""What `make conformance` runs: that its suites pass on a sample, and that each of them notices what it looks for."""

from dataclasses import replace
from typing import Any

import pytest

from tests.conformance import conformance_path
from verification.conformance.chain_suite import (
    FIELDS,
    LENGTH,
    Alteration,
    Place,
    choose,
    import_suite,
    places,
    try_alterations,
)
from verification.conformance.data import read_items
from verification.conformance.outcome import DOCUMENT, Shortfall, SuiteResult, complaints, known_shortfalls
from verification.conformance.run import chosen, main
from verification.conformance.state_fixtures import Case, load_cases, run_case
from verification.conformance.state_suite import FileResult, count_cases, reasons_of, run_file, table_by_eip, zvm_suite
from zevm.chain.types import Block, Header
from zevm.storage.rlp import RlpError

CALL_ARBWASM = "0x5f5f5f5f5f60715af100"
READ_LIBRARY_BALANCE = "0x625a564d3100"
MODULE = "0x0061736d01000000"
COMPRESSED = "0xeff00000"


@pytest.fixture(scope="module")
def case() -> Case:
    """A small one whose transaction calls a contract."""
    folder = conformance_path("state_tests", "shanghai", "eip3855_push0")
    for path in sorted(folder.rglob("*.json")):
        for found in load_cases(path):
            if found.test["transaction"]["to"] and not found.rejected:
                return found
    raise AssertionError("no such case")


def with_code(case: Case, code: str) -> Case:
    """The case with other code at the contract that is called."""
    target = case.test["transaction"]["to"]
    pre: dict[str, Any] = {**case.test["pre"], target: case.test["pre"][target] | {"code": code}}
    return replace(case, test=case.test | {"pre": pre})


def test_differences_of_a_case_are_seen(case: Case) -> None:
    assert run_case(case) is None
    assert "state root differs" in (run_case(with_code(case, "0x00")) or "")
    assert "logs differ" in (run_case(replace(case, post=case.post | {"logs": "0x" + "00" * 32})) or "")
    must_fail = replace(case, post=case.post | {"expectException": "TransactionException.INTRINSIC_GAS_TOO_LOW"})
    assert run_case(must_fail) == "accepted, want TransactionException.INTRINSIC_GAS_TOO_LOW"


def test_a_rejection_for_another_reason_is_a_difference() -> None:
    path = conformance_path("state_tests", "osaka", "eip7825_transaction_gas_limit_cap")
    rejected = next(case for file in sorted(path.rglob("*.json")) for case in load_cases(file) if case.rejected)
    assert run_case(rejected) is None
    other = replace(rejected, post=rejected.post | {"expectException": "TransactionException.INITCODE_SIZE_EXCEEDED"})
    assert (run_case(other) or "").startswith("rejected with ")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (CALL_ARBWASM, ("ArbWasm at 0x71",)),
        (READ_LIBRARY_BALANCE, ("ZvmLibrary at 0x5a564d",)),
        (MODULE, ("code or creation data begins as a module",)),
        (COMPRESSED, ("code or creation data begins as a module",)),
        ("0x60725f5500", ()),
    ],
)
def test_what_the_zvm_flag_means_for_a_case(case: Case, code: str, reason: tuple[str, ...]) -> None:
    assert reasons_of(with_code(case, code)) == reason


def test_differences_by_the_flag_are_failures_only_unexplained() -> None:
    before = [FileResult("a", failures={"both": "x"}), FileResult("b")]
    after = [
        FileResult("a", failures={"both": "x", "new": "y"}, reasons={"both": (), "new": ()}),
        FileResult("b", failures={"wasm": "z"}, reasons={"wasm": ("ArbWasm at 0x71",)}),
    ]
    result = zvm_suite(before, after, 0)
    assert result.shortfalls == (Shortfall("a new", "y"),)
    assert result.notes == ("2 of 0 differ with zvm on", "1: ArbWasm at 0x71")


def test_a_file_is_counted_by_fork_and_eip() -> None:
    path = min(conformance_path("state_tests", "cancun", "eip7516_blobgasfee").rglob("*.json"))
    results = [run_file(path, zvm) for zvm in (False, True)]
    for result in results:
        assert count_cases([result]) == len(list(load_cases(path)))
        assert (result.failures, {group.eip for group in result.tallies}) == ({}, {7516})
    assert table_by_eip(results).row_count == len(results[0].tallies)


def test_the_chain_imports_to_its_announced_head() -> None:
    result = import_suite(conformance_path("rpc-compat"))
    assert (result.passed, result.total) == (54, 54), result.shortfalls


def test_altered_bytes_are_refused_by_name() -> None:
    folder = conformance_path("rpc-compat")
    chosen_bytes = choose(list(read_items(folder / "chain.rlp")), 250, seed=4788)
    refusals = try_alterations(folder, chosen_bytes)
    assert [item.alteration for item in refusals] == chosen_bytes
    assert [item.shortfall for item in refusals if item.shortfall is not None] == []
    assert {item.where for item in refusals} == {"the block itself", "the next block"}


def test_a_free_field_of_the_last_block_is_told_by_the_head_alone() -> None:
    folder = conformance_path("rpc-compat")
    last = list(read_items(folder / "chain.rlp"))[-1]
    offset = places(last).index(Place("mix_hash"))
    (refusal,) = try_alterations(folder, [Alteration(54, offset, 0x80)])
    assert (refusal.where, refusal.shortfall) == ("the head's hash", None)


def test_the_place_of_every_byte() -> None:
    item = next(read_items(conformance_path("rpc-compat", "chain.rlp")))
    where, header = places(item), Block.decode(item).header
    parts = [place.part for place in where]
    present = {name for name in FIELDS[:15] if getattr(header, name) not in (0, b"")}
    assert set(parts) == {*present, "transactions", LENGTH}
    assert where[parts.index("number")].is_length
    begin = parts.index("state_root")
    assert item[begin : begin + 32] == header.state_root
    assert parts[begin - 1] == LENGTH
    assert parts[:3] == [LENGTH] * 3


def test_what_counts_as_naming_a_place() -> None:
    assert Place("state_root").is_named_by("block 3: state root is 0x01, want 0x02")
    assert not Place("state_root").is_named_by("block 3: receipts root is 0x01, want 0x02")
    assert Place("extra_data").is_named_by("block 4: parent hash is 0x01, want 0x02")
    assert not Place("extra_data").is_named_by("no")
    assert not Place("transactions").is_named_by("block 3: state root is 0x01, want 0x02")


def test_a_block_that_does_not_decode_says_where() -> None:
    encoded = Block(Header(parent_hash=bytes(32), number=5), withdrawals=()).encode()
    for broken, text in (
        (encoded[:-1], "in the block's list"),
        (encoded.replace(b"\xc0\xc0\xc0", b"\xc1\x80\xc0\xc0"), "in the block's list"),
        (encoded.replace(b"\xc0\xc0\xc0", b"\xc0\xc0\x80"), "expected input list in the block's withdrawals"),
        (encoded.replace(b"\xc0\xc0\xc0", b"\xc0\x80\xc0"), "expected input list in the block's uncles"),
        (encoded.replace(b"\x80\x05\x80", b"\x80\x00\x80"), "for header field number in the block's header"),
    ):
        with pytest.raises(RlpError, match=text):
            Block.decode(broken)


LISTED = """# Conformance

| `import: block 1` | of another table |

## Shortfalls

| case | reason |
|---|---|
| `import: block 7` | its reason |

## After
"""


def test_only_shortfalls_that_are_listed_pass() -> None:
    known = known_shortfalls(LISTED)
    assert known == {"import: block 7": "its reason"}
    missing = Shortfall("block 7", "x")
    assert list(complaints([SuiteResult("import", 54, 1, (missing,))], known)) == []
    two = SuiteResult("import", 54, 1, (missing, Shortfall("block 8", "y")))
    assert (two.passed, list(complaints([two], known))) == (52, ["import: block 8: y"])
    (stale,) = complaints([SuiteResult("import", 54, 1)], known)
    assert stale.startswith("import: block 7: is listed as a shortfall and passes")
    assert list(complaints([SuiteResult("other", 1, 1)], known)) == []
    assert list(complaints([SuiteResult("other", 0, 1)], known)) == ["other: there was nothing to run"]
    with pytest.raises(ValueError, match="no part '## Shortfalls'"):
        known_shortfalls("# Conformance")


def test_the_document_lists_shortfalls_of_suites_that_exist() -> None:
    known = known_shortfalls(DOCUMENT.read_text())
    suites = ("state fixtures", "state fixtures with zvm", "chain import", "altered bytes", "recorded answers")
    assert [name for name in known if name.partition(": ")[0] not in suites] == []


def test_the_whole_command(capsys: pytest.CaptureFixture[str]) -> None:
    conformance_path("rpc-compat")
    assert main(["--only", "altered,import", "--bytes", "40", "--seed", "7"]) == 0
    printed = capsys.readouterr().out
    assert "head 0xd226371d" in printed
    assert "seed 7, 40 of 70,178 bytes" in printed
    with pytest.raises(SystemExit, match="unknown: fixture; there are: fixtures"):
        chosen("fixture")
