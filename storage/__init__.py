"""Bytes and their layout: LevelDB, key schema, trie, state, ledger, recovery. Knows no EVM."""
