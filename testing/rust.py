"""The counter in Rust, where this machine has a Rust compiler with the target wasm32-unknown-unknown."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from testing.contracts import CONTRACTS

SOURCE = CONTRACTS / "rust" / "counter" / "src" / "lib.rs"
FLAGS = (
    "--edition=2021", "--crate-type=cdylib", "--crate-name=counter", "--target=wasm32-unknown-unknown",
    "-Copt-level=z", "-Coverflow-checks=on", "-Clto", "-Cpanic=abort", "-Ccodegen-units=1", "-Cstrip=symbols",
    "-Clink-arg=-zstack-size=8192",
)  # fmt: skip
"""The profile of contracts/rust/counter/Cargo.toml and the flags of its .cargo/config.toml."""


@cache
def has_rust() -> bool:
    """Whether there is a compiler, and the target's `core` with it."""
    command = ("rustc", "--print=target-libdir", "--target=wasm32-unknown-unknown")
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0 and any(Path(found.stdout.strip()).glob("libcore-*"))


@cache
def rust_counter() -> bytes:
    """Its module. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="zevm-rust-") as folder:
        target = Path(folder) / "counter.wasm"
        subprocess.run(("rustc", *FLAGS, "-o", str(target), str(SOURCE)), check=True)
        return target.read_bytes()
