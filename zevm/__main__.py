"""`zevm` and `python -m zevm`: the command line, where its extra is installed."""

import sys

from zevm.node.bytecode import spare_a_full_disk
from zevm.node.extras import MissingExtraError, of_extra


def main() -> None:
    """Run the command line and exit."""
    spare_a_full_disk()
    try:
        with of_extra("cli", "the command line"):
            from zevm.node.cli import main as run
    except MissingExtraError as error:
        sys.exit(f"zevm: {error}")
    run()


if __name__ == "__main__":
    main()
