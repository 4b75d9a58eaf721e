"""Gas prices of the protocol that more than one part of the chain charges or counts with."""

TRANSACTION_GAS = 21_000
"""Of every transaction (Yellow Paper, appendix G); all that a plain transfer uses, and the least that any does."""
CREATION_GAS = 32_000
"""On top for creating a contract: from Homestead on for a transaction (EIP-2), always for CREATE."""
INITCODE_WORD_GAS = 2
"""For each 32 bytes of creation code (EIP-3860)."""
STIPEND_GAS = 2_300
"""The stipend of a call that sends value, and the minimum of gas for a storage write (EIP-2200)."""
LOG_GAS = 375
"""Of a log, and of each of its topics."""
LOG_BYTE_GAS = 8
"""Of each byte of a log's data."""
CODE_DEPOSIT_BYTE_GAS = 200
"""For each byte of a new contract's code (Yellow Paper, appendix G)."""
