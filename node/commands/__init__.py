"""The subcommands other than `zevm run`, one module for each topic."""
