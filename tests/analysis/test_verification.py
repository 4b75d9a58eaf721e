"""Contracts verified: what counts as equal code, what a submission may be, and the bounds of a compile."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.solc_double import VERSION, solc_double
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.verification import store
from zevm.analysis.verification.comparison import Match
from zevm.analysis.verification.compilation import environment_of
from zevm.analysis.verification.errors import Failure, SubmissionError
from zevm.analysis.verification.store import VerifiedStore
from zevm.analysis.verification.submission import Submission, flat_submission, standard_submission
from zevm.analysis.verification.verifier import Job, Outcome, Verifier, VerifierLimits
from zevm.contracts.compilers import installed_solc
from zevm.contracts.compilers.installed_solc import InstalledSolc, SolcVersion
from zevm.contracts.compilers.solidity import compile_standard_json
from zevm.contracts.errors import CompilerBusyError, CompilerMissingError
from zevm.contracts.options import BuildOptions, CompilerLimits
from zevm.contracts.process import run_compiler
from zevm.contracts.source_maps.mappings import CREATION_MEMBER
from zevm.storage.keccak import keccak256

METADATA = bytes.fromhex("a264697066735822") + bytes(34) + bytes.fromhex("64736f6c6343000825") + b"\0\x33"
OTHER_METADATA = METADATA[:10] + b"\x99" + METADATA[11:]
BODY = bytes.fromhex("6080604052600436106100ff") + b"\x7f" + bytes(32) + bytes.fromhex("5b600080fd")
FILLED = BODY.replace(bytes(32), b"\x11" * 32)
IMMUTABLE = "13:32"
LIBRARY = b"\x73" + bytes(20) + bytes.fromhex("3014608060405260043610")
LIMITS = VerifierLimits(CompilerLimits(30, file_bytes=1 << 20), running=1, waiting=4, kept=8)
Make = Callable[..., Verifier]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes verifiers that compile with the program of testing.solc_double."""
    made: list[Verifier] = []

    def begin(limits: VerifierLimits = LIMITS, folder: Path | None = None, **bounds: int) -> Verifier:
        store = VerifiedStore(folder, **({"most_contracts": 10, "most_bytes": 1 << 20} | bounds))
        made.append(Verifier(Catalogue(), store, InstalledSolc([solc_double(tmp_path / "tool")]), limits))
        return made[-1]

    yield begin
    for verifier in made:
        verifier.close()


def submission(*lines: str, contract: str = "a.sol:A", language: str = "Solidity") -> Submission:
    document = {"language": language, "sources": {"a.sol": {"content": "\n".join(lines)}}, "settings": {}}
    return standard_submission(document, contract, f"v{VERSION}")


def source(code: bytes, *immutables: str, name: str = "A") -> str:
    return " ".join(["contract", name, code.hex() or "-", *immutables])


def verified(verifier: Verifier, code: bytes, *lines: str, **chosen: str) -> Outcome:
    """The outcome of sources. chosen: the submission's contract and language."""
    name = verifier.submit(Job(submission(*lines, **chosen), b"\x01" * 20, code))
    running = verifier.running(name)
    if running is not None:
        running.result(60)
    outcome = verifier.outcome(name)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("compiled", "immutables", "deployed", "match"),
    [
        (BODY + METADATA, [], BODY + METADATA, Match.EXACT),
        (BODY + METADATA, [IMMUTABLE], FILLED + METADATA, Match.EXACT),
        (BODY + METADATA, [], BODY + OTHER_METADATA, Match.PARTIAL),
        (BODY + METADATA, [IMMUTABLE], FILLED + OTHER_METADATA, Match.PARTIAL),
        (BODY, [], BODY, Match.EXACT),
        (LIBRARY, [], LIBRARY[:1] + b"\xaa" * 20 + LIBRARY[21:], Match.EXACT),
        (BODY + METADATA, [], FILLED + METADATA, None),
        (BODY + METADATA, [IMMUTABLE], FILLED[:-1] + b"\xfe" + METADATA, None),
        (BODY + METADATA, [], BODY, Match.PARTIAL),
        (BODY, [], BODY + b"\0", None),
        (BODY, [], BODY + METADATA, None),
        (BODY + METADATA, [], BODY[:-1] + METADATA, None),
    ],
)
def test_all_code_counts_but_what_a_deployment_fills_in(
    make: Make, compiled: bytes, immutables: list[str], deployed: bytes, match: Match | None
) -> None:
    """Words of zeros that the compiler does not list as immutables count, unlike where names are looked up."""
    outcome = verified(make(), deployed, source(compiled, *immutables))
    assert outcome.match is match, outcome
    assert (outcome.failure is Failure.NO_MATCH) == (match is None)


def test_a_wrong_source_is_told_where_it_parts(make: Make) -> None:
    wrong = bytearray(BODY)
    wrong[5] ^= 1
    verifier = make()
    outcome = verified(verifier, BODY + METADATA, source(bytes(wrong) + METADATA))
    assert f"from byte 5: 0x{wrong[5:13].hex()}, where the account has 0x{BODY[5:13].hex()}" in outcome.reason
    assert verifier.verified(keccak256(BODY + METADATA)) is None
    shorter = verified(verifier, BODY, source(BODY[:-1]))
    assert f"{len(BODY) - 1} bytes of code and the account has {len(BODY)}" in shorter.reason
    assert "compiles without metadata" in verified(verifier, BODY + METADATA, source(BODY)).reason


def test_what_a_compiler_refuses_is_the_reason(make: Make) -> None:
    outcome = verified(make(), BODY, "wrong", source(BODY))
    assert (outcome.failure, outcome.reason) == (Failure.COMPILER, "a.sol: this is wrong")


def test_a_name_that_several_files_or_none_have(make: Make) -> None:
    verifier = make()
    twice = replace(submission(source(BODY), contract="A"), sources={"a.sol": source(BODY), "b.sol": source(BODY)})
    name = verifier.submit(Job(twice, b"", BODY))
    if (running := verifier.running(name)) is not None:
        running.result(60)
    told = verifier.outcome(name)
    assert told is not None
    assert "2 contracts A (a.sol, b.sol)" in told.reason
    assert verified(verifier, BODY, source(BODY), contract="A").match is Match.EXACT
    assert "no contract a.sol:B" in verified(verifier, BODY, source(BODY), contract="a.sol:B").reason
    assert "no code" in verified(verifier, BODY, source(b"")).reason


@pytest.mark.lengthy
def test_a_compiler_is_bounded_in_time_and_in_what_it_writes(make: Make) -> None:
    slow = replace(LIMITS, compiler=replace(LIMITS.compiler, seconds=0.5))
    begun = time.monotonic()
    outcome = verified(make(slow), BODY, "endless", source(BODY))
    assert outcome.failure is Failure.COMPILER
    assert "took more than 0.5 seconds" in outcome.reason
    assert time.monotonic() - begun < 25
    large = verified(make(), BODY, "large", source(BODY))
    assert large.failure is Failure.COMPILER
    assert "wrote more than 1,048,576 bytes" in large.reason


def test_few_wait_and_few_outcomes_are_kept(make: Make) -> None:
    verifier = make(replace(LIMITS, waiting=0, kept=1))
    first = verifier.submit(Job(submission("endless"), b"", BODY))
    with pytest.raises(CompilerBusyError, match="1 contracts are being verified and 0 wait"):
        verifier.submit(Job(submission(source(BODY)), b"", BODY))
    outcome = verifier.outcome(first)
    assert outcome is not None
    assert outcome.is_pending
    begun = time.monotonic()
    verifier.close()
    assert time.monotonic() - begun < 20, "the end of the node ends the compiler"
    other = make(replace(LIMITS, kept=1))
    names = []
    for _ in range(7):
        names.append(other.submit(Job(submission("wrong"), b"", BODY)))
        if (running := other.running(names[-1])) is not None:
            running.result(60)
    assert other.outcome(names[0]) is None
    assert other.outcome(names[-1]) is not None


@pytest.mark.parametrize("in_folder", [True, False])
def test_a_match_is_replaced_by_a_better_one_alone(make: Make, tmp_path: Path, in_folder: bool) -> None:
    """Two were submitted at a time, or the node was started again in between."""
    folder = tmp_path / "verified" if in_folder else None
    exact, other = source(BODY + METADATA), source(BODY + OTHER_METADATA)
    verifier = make(folder=folder)
    for sources in (other, source(BODY + OTHER_METADATA) + "\n// by another"):
        assert verified(verifier, BODY + METADATA, sources).match is Match.PARTIAL
        found = verifier.verified(keccak256(BODY + METADATA))
        assert found is not None
        assert found.sources == {"a.sol": other}
    assert len(verifier._catalogue.contracts()) == 1
    assert verified(verifier, BODY + METADATA, exact).match is Match.EXACT
    verifiers = [verifier]
    if in_folder:
        verifiers.append(make(folder=folder))
        verifiers[-1].begin()
    for each in verifiers:
        assert verified(each, BODY + METADATA, other).match is Match.EXACT
        found = each.verified(keccak256(BODY + METADATA))
        assert found is not None
        assert (found.match, found.sources) == (Match.EXACT, {"a.sol": exact})


def test_what_anybody_can_write_in_yul_makes_room_for_the_source(make: Make, tmp_path: Path) -> None:
    """Yul takes any bytes as code, under any name: it is a match without metadata, and the worst of them."""
    folder, code = tmp_path / "verified", BODY + METADATA
    code_hash = keccak256(code)
    verifier = make(folder=folder)
    assert verified(verifier, code, source(code, name="Fake"), contract="Fake", language="Yul").match is Match.PARTIAL
    found = verifier.verified(code_hash)
    assert found is not None
    assert (found.name, found.abi, verifier.is_exact(code_hash)) == ("Fake", [], False)
    again = make(folder=folder)
    again.begin()
    for each in (verifier, again):
        partial = verified(each, code, source(BODY + OTHER_METADATA, name="Own"), contract="Own")
        assert partial.match is Match.PARTIAL
        found = each.verified(code_hash)
        assert found is not None
        known = each._catalogue.identify(code)
        assert known is not None
        assert (found.name, known.name) == ("Own", "Own")
        assert [contract.name for contract in each._catalogue.contracts()] == ["Own"]
    assert verified(verifier, code, source(code, name="Fake"), contract="Fake", language="Yul").match is Match.PARTIAL
    assert verified(verifier, code, source(code, name="Own"), contract="Own").match is Match.EXACT
    assert verifier.is_exact(code_hash)


def test_creation_code_names_what_it_deploys_alone(make: Make, tmp_path: Path) -> None:
    """A stranger's that is the beginning of many contracts' would name them all."""
    folder, code = tmp_path / "verified", BODY + METADATA
    verifier = make(folder=folder)
    beginning = "60806040523480156100" * 10
    assert verified(verifier, code, f"creation {beginning}", source(code)).match is Match.EXACT
    assert verified(verifier, BODY, source(BODY)).match is Match.EXACT
    library = LIBRARY + METADATA
    whole = b"\x60\x01" * 20 + library
    lines = f"creation {whole.hex()}", source(library, name="Whole")
    assert verified(verifier, library, *lines, contract="Whole").match is Match.EXACT
    again = make(folder=folder)
    again.begin()
    verified(again, b"\1", "wrong")
    for each in (verifier, again):
        of_creation = each._catalogue.of_creation
        assert of_creation(bytes.fromhex(beginning) + bytes(100)) is None
        assert of_creation(BODY + bytes(100)) is None
        found = of_creation(whole + bytes(32))
        assert found is not None
        assert (found[0].name, found[1]) == ("Whole", bytes(32))


def test_a_document_is_parsed_once(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (None, tmp_path / "verified"):
        verifier = make(folder=folder)
        codes = [bytes((number,)) * 80 for number in range(3)]
        for code in codes:
            assert verified(verifier, code, source(code)).match is Match.EXACT
        first, second, third = map(keccak256, codes)
        kept = verifier.verified(first)
        assert kept is not None
        assert verifier.verified(first) is kept
        size = verifier._store._records[first].size_bytes
        with monkeypatch.context() as patch:
            patch.setattr(store, "PARSED_BYTES", 2 * size + size // 2)
            assert verifier.verified(second)
            assert verifier.verified(first) is kept, "it was asked for last"
            assert verifier.verified(third)
            assert verifier.verified(first) is kept
            assert list(verifier._store._parsed) == [third, first]
            patch.setattr(store, "PARSED_BYTES", 0)
            assert verifier.verified(second)
        assert verifier._store._parsed == {}


def test_sources_can_be_sent_again_for_a_document_that_is_lost(make: Make, tmp_path: Path) -> None:
    folder, code_hash = tmp_path / "verified", keccak256(BODY)
    verifier = make(folder=folder)
    file = folder / f"0x{code_hash.hex()}.json"
    for is_damaged in (False, True):
        assert verified(verifier, BODY, source(BODY)).match is Match.EXACT
        file.unlink()
        if is_damaged:
            file.write_text("[")
        assert verifier.verified(code_hash) is None
        assert not verifier.is_exact(code_hash)
    assert verified(verifier, BODY, source(BODY)).match is Match.EXACT
    assert verifier.verified(code_hash)


def test_a_compiler_finds_no_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """solc runs provers that it finds by PATH where a source asks for proofs; a script needs its interpreter."""
    monkeypatch.setenv("PATH", "/somewhere")
    monkeypatch.setenv("SECRET", "x")
    assert environment_of(solc_double(tmp_path)).items() >= {("PATH", "/somewhere")}
    assert not environment_of(Path(sys.executable)).keys() & {"PATH", "SECRET"}


def test_code_larger_than_any_contract_gets_no_source_map(tmp_path: Path) -> None:
    solc = str(solc_double(tmp_path))
    request = {"settings": {"outputSelection": {"*": {"A": []}}}}
    request |= {"sources": {"a.sol": {"content": source(b"\x5b" * 1_000)}}}
    for most, expected in ((999, False), (1_000, True), (None, True)):
        options = BuildOptions(mapped_bytes=most)
        found = compile_standard_json(solc, request, "A", options, folder=tmp_path)[("a.sol", "A")]
        assert (found.source_map is not None) is expected
        assert (CREATION_MEMBER in found.extra) is expected


def test_a_compiler_is_bounded_also_where_nobody_waits_for_it(tmp_path: Path) -> None:
    """As where the node is killed: its own bound ends it, of processor time."""
    bounds = BuildOptions(limits=CompilerLimits(1.5))
    script = "import resource, time; time.sleep(0.2); print(resource.getrlimit(resource.RLIMIT_CPU))"
    found = run_compiler([sys.executable, "-c", script], "a", bounds, cwd=tmp_path).decode()
    seconds = 2 * (os.cpu_count() or 1)
    assert found.strip() == f"({seconds}, {seconds})"


def test_as_many_contracts_are_kept_as_may_be(make: Make) -> None:
    verifier = make(most_contracts=1)
    assert verified(verifier, BODY, source(BODY)).match is Match.EXACT
    assert verified(verifier, BODY, source(BODY)).match is Match.EXACT, "the same again takes no more room"
    outcome = verified(verifier, LIBRARY, source(LIBRARY))
    assert outcome.failure is Failure.STORE_FULL
    small = make(most_bytes=100)
    assert verified(small, BODY, source(BODY)).failure is Failure.STORE_FULL


def test_a_folder_keeps_contracts_for_the_next_run(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "verified"
    assert verified(make(folder=folder), FILLED + METADATA, source(BODY + METADATA, IMMUTABLE)).match is Match.EXACT
    (folder / f"0x{'11' * 32}.json").write_text('{"abi": []}')
    catalogue = Catalogue()
    store = VerifiedStore(folder, most_contracts=10, most_bytes=1 << 20)
    with closing(Verifier(catalogue, store, InstalledSolc(), LIMITS)) as later:
        later.begin()
    found = later.verified(keccak256(FILLED + METADATA))
    assert found is not None
    assert (found.file, found.name, found.version, found.match) == ("a.sol", "A", VERSION, Match.EXACT)
    assert found.sources == {"a.sol": source(BODY + METADATA, IMMUTABLE)}
    known = catalogue.identify(FILLED + METADATA)
    assert known is not None
    assert known.name == "A"
    assert [entry["name"] for entry in known.functions.values()] == ["named"]
    assert "11.json is no verified contract" in caplog.text
    assert catalogue.identify(b"\x00") is None


def nested(levels: int) -> list[Any]:
    """Lists in each other."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"language": "Vyper"}, "the language is 'Vyper'"),
        ({"sources": {}}, "no sources"),
        ({"sources": {"a.sol": {"urls": ["/etc/passwd"]}}}, "follows no URLs"),
        ({"sources": {f"{number}.sol": {"content": ""} for number in range(4_097)}}, "4,097 sources"),
        ({"settings": []}, "settings are no object"),
        ({"settings": {"optimizer": nested(900)}}, "the settings are nested deeper than 16 levels"),
        ({"language": nested(900)}, "the language is a list"),
    ],
)
def test_submissions_that_are_refused(change: dict[str, Any], text: str) -> None:
    document = {"language": "Solidity", "sources": {"a.sol": {"content": ""}}, "settings": {}} | change
    with pytest.raises(SubmissionError, match=text):
        standard_submission(document, "A", "v0.8.28")


@pytest.mark.parametrize("name", ["A", "$", "$Token", "_a$1", "A" * 1_024])
def test_names_of_solidity(name: str) -> None:
    document = {"language": "Solidity", "sources": {"a:b.sol": {"content": ""}}}
    assert standard_submission(document, f"a:b.sol:{name}", "0.8.28").contract == f"a:b.sol:{name}"


@pytest.mark.parametrize("contract", ["", "a.sol:", "a.sol:1A", "b.sol:A", "a b", "a.sol:Ä", "A\n", "A" * 1_025])
def test_contracts_that_no_source_has(contract: str) -> None:
    document = {"language": "Solidity", "sources": {"a.sol": {"content": ""}}}
    with pytest.raises(SubmissionError, match="the contract is"):
        standard_submission(document, contract, "v0.8.28")
    with pytest.raises(SubmissionError, match="standard JSON"):
        standard_submission(json.dumps(document), "A", "v0.8.28")


@pytest.mark.parametrize("version", ["", "latest", "0.8", "v0.8.28-nightly.2024.1.1+commit.12345678", "../0.8.28"])
def test_versions_that_are_no_release(version: str) -> None:
    with pytest.raises(SubmissionError, match="version"):
        flat_submission("", "A", version, {})


def test_settings_that_do_not_change_the_code_are_left_out() -> None:
    settings = {"optimizer": {"enabled": True}, "modelChecker": {"engine": "chc"}, "stopAfter": "parsing"}
    flat = flat_submission("contract A {}", "any.sol:A", "0.8.28", settings)
    assert flat.standard_json()["settings"] == {"optimizer": {"enabled": True}}
    assert (flat.file, flat.name, str(flat.version)) == ("", "A", "0.8.28")


def test_compilers_are_found_where_other_tools_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wanted = SolcVersion("0.8.20", "aaaaaaaa")
    with pytest.raises(CompilerMissingError, match=r"svm install 0\.8\.20") as told:
        InstalledSolc().find(wanted)
    assert "found" not in str(told.value)
    other = solc_double(tmp_path / ".svm" / "0.8.20", "0.8.20+commit.bbbbbbbb").rename(
        tmp_path / ".svm" / "0.8.20" / "solc-0.8.20"
    )
    assert InstalledSolc().find(SolcVersion("0.8.20")) == (str(other), SolcVersion("0.8.20", "bbbbbbbb"))
    with pytest.raises(CompilerMissingError, match=r"\(found: 0.8.20\+commit.bbbbbbbb\)"):
        InstalledSolc().find(wanted)
    folder = tmp_path / "cache" / "hardhat-nodejs" / "compilers-v2" / "linux-amd64"
    right = solc_double(folder, "0.8.20+commit.aaaaaaaa").rename(folder / "solc-linux-amd64-v0.8.20+commit.aaaaaaaa")
    assert InstalledSolc().find(wanted)[0] == str(right)
    named = solc_double(tmp_path / "mine", "0.8.20+commit.aaaaaaaa")
    assert InstalledSolc([named]).find(wanted)[0] == str(named), "the operator's comes first"
    named.write_text("#!/bin/sh\nexit 1\n")
    assert InstalledSolc([named]).find(wanted)[0] == str(right)


def test_a_compiler_that_hangs_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are found meanwhile; the end of the node ends it, its children too."""
    hanging = tmp_path / "hanging" / "solc"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\necho x >> $0.asked\nsleep 1000 & echo $! > $0.child\nwait\n")
    hanging.chmod(0o755)
    working = solc_double(tmp_path / "working")
    monkeypatch.setattr(installed_solc, "_VERSION_LIMITS", replace(installed_solc._VERSION_LIMITS, seconds=1.0))
    compilers = InstalledSolc([hanging, working])
    wanted = SolcVersion.parse(VERSION)
    assert wanted is not None
    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(compilers.find, wanted) for _ in range(2)]
        assert [future.result()[0] for future in found] == [str(working)] * 2
    assert Path(f"{hanging}.asked").read_text() == "x\n"
    child = int(Path(f"{hanging}.child").read_text())
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
    with pytest.raises(CompilerMissingError, match=r"hanging/solc told no version within"):
        compilers.find(SolcVersion("0.8.98"))


def test_the_end_of_the_node_ends_a_question_for_a_version(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = make()
    hanging = tmp_path / "hanging"
    os.mkfifo(tmp_path / "asked")
    hanging.write_text(f"#!/bin/sh\necho x > {tmp_path}/asked\nsleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(verifier, "_compilers", InstalledSolc([hanging]))
    verifier.submit(Job(submission(source(BODY)), b"", BODY))
    assert (tmp_path / "asked").read_text() == "x\n"
    begun = time.monotonic()
    verifier.close()
    assert time.monotonic() - begun < 20
