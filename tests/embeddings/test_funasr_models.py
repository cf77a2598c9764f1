"""Networks of funasr."""

import subprocess
import sys


def test_one_network_of_funasr_is_imported_without_the_others():
    code = (
        "import sys; from thesis_lib.embeddings.encoders.funasr_models import funasr_network;"
        "network = funasr_network('eres2net.eres2net', 'ERes2Net');"
        "print(network.__name__, len([name for name in sys.modules if name.startswith('funasr.models.')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, modules = done.stdout.split()[-2:]
    assert name == "ERes2Net"
    assert int(modules) < 10  # 400 with all
