"""What the tests, the benchmarks and the verification campaigns share."""
