"""ZVM: WebAssembly contracts in the same accounts, trie and gas as the EVM's."""
