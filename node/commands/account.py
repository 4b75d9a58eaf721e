"""`zevm account`: keys in the data directory's keystore."""

from pathlib import Path
from typing import Annotated

import typer
from coincurve import PrivateKey

from node.commands.options import ConfigOption, DatadirOption, settings_of
from node.errors import NodeError
from node.keystore import FOLDER_NAME, KeyFile, Keystore, decrypt
from node.wallet import checksum_address

app = typer.Typer(help="Encrypted accounts in the data directory's keystore.", no_args_is_help=True)

PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", "--password", metavar="FILE", help="File with the password in its first line."),
]


@app.command("new")
def new(datadir: DatadirOption = None, password_file: PasswordOption = None, config: ConfigOption = None) -> None:
    """Make a new account."""
    keystore = _keystore(datadir, config)
    _tell(keystore.create(_new_password(password_file)))


@app.command("list")
def list_accounts(datadir: DatadirOption = None, config: ConfigOption = None) -> None:
    """List the accounts."""
    for index, account in enumerate(_keystore(datadir, config).accounts()):
        typer.echo(f"({index}) {checksum_address(account.address)} {account.path}")


@app.command("import")
def import_account(
    file: Annotated[Path, typer.Argument(help="A private key in hex, or a key file of format V3.")],
    datadir: DatadirOption = None,
    password_file: PasswordOption = None,
    config: ConfigOption = None,
) -> None:
    """Take over an account from a file."""
    keystore = _keystore(datadir, config)
    content = read_text(file).strip()
    if content.startswith("{"):
        password = _old_password(file, password_file)
        _tell(keystore.add(decrypt(file, password), password))
    else:
        _tell(keystore.add(parse_key(content, file), _new_password(password_file)))


def unlock_keys(keystore: Keystore, addresses: tuple[str, ...], password_file: Path | None) -> list[PrivateKey]:
    """The keys of accounts, by passwords out of a file, one a line (the last one goes on), or from the terminal."""
    passwords = [] if password_file is None else read_text(password_file).splitlines()
    if password_file is not None and not passwords:
        raise NodeError(f"{password_file}: holds no password")
    keys = []
    for index, address in enumerate(addresses):
        if passwords:
            password = passwords[min(index, len(passwords) - 1)]
        else:
            password = typer.prompt(f"Password of {address}", hide_input=True, err=True)
        keys.append(keystore.unlock(bytes.fromhex(address[2:]), password))
    return keys


def read_text(file: Path) -> str:
    """A file's text. Raises NodeError."""
    try:
        return file.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"{file}: cannot be read: {error}") from None


def _keystore(datadir: Path | None, config: Path | None) -> Keystore:
    return Keystore(settings_of(datadir, config).datadir / FOLDER_NAME)


def _new_password(file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _old_password(account: Path, file: Path | None) -> str:
    if file is not None:
        return _first_line(file)
    return str(typer.prompt(f"Password of {account.name}", hide_input=True, err=True))


def _first_line(file: Path) -> str:
    lines = read_text(file).splitlines()
    if not lines:
        raise NodeError(f"{file}: holds no password")
    return lines[0]


def parse_key(text: str, source: object) -> PrivateKey:
    """A private key from its hex; `source` is where it came from. Raises NodeError, which does not show it."""
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
        if len(secret) != 32:
            raise ValueError
        return PrivateKey(secret)
    except ValueError:
        raise NodeError(f"{source}: not a private key: want 64 hex digits") from None


def _tell(account: KeyFile) -> None:
    typer.echo(f"{checksum_address(account.address)} {account.path}")
