"""Code shared by the tests, the benchmarks and the verification campaigns."""
