"""Benchmarks, each of which prints JSON: ``python -m benchmarks NAME``."""
