"""The first import of librosa waits for that of another process."""

import sys
import threading

from filelock import FileLock

from thesis_lib.utils import load_librosa as module


def test_one_process_imports_it_and_the_others_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(module, "COMPILED", ("colorsys",))  # a module that nothing else needs
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    waiting = threading.Thread(target=module.load_librosa)
    with FileLock(module.lock_path()):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        assert "colorsys" not in sys.modules
    waiting.join(60)
    assert "colorsys" in sys.modules


def test_what_numba_compiles_is_imported():
    assert module.load_librosa().__name__ == "librosa"
    assert set(module.COMPILED) <= set(sys.modules)
