"""Contracts from their sources: compilers, artifacts, and the libraries to write them with."""
