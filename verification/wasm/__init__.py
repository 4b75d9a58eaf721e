"""Random WebAssembly modules, and chains of mixed blocks played again in other processes."""
