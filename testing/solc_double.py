"""A program in solc's place, for tests of what is around a compiler: its bounds, versions, and answers of any code.

A source is lines `contract NAME HEX [start:length ...]`: the deployed code, and the places of its immutables. The lines
`endless`, `large` and `wrong` make the program do that; `creation HEX` gives the contracts of later lines that creation
code, which is their deployed code otherwise. An object of Yul has no ABI and no metadata.
"""

import sys
from pathlib import Path

VERSION = "0.8.99+commit.12345678"
_PROGRAM = """#!{python} -IS
import json, sys
if "--version" in sys.argv:
    print("Version: {version}.Linux.g++")
    sys.exit()
request = json.load(sys.stdin)
contracts, errors = {{}}, []
for file, source in request["sources"].items():
    creation = None
    for line in source["content"].splitlines():
        words = line.split()
        if words[:1] == ["endless"]:
            while True:
                pass
        if words[:1] == ["large"]:
            print("x" * (8 << 20))
        if words[:1] == ["wrong"]:
            errors.append({{"severity": "error", "formattedMessage": file + ": this is wrong"}})
        if words[:1] == ["creation"]:
            creation = words[1]
        if words[:1] == ["contract"]:
            places = [dict(zip(("start", "length"), map(int, word.split(":")))) for word in words[3:]]
            code = {{"object": words[2].strip("-"), "sourceMap": "", "linkReferences": {{}}}}
            own = contracts.setdefault(file, {{}})[words[1]] = {{
                "abi": [{{"type": "function", "name": "named", "inputs": [], "outputs": []}}],
                "metadata": "{{}}",
                "evm": {{
                    "bytecode": code if creation is None else code | {{"object": creation}},
                    "deployedBytecode": code | {{"immutableReferences": {{"7": places}}}},
                }},
            }}
            if request.get("language") == "Yul":
                del own["abi"], own["metadata"]
chosen = request["settings"]["outputSelection"]
found = {{
    file: {{name: contract for name, contract in declared.items() if name in chosen.get(file, chosen.get("*", {{}}))}}
    for file, declared in contracts.items()
}}
print(json.dumps({{"contracts": found, "errors": errors, "sources": {{}}}}))
"""


def solc_double(folder: Path, version: str = VERSION) -> Path:
    """Write the program into a folder; its path."""
    path = folder / "solc"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(_PROGRAM.format(python=sys.executable, version=version))
    path.chmod(0o755)
    return path
