"""trace_* and ots_*."""
