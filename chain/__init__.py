"""Ethereum semantics: blocks, forks, fees, pool, builder, importer, canonical chain, log search."""
