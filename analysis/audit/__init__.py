"""Audits of contracts: weaknesses suspected from the code, and confirmed by an execution on a copy of the state."""
