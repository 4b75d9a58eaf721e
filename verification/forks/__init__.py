"""Forks of a chain that lies, is slow to start from, or whose reader is killed."""
