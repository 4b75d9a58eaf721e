"""Waiting transactions: who may enter, what can execute now, what waits, and who leaves when the pool is full."""
