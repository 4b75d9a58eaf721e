"""Compiles vyper/*.vy into out/, in the form of forge's artifacts, so that every client finds both languages there."""

import json
from pathlib import Path

from vyper import compile_code

PROJECT = Path(__file__).resolve().parent.parent

for source in sorted((PROJECT / "vyper").glob("*.vy")):
    built = compile_code(source.read_text(), output_formats=["abi", "bytecode"])
    target = PROJECT / "out" / source.name / f"{source.stem}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"abi": built["abi"], "bytecode": {"object": built["bytecode"]}}))
    print(target.relative_to(PROJECT))
