"""Benchmarks, each of which prints JSON: ``python -m benchmarks NAME``."""

import os

# As in the commands (``thesis_lib.utils.process.set_up``). It is set here, because OpenBLAS reads it when a module of
# this package imports NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
