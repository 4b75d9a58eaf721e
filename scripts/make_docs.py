"""Write the documents that are made from tables in the code, or check that they are current.

python scripts/make_docs.py            write them
python scripts/make_docs.py --check    fail where one on disk differs
"""

import sys
from pathlib import Path

from zevm.chain.zvm import documents as zvm_documents
from zevm.node.documents import settings_document
from zevm.rpc import methods
from zevm.rpc.methods.support import openrpc
from zevm.rpc.registry import REGISTRY

ROOT = Path(__file__).resolve().parent.parent


def documents() -> dict[Path, str]:
    """Path in the repository -> what it should hold."""
    methods.load()
    return {
        Path("docs/methods.md"): openrpc.methods_document(REGISTRY),
        Path("docs/limits.md"): openrpc.limits_document(),
        Path("docs/settings.md"): settings_document(),
        Path("docs/zvm.md"): zvm_documents.with_tables((ROOT / "docs/zvm.md").read_text()),
    }


def main() -> int:
    """Write or check; 1 where a check finds a difference."""
    stale = []
    for path, text in documents().items():
        file = ROOT / path
        if file.exists() and file.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(path)
        else:
            file.write_text(text)
    for path in stale:
        print(f"{path} is not current: run `make docs`")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
