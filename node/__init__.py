"""The process: command line, settings, accounts, life cycle, log, metrics."""

__version__ = "0.1.0"
