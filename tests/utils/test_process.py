"""What a command sets up in its process: a home folder, and an end at a signal without partial files."""

import os
import signal
import subprocess
import sys
import time

import pytest

HOMELESS = """if True:
    import os, pwd, sys
    def unknown(uid):
        raise KeyError(uid)
    pwd.getpwuid = unknown
    from thesis_lib.cli import main
    sys.argv = ["thesis", "--offline", "--models-dir", {models!r}, "models", "list"]
    main()
"""

WRITING = """if True:
    import sys, time
    from pathlib import Path
    from thesis_lib.utils.files import replacing
    from thesis_lib.utils.process import set_up
    set_up()
    with replacing(Path(sys.argv[1])) as partial:
        print("writing", flush=True)
        time.sleep(30)
"""


def test_a_user_without_a_home_folder_gets_no_traceback(tmp_path):
    bare = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    code = HOMELESS.format(models=str(tmp_path / "models"))
    given = {"env": bare | {"TMPDIR": str(tmp_path)}, "capture_output": True, "text": True}
    ran = subprocess.run([sys.executable, "-c", code], **given)
    assert ran.returncode == 0, ran.stderr
    assert "kokoro" in ran.stdout
    code = code.replace('"models", "list"', f'"clone", {str(tmp_path / "missing.wav")!r}, "a.wav"')
    ran = subprocess.run([sys.executable, "-c", code], **given)
    assert "missing file" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_process_leaves_no_partial_file(tmp_path, name):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(tmp_path / "a.wav")],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # the tests may run under nohup
    )
    assert process.stdout.readline() == b"writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    begun = time.monotonic()
    process.send_signal(getattr(signal, name))
    assert process.wait(60) == 128 + getattr(signal, name)
    assert time.monotonic() - begun < 20, "it has not waited for the 30 s of the block"
    assert not list(tmp_path.iterdir())


def test_a_signal_that_nohup_ignores_stays_ignored():
    code = "import signal; from thesis_lib.utils.process import set_up; set_up(); signal.raise_signal(signal.SIGHUP)"
    assert subprocess.run(["nohup", sys.executable, "-c", code], stdin=subprocess.DEVNULL).returncode == 0


BLAS = """if True:
    from thesis_lib.utils.process import set_up
    set_up()
    import numpy
    from threadpoolctl import threadpool_info
    print({pool["num_threads"] for pool in threadpool_info() if pool["internal_api"] == "openblas"} or {1})
"""


@pytest.mark.parametrize("given", [{}, {"OPENBLAS_NUM_THREADS": "2"}])
def test_openblas_has_one_thread_in_a_command_unless_the_user_gives_another_number(given):
    unset = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # OpenBLAS obeys both, and `make test` sets the second
    environment = {name: value for name, value in os.environ.items() if name not in unset} | given
    ran = subprocess.run([sys.executable, "-c", BLAS], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    expected = min(int(given.get("OPENBLAS_NUM_THREADS", 1)), cores)
    assert ran.stdout == f"{{{expected}}}\n"
