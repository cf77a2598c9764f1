"""What surrounds a command: no home folder, SIGTERM, a target that cannot be written."""

import os
import signal
import subprocess
import sys
import time

import pytest

from thesis_lib.audio.targets import target_problem
from thesis_lib.cloning import Request, check_live, check_target
from thesis_lib.cloning.errors import CloningError
from thesis_lib.config import CloningConfig
from thesis_lib.vocoder.streaming import StreamError, check_stream_target

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


def test_sigterm_leaves_no_partial_file(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITING, str(tmp_path / "a.wav")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 20, "it has not waited for the 30 s of the block"
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_written_is_told_before_anything_is_loaded(tmp_path):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder.wav").mkdir()
    for target, says in (
        (tmp_path / "folder.wav", "is a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "a.xyz", "suffix"),
        (tmp_path / "file" / "a.wav", "nothing can be written"),
    ):
        with pytest.raises(CloningError, match=says):
            check_target(tmp_path / "in.wav", target)
        with pytest.raises(CloningError, match=says):
            check_live(Request(), CloningConfig(), target)
        with pytest.raises(StreamError, match=says):
            check_stream_target(target)
    (tmp_path / "there.wav").write_text("earlier")
    for target in (tmp_path / "there.wav", tmp_path / "a.OPUS", tmp_path / "new" / "folder" / "a.ogg"):
        assert not target_problem(target)
    check_stream_target("-")


def test_stream_checks_its_target_before_it_loads_the_vocoder(tmp_path):
    code = "from thesis_lib.cli import main; main()"
    given = ["stream", "in.wav", str(tmp_path / "a.xyz"), "--vocoder", "none"]
    ran = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "the suffix of the output must be one of" in ran.stderr
