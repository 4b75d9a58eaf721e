"""The recorded answers of geth, asked of a node over the recorded chain; and that the comparison tells differences."""

from pathlib import Path

import orjson
import pytest

from tests.conformance import conformance_path
from verification.conformance.comparison import RecordedFile, difference
from verification.conformance.recorded_answers import Result, Verdict, report, run

RECORDED = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": [{"hash": "0x" + "ab" * 32, "calls": [{"error": {"code": 3, "message": "a"}}], "ratio": 1}],
}


def changed(**members: object) -> dict[str, object]:
    """The recorded answer with members of its only item replaced; those that are Ellipsis left out."""
    item = RECORDED["result"][0] | members
    return {**RECORDED, "result": [{key: value for key, value in item.items() if value is not ...}]}


@pytest.mark.parametrize("through_fork", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_every_recorded_answer_is_the_nodes(through_fork: bool) -> None:
    results = await run(conformance_path("rpc-compat"), through_fork=through_fork)
    assert len(results) == 116
    assert [str(result) for result in results if result.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize(
    "same",
    [
        RECORDED,
        changed(ratio=1.0),
        changed(calls=[{"error": {"code": 3, "message": "other words"}}]),
        dict(reversed(RECORDED.items())),
    ],
)
def test_what_counts_as_the_same(same: object) -> None:
    assert difference(RECORDED, same, spec_only=False) is None


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (changed(hash="0x" + "ac" * 32), "result[0].hash is"),
        (changed(more=1), "result[0].more is 1, want no such member"),
        (changed(ratio=...), "result[0].ratio is missing"),
        (changed(ratio=True), "result[0].ratio is true, want 1"),
        (changed(calls=[]), "result[0].calls has 0 items, want 1"),
        (changed(calls=[{"error": {"code": 4, "message": "a"}}]), "result[0].calls[0].error.code is 4, want 3"),
        (changed(calls=[{"error": {"code": 3}}]), "result[0].calls[0].error.message is missing"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}}, "error is"),
        ({**RECORDED, "id": 2}, "id is 2, want 1"),
    ],
)
def test_every_difference_is_found(other: object, found: str) -> None:
    assert (difference(RECORDED, other, spec_only=False) or "").startswith(found)


def test_the_form_of_a_result() -> None:
    """What is marked `speconly:` may have other values and more members, but not other types or fewer members."""
    fine = [changed(hash="0x" + "ac" * 32, ratio=2.5), changed(more=[]), changed(calls=[])]
    assert [difference(RECORDED, answer, spec_only=True) for answer in fine] == [None] * 3
    wrong = {
        'result[0].hash is "0xab", want 66 characters': changed(hash="0xab"),
        "result[0].hash is null, want string": changed(hash=None),
        "result[0].ratio is missing": changed(ratio=...),
        "result[0].calls[0].error is missing": changed(calls=[{}]),
        "result is {}, want array": {**RECORDED, "result": {}},
        "is a result where an error is recorded": RECORDED,
    }
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted"}}
    for text, answer in wrong.items():
        recorded = failed if answer is RECORDED else RECORDED
        assert difference(recorded, answer, spec_only=True) == text
    assert difference(failed, failed | {"error": {"code": -32000, "message": ""}}, spec_only=True) is not None
    assert difference({"result": {"0x01": {"a": 1}}}, {"result": {"0x02": {"a": 2}}}, spec_only=True) is None
    assert difference({"result": {"0x01": {"a": 1}}}, {"result": {"0x02": {}}}, spec_only=True) is not None
    optional = {"result": {"disabled": False, "deleteStrategy": {"type": "none"}}}
    assert difference(optional, {"result": {"disabled": False}}, spec_only=True) is None
    assert difference(optional, {"result": {"disabled": False, "deleteStrategy": 1}}, spec_only=True) is not None


def test_files_are_parsed(tmp_path: Path) -> None:
    folder = tmp_path / "eth_x"
    folder.mkdir()
    file = folder / "case.io"
    request = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_x"}).decode()
    file.write_text(f'// text\n// speconly: form alone\n>> {request}\n<< {{"id": 1}}\n\n>> {request}\n<< {{"id": 2}}\n')
    parsed = RecordedFile.read(file)
    assert (parsed.name, parsed.spec_only) == ("eth_x/case", True)
    assert [(item.method, item.response["id"]) for item in parsed.exchanges] == [("eth_x", 1), ("eth_x", 2)]
    file.write_text(f">> {request}\n")
    with pytest.raises(ValueError, match="a request without a response"):
        RecordedFile.read(file)


def test_the_report_counts_and_names() -> None:
    results = [
        Result("eth_x/one", Verdict.PASSED),
        Result("eth_x/two", Verdict.FAILED, "result is 1, want 2"),
        Result("eth_y/one", Verdict.ABSENT, "eth_y"),
    ]
    lines = report(results).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["eth_x", "1", "of", "2"],
        ["eth_y", "0", "of", "1"],
        ["all", "1", "of", "3"],
    ]
    assert lines[3:] == ["failed: eth_x/two: result is 1, want 2", "no such method: eth_y/one: eth_y"]
