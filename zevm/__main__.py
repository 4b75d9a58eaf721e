"""`python -m zevm`: the command line."""

from zevm.node.cli import main

if __name__ == "__main__":
    main()
