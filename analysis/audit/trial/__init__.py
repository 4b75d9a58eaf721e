"""Trials: a suspicion about a contract, put to the test on a copy of a state."""
