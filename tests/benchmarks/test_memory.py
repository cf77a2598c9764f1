"""The benchmark of memory."""

import subprocess
import sys


def test_the_process_that_is_measured_imports_what_cloning_imports():
    code = "import sys, benchmarks.memory; print([x for x in ('pandas', 'pyarrow', 'torch') if x in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
