"""Running modules: wasmtime, instances, deadlines, compiled programs in memory and on disk."""
