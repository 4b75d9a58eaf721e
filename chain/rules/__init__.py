"""Ethereum's rules as pure functions: forks and their schedule, fees, rewards, difficulty, blobs, the genesis."""
