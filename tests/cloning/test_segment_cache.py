"""The folder of a script's segments: what is in it is not read twice, and what cannot be used is said."""

import pytest
from cloning_stages import pipeline

from thesis_lib.cloning import Request, check_script, clone_file
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.segment_cache import SegmentCache
from thesis_lib.utils import files


def test_a_file_in_the_place_of_the_folder_is_refused_before_the_models_are_loaded(recording, tmp_path):
    (tmp_path / "a.json.cache").write_text("x")
    with pytest.raises(CloningError, match=r"a\.json\.cache is a file: remove it"):
        check_script(recording, tmp_path / "out.wav", tmp_path / "a.json")


def test_the_recording_is_hashed_once(stages, recording, tmp_path, monkeypatch):
    hashed, request = [], Request(script=tmp_path / "a.json")
    monkeypatch.setattr(files, "sha256", lambda path: hashed.append(path) or "0" * 64)
    files._fingerprint.cache_clear()
    for _ in range(2):
        clone_file(pipeline(stages), recording, tmp_path / "out.wav", request)
    assert hashed.count(recording.resolve()) == 1
    files._fingerprint.cache_clear()


def test_each_stored_segment_is_read_once_and_one_with_damaged_samples_is_made_again(
    stages, recording, tmp_path, monkeypatch
):
    request, target = Request(script=tmp_path / "a.json"), tmp_path / "out.wav"
    clone_file(pipeline(stages), recording, target, request)
    before, reads, get = target.read_bytes(), [], SegmentCache.get
    monkeypatch.setattr(SegmentCache, "get", lambda self, key: reads.append(key) or get(self, key))
    clone_file(pipeline(stages), recording, target, request)
    assert len(reads) == len(set(reads)) == 2
    stored = next((tmp_path / "a.json.cache").glob("*.npz"))
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    made = pipeline(stages)
    clone_file(made, recording, target, request)
    assert len(made.synthesizer.said) == 1
    assert target.read_bytes() == before


def test_segments_of_another_student_of_the_tts_are_made_again(stages, recording, tmp_path):
    made, request = pipeline(stages), Request(script=tmp_path / "talk.json")
    for key, spoken in (("kokoro-one", 2), ("kokoro-two", 4), ("kokoro-two", 4)):
        made.synthesizer.key = key
        clone_file(made, recording, tmp_path / "out.wav", request)
        assert len(made.synthesizer.said) == spoken, key
