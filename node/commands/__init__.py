"""The subcommands beside `zevm run`, one module a topic."""
