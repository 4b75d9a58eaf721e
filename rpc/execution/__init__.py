"""Execution on worker threads, and on the event loop of what is known to be short."""
