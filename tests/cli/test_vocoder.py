"""The commands of a vocoder."""

import subprocess
import sys


def test_stream_checks_its_target_before_it_loads_the_vocoder(tmp_path):
    code = "from thesis_lib.cli import main; main()"
    given = ["stream", "in.wav", str(tmp_path / "a.xyz"), "--vocoder", "none"]
    ran = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "the suffix of the output must be one of" in ran.stderr
