"""The option of campaigns that says which engine of the EVM they run on."""

import argparse

from zevm.chain.vm.engines.engine import EVM, Engine, default_engine, engine_named


def add_evm_option(parser: argparse.ArgumentParser) -> None:
    """Give a parser `--evm`, whose value is an Engine."""
    parser.add_argument(
        "--evm", type=_engine, default=default_engine(), metavar="ENGINE",
        help=f"{', '.join(engine.value for engine in Engine)}; default: {EVM}, else native where the core is built",
    )  # fmt: skip


def _engine(name: str) -> Engine:
    try:
        return engine_named(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
