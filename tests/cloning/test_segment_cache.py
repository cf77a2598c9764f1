"""The folder of a script's segments: what is in it is not read twice, and what cannot be used is said."""

import json

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken

from thesis_lib.audio.files import write_audio
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


def test_a_speed_in_the_script_that_replaces_the_settings_is_noted(stages, recording, tmp_path):
    request, target = Request(script=tmp_path / "a.json"), tmp_path / "out.wav"
    clone_file(pipeline(stages), recording, target, request)
    assert not [x for x in clone_file(pipeline(stages), recording, target, request).notes if "at the speed" in x]
    slow = PLAIN.model_copy(update={"follow_rate": False})
    notes = clone_file(pipeline(stages, slow), recording, target, request).notes
    assert [x for x in notes if "2 synthesised at the speed in the script; write null to measure it again" in x]
    tree = json.loads(request.script.read_text())
    for segment in tree["segments"]:
        segment["speed"] = None
    request.script.write_text(json.dumps(tree))
    made = pipeline(stages, slow)
    assert not [x for x in clone_file(made, recording, target, request).notes if "at the speed" in x]
    assert [speed for *_, speed in made.synthesizer.said] == [1.0, 1.0]


def test_a_segment_over_a_pause_is_as_loud_as_over_speech(stages, talk, tmp_path):
    noise = 10 ** (-62 / 20) * np.random.default_rng(0).normal(size=len(talk))
    write_audio(tmp_path / "voz.wav", talk + noise.astype(np.float32), HZ)
    start = 1.0 + len(spoken(0)) / HZ  # of the pause
    spans = [(1.2, start - 0.2), (start + 0.5, start + 2.5)]
    segments = [{"start": a, "end": b, "english": "hello my friend"} for a, b in spans]
    (tmp_path / "a.json").write_text(json.dumps({"segments": segments}))
    clone_file(pipeline(stages), tmp_path / "voz.wav", tmp_path / "o.wav", Request(script=tmp_path / "a.json"))
    wav = soundfile.read(tmp_path / "o.wav")[0]
    level = [20 * np.log10(np.sqrt(np.mean(wav[int(a * HZ) : int((a + 1.4) * HZ)] ** 2))) for a, _ in spans]
    assert level[1] == pytest.approx(level[0], abs=3)
