"""`zevm account`: keys in the data directory's keystore."""

import re
from pathlib import Path
from typing import Annotated

import typer
from coincurve import PrivateKey

from zevm.node.commands.chosen_settings import settings_of
from zevm.node.commands.options import ConfigOption, DatadirOption
from zevm.node.errors import NodeError, reason_of
from zevm.node.keystore import FOLDER_NAME, KeyFile, Keystore, decrypt
from zevm.node.passwords import ask_password, read_passwords
from zevm.node.wallet import checksum_address

app = typer.Typer(help="Encrypted accounts in the data directory's keystore.", no_args_is_help=True)

_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}\Z")

PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", "--password", metavar="FILE", help="File with the password in its first line."),
]


@app.command("new")
def new(datadir: DatadirOption = None, password_file: PasswordOption = None, config: ConfigOption = None) -> None:
    """Create a new account."""
    keystore = _keystore(datadir, config)
    _tell(keystore.create(_new_password(password_file)))


@app.command("list")
def list_accounts(datadir: DatadirOption = None, config: ConfigOption = None) -> None:
    """List the accounts."""
    for index, account in enumerate(_keystore(datadir, config).accounts()):
        typer.echo(f"({index}) {checksum_address(account.address)} {account.path}")


@app.command("import")
def import_account(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A private key in hex, or a key file of format V3.")],
    datadir: DatadirOption = None,
    password_file: PasswordOption = None,
    config: ConfigOption = None,
) -> None:
    """Import an account from a file."""
    keystore = _keystore(datadir, config)
    if _KEY.match(str(file)):
        raise NodeError(
            "want a file that holds the key, not the key itself: other users and the shell's history see arguments; "
            "write it to a file that only you may read, and give the file's name"
        )
    content = read_text(file).strip()
    if content.startswith("{"):
        password = _old_password(file, password_file)
        _tell(keystore.add(decrypt(file, password), password))
    else:
        _tell(keystore.add(parse_key(content, file), _new_password(password_file)))


def read_text(file: Path) -> str:
    """A file's text. Raises NodeError."""
    try:
        return file.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"{file}: cannot be read: {reason_of(error)}") from None


def _keystore(datadir: Path | None, config: Path | None) -> Keystore:
    return Keystore(settings_of(datadir, config).datadir / FOLDER_NAME)


def _new_password(file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    return ask_password("Password", twice=True)


def _old_password(account: Path, file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    return ask_password(f"Password of {account.name}")


def _first_line(file: Path) -> str:
    return read_passwords(file)[0]


def parse_key(text: str, source: object) -> PrivateKey:
    """A private key from its hex; `source` names its origin. Raises NodeError, which does not show the key."""
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
        if len(secret) != 32:
            raise ValueError
        return PrivateKey(secret)
    except ValueError:
        raise NodeError(f"{source}: not a private key: want 64 hex digits") from None


def _tell(account: KeyFile) -> None:
    typer.echo(f"{checksum_address(account.address)} {account.path}")
