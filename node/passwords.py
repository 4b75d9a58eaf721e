"""Passwords of keystore accounts: out of a file, from the terminal, or the next line of what is piped in."""

import sys
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path

from coincurve import PrivateKey

from zevm.node.errors import NodeError, reason_of
from zevm.node.keystore import Keystore
from zevm.storage.primitives import Address


def unlock_keys(keystore: Keystore, addresses: Sequence[str], password_file: Path | None) -> list[PrivateKey]:
    """The keys of accounts, by passwords from a file, one a line (the last one repeats), or from the terminal."""
    passwords = [] if password_file is None else read_passwords(password_file)
    keys = []
    for index, address in enumerate(addresses):
        password = passwords[min(index, len(passwords) - 1)] if passwords else ask_password(f"Password of {address}")
        keys.append(keystore.unlock(Address(bytes.fromhex(address[2:])), password))
    return keys


def read_passwords(file: Path) -> list[str]:
    """The lines of a password file. Raises NodeError without the file's name, which may be a password."""
    try:
        lines = file.expanduser().read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NodeError(f"the file of --password-file cannot be read: {reason_of(error)}") from None
    if not lines:
        raise NodeError(f"{file}: holds no password")
    return lines


def ask_password(prompt: str, *, twice: bool = False) -> str:
    """A password from the terminal, or the next line of standard input. Raises NodeError if there is neither."""
    if sys.stdin.isatty():
        password = getpass(f"{prompt}: ")
        while twice and password != getpass("Repeat for confirmation: "):
            print("Error: The two entered values do not match.", file=sys.stderr)
            password = getpass(f"{prompt}: ")
        return password
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise NodeError(f"{prompt}: there is no terminal to ask; give the password with --password-file FILE")
    return line
