"""zEVM: an Ethereum node whose contracts are EVM bytecode or WebAssembly.

The four packages lie at the top of the repository and are linked here, so that `zevm` is the one name to import:
`zevm.node` -> `zevm.rpc` -> `zevm.chain` -> `zevm.storage`. Imports only go this way.
"""

__version__ = "0.1.0"
