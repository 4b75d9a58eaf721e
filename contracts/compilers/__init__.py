"""Compilers by language: from a source to artifacts."""
