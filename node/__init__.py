"""The process: command line, configuration, accounts, life cycle, logs, metrics."""
