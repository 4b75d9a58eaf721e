"""Contracts verified: sources that a compiler makes an account's code of again, and where they are kept."""
