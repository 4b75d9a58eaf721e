"""Ethereum's executable specification as an oracle: JSON lines in, JSON lines out.

Runs in its own environment, made by install.sh in the same folder, since its pinned packages differ from the node's.
In: {"fork": "Prague", "chainId": 31337, "alloc": ..., "env": ..., "txs": "0x<RLP list>"}. Out: t8n's result.
In: {"codec": ..., ...}. Out: see oracle_codecs.py. A question that it cannot take is answered {"failure": text}.
"""

import argparse
import io
import json
import logging
import sys
import tempfile
import traceback
from typing import Any

from ethereum_spec_tools.evm_tools.t8n import T8N, ForkCache, t8n_arguments
from oracle_codecs import answer_codec


class Blocks:
    """Executes blocks by the t8n tool. folder: for its files."""

    def __init__(self, folder: str, cache: ForkCache) -> None:
        self._folder = folder
        self._cache = cache
        self._parser = argparse.ArgumentParser()
        t8n_arguments(self._parser.add_subparsers(dest="evm_tool"))

    def execute(self, line: str, case: dict[str, Any]) -> Any:
        """t8n's answer for a question, which comes as text and parsed."""
        flags = ["--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin", "--output.alloc=stdout"]
        flags += ["--output.result=stdout", f"--output.basedir={self._folder}"]
        flags += [f"--state.fork={case['fork']}", f"--state.chainid={case['chainId']}"]
        output = io.StringIO()
        T8N(self._parser.parse_args(["t8n", *flags]), output, io.StringIO(line), self._cache).run()
        return json.loads(output.getvalue())


def main() -> None:
    """Answer until the input ends."""
    logging.disable(logging.CRITICAL)
    answers, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as folder, ForkCache() as cache:
        blocks = Blocks(folder, cache)
        for line in sys.stdin:
            question = json.loads(line)
            try:
                answer = answer_codec(question) if "codec" in question else blocks.execute(line, question)
            except Exception as error:  # the asking process is to end with its text
                places = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                answer = {"failure": f"{type(error).__name__}: {error}, in {' '.join(places[-3:])}"}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
