"""The engines that run messages, and which one runs a message: docs/core.md, "Two engines"."""
