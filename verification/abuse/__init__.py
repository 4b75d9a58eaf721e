"""Requests that could make the node slow, large or silent."""
