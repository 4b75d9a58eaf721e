"""`zvm/1`: executions of WebAssembly functions, one on each bidirectional stream."""
