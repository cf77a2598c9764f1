import subprocess
import sys

import pytest

from thesis_lib.utils.extras import remedy

WITHOUT = """
import sys
sys.modules["lightning_fabric"] = None
sys.argv = ["thesis", "train", "--profile", "smoke", "--run-dir", sys.argv[1], "--set", "corpus.limit=4"]
from thesis_lib.cli import main
main()
"""


def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(tmp_path):
    done = subprocess.run([sys.executable, "-c", WITHOUT, str(tmp_path / "run")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'thesis-lib[train]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("name", "found"), [("openvino.opset8", True), ("no_such_module", False), (None, False)])
def test_only_what_an_extra_brings_is_named(name, found):
    assert bool(remedy(ModuleNotFoundError("x", name=name))) == found
