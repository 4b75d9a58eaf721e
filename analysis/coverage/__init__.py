"""Coverage of sources by executions: which lines and functions ran."""
