"""The nonces of signed requests outlive the process: their file, its size, and the times without one."""

from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey

from tests.rpc.methods.memory_node import address_of
from zevm.rpc.transport.quic.certificates import identity_of
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.zvm import authentication, nonces
from zevm.rpc.transport.quic.zvm.authentication import Authentication, AuthenticationError, Authenticator
from zevm.rpc.transport.quic.zvm.nonces import RECORD_BYTES, KeptNonces, NoncesError

KEY = PrivateKey(b"\x09" * 32)
LONGEST_SECONDS = 60.0


def checker(file: Path | None, now: float, *, most: int = 9, latest: int = 0) -> Authenticator:
    kept = None if file is None else KeptNonces(file, most, latest)
    return Authenticator(
        1,
        bytes(32),
        nonces=most,
        nonces_per_source=most,
        longest_seconds=LONGEST_SECONDS,
        now=lambda: now,
        kept=kept,
        least_expiry=latest,
    )


def proof(expiry: int) -> Authentication:
    return authentication.sign(KEY, 1, bytes(32), b"m", expiry=expiry)


def check(by: Authenticator, given: Authentication) -> None:
    by.check(b"m", address_of(KEY), given, "192.0.2.1")


def test_a_process_knows_the_nonces_of_the_one_before(tmp_path: Path) -> None:
    file, first, second = tmp_path / "nonces", proof(1_030), proof(1_040)
    check(checker(file, 1_000), first)
    with pytest.raises(AuthenticationError, match="nonce was used before"):
        check(checker(file, 1_001), first)
    check(checker(file, 1_002), second)
    for given in (first, second):
        with pytest.raises(AuthenticationError, match="nonce was used before"):
            check(checker(file, 1_003), given)
    check(checker(file, 1_003), proof(1_040))
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_clock_that_is_set_back_during_a_restart_lets_nothing_pass_again(tmp_path: Path) -> None:
    file, early, late = tmp_path / "nonces", proof(1_010), proof(1_100)
    check(checker(file, 1_000), early)
    by = checker(file, 1_050)
    check(by, late)
    with pytest.raises(AuthenticationError, match="expired"):
        check(checker(file, 900), early)


def test_the_file_is_bounded(tmp_path: Path) -> None:
    file, sizes = tmp_path / "nonces", []
    for second in range(40):
        # each lives for one second: of all that come, no two are unexpired at once
        check(checker(file, 1_000 + second, most=3), proof(1_001 + second))
        sizes.append(file.stat().st_size // RECORD_BYTES)
    assert max(sizes) <= 2 * 3
    assert min(sizes[6:]) < max(sizes)


def test_full_files_keep_what_has_not_expired(tmp_path: Path) -> None:
    file = tmp_path / "nonces"
    given = [proof(1_030) for _ in range(5)]
    by = checker(file, 1_000, most=5)
    for each in given:
        check(by, each)
    with pytest.raises(authentication.NoncesFullError):
        check(checker(file, 1_001, most=5), proof(1_030))
    later = [proof(1_060 + number) for number in range(5)]
    for each in later:
        check(checker(file, 1_031, most=5), each)
    assert KeptNonces(file, 5, 0)._count <= 10
    for each in later:
        with pytest.raises(AuthenticationError, match="nonce was used before"):
            check(checker(file, 1_031, most=5), each)


@pytest.mark.parametrize("cut", [1, 8, RECORD_BYTES - 1])
def test_a_half_written_record_spoils_no_other(tmp_path: Path, cut: int) -> None:
    file, first, second = tmp_path / "nonces", proof(1_030), proof(1_030)
    check(checker(file, 1_000), first)
    check(checker(file, 1_000), second)
    file.write_bytes(file.read_bytes()[:-cut])
    third = proof(1_030)
    check(checker(file, 1_001), third)
    for given in (first, third):
        with pytest.raises(AuthenticationError, match="nonce was used before"):
            check(checker(file, 1_002), given)


def test_after_another_start_of_the_system_only_later_requests_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, first = tmp_path / "nonces", proof(1_030)
    check(checker(file, 1_000), first)
    monkeypatch.setattr(nonces, "boot_id", lambda: b"another start  !")
    by = checker(file, 1_005, latest=1_065)
    for expiry in (1_006, 1_065):
        with pytest.raises(AuthenticationError, match="before its start: sign again later, or for more than 60 s"):
            check(by, proof(expiry))
    again = checker(file, 1_010, latest=1_070)  # a further process of that start knows the time of the first one
    check(again, proof(1_066))
    with pytest.raises(AuthenticationError, match="before its start"):
        check(again, proof(1_065))


def test_without_a_boot_id_every_start_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "_BOOT_ID", tmp_path / "absent")
    assert nonces.boot_id() == b""
    file = tmp_path / "nonces"
    check(checker(file, 1_000), proof(1_030))
    with pytest.raises(AuthenticationError, match="before its start"):
        check(checker(file, 1_001, latest=1_061), proof(1_031))


def test_a_key_that_is_older_than_the_process_and_has_no_file(tmp_path: Path) -> None:
    """A node in memory with a certificate of one's own, and one whose file was deleted."""
    for file in (None, tmp_path / "nonces"):
        with pytest.raises(AuthenticationError, match="before its start"):
            check(checker(file, 1_000, latest=1_060), proof(1_060))
        check(checker(file, 1_001, latest=1_060), proof(1_061))


def test_only_a_key_of_this_start_is_new(tmp_path: Path) -> None:
    made = QuicPortOptions(("127.0.0.1",), 0, folder=tmp_path)
    assert identity_of(QuicPortOptions(("127.0.0.1",), 0)).is_new
    assert identity_of(made).is_new
    assert not identity_of(made).is_new
    assert not identity_of(QuicPortOptions(("127.0.0.2",), 0, folder=tmp_path)).is_new  # a new leaf of the same key
    given: dict[str, Any] = {"certificate": tmp_path / "quic-cert.pem", "key": tmp_path / "quic-key.pem"}
    assert not identity_of(QuicPortOptions(("127.0.0.1",), 0, **given)).is_new


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    by = checker(folder / "nonces", 1_000)
    given = proof(1_030)
    (folder / "nonces").unlink()
    folder.rmdir()
    with pytest.raises(AuthenticationError, match="the node cannot keep this request's nonce; its log tells why"):
        check(by, given)
    folder.mkdir()
    check(by, given)  # it was not taken
    (tmp_path / "is-a-folder").mkdir()
    with pytest.raises(NoncesError, match="is-a-folder cannot be read: Is a directory"):
        KeptNonces(tmp_path / "is-a-folder", 9, 0)


def test_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    import resource

    file, first, second = tmp_path / "nonces", proof(1_030), proof(1_030)
    by = checker(file, 1_000)
    check(by, first)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + RECORD_BYTES // 2, hard))
    try:
        with pytest.raises(AuthenticationError, match="cannot keep"):
            check(by, second)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    third = proof(1_030)
    check(by, third)
    for given in (first, third):
        with pytest.raises(AuthenticationError, match="nonce was used before"):
            check(checker(file, 1_001), given)


def test_the_boot_id_is_the_systems() -> None:
    assert nonces.boot_id() == nonces.boot_id()
    assert len(nonces.boot_id()) == 16
