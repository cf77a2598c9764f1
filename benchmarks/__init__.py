"""Measurements that claims rest on: each prints JSON. Run one with ``python -m benchmarks NAME``."""
