"""WebAssembly modules: the order of their host calls, and trials of their functions."""
