"""Every file with a secret: whole or not at all, for its owner alone, whatever lay there before."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coincurve import PrivateKey

from zevm.chain.vm.engines.engine import Engine
from zevm.node.banner import BannerFacts, write_config
from zevm.node.keystore import Keystore
from zevm.rpc.transport.jwt import JwtSecretError, load_secret

KEY = PrivateKey(b"\x11" * 32)


def _config(folder: Path) -> None:
    phrase, path = "test " * 11 + "junk", "m/44'/60'/0'/0/"
    facts = BannerFacts([KEY], [0], phrase, path, 1, "osaka", 7, 7, 7, 7, 0, 0, "memory", [], Engine.PY_EVM)
    write_config(folder / "config.json", facts)


def _jwt_secret(folder: Path) -> None:
    load_secret(folder / "jwtsecret")


def _key_file(folder: Path) -> None:
    Keystore(folder, scrypt_cost=2).add(KEY, "password")


WRITERS = {"configuration": _config, "secret of the Engine API": _jwt_secret, "key file": _key_file}
Writer = Callable[[Path], None]


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Iterator[Writer]:
    previous = os.umask(0)
    yield WRITERS[request.param]
    os.umask(previous)


def test_only_the_owner_may_read_it(write: Writer, tmp_path: Path) -> None:
    write(tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size > 60


def test_a_failure_leaves_nothing_behind(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patches:
        patches.setattr(os, "fsync", full)
        with pytest.raises((OSError, JwtSecretError), match="No space left"):
            write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path)


def _readable_by_all(folder: Path) -> Path:
    file = folder / "config.json"
    file.write_text("{}")
    file.chmod(0o644)
    return file


def test_who_has_an_old_configuration_open_reads_no_keys(tmp_path: Path) -> None:
    file = _readable_by_all(tmp_path)
    with file.open() as other:
        _config(tmp_path)
        assert other.read() == "{}"
    assert KEY.secret.hex() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_old_configuration_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _readable_by_all(tmp_path)

    def broken(_source: str, _target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="Input/output error"):
        _config(tmp_path)
    assert file.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [file]


def test_a_configuration_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = _readable_by_all(tmp_path / "elsewhere")
    (tmp_path / "config.json").symlink_to(file)
    _config(tmp_path)
    assert (tmp_path / "config.json").is_symlink()
    assert KEY.secret.hex() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_pipe_takes_the_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    reader = os.open(tmp_path / "config.json", os.O_RDONLY | os.O_NONBLOCK)
    _config(tmp_path)
    assert KEY.secret.hex().encode() in os.read(reader, 10_000)
    os.close(reader)


@pytest.mark.parametrize("reason", [errno.EBUSY, errno.EACCES])
def test_a_file_that_cannot_be_replaced_is_made_private_and_emptied_first(
    reason: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _readable_by_all(tmp_path)

    def refuse(_source: str, _target: Path) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "replace", refuse)
    _config(tmp_path)
    assert KEY.secret.hex() in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_that_another_process_made_first_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "jwtsecret"
    sync = os.fsync

    def late(descriptor: int) -> None:
        file.write_text("0x" + "22" * 32)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", late)
    with pytest.raises(JwtSecretError, match="File exists"):
        load_secret(file)
    assert load_secret(file) == b"\x22" * 32
    assert list(tmp_path.iterdir()) == [file]
