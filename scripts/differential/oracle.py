"""Ethereum's executable specification as an oracle: JSON lines in, JSON lines out.

Runs in an environment of its own, which scripts/differential/install.sh makes, as it pins other packages than the node.
In: {"fork": "Prague", "chainId": 31337, "alloc": ..., "env": ..., "txs": "0x<RLP list>"}. Out: t8n's result.
"""

import argparse
import io
import json
import logging
import sys
import tempfile

from ethereum_spec_tools.evm_tools.t8n import T8N, ForkCache, t8n_arguments


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    t8n_arguments(parser.add_subparsers(dest="evm_tool"))
    flags = ["--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin", "--output.alloc=stdout"]
    flags.append("--output.result=stdout")
    logging.disable(logging.CRITICAL)
    answers, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as folder, ForkCache() as cache:
        for line in sys.stdin:
            case = json.loads(line)
            of_case = (f"--state.fork={case['fork']}", f"--state.chainid={case['chainId']}")
            options = parser.parse_args(["t8n", *flags, f"--output.basedir={folder}", *of_case])
            output = io.StringIO()
            T8N(options, output, io.StringIO(line), cache).run()
            answers.write(json.dumps(json.loads(output.getvalue())) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
