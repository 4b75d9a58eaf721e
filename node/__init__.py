"""The process: command line, settings, accounts, life cycle, log, metrics."""
