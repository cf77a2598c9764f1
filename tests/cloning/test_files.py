import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, pipeline
from containers import RATE, encoded
from helpers import chords, spoken

from thesis_lib import cloning
from thesis_lib.audio import files
from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning import (
    Request,
    check_target,
    clone_file,
)
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.translation import Translated
from thesis_lib.training.adaptation import adapt
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.synthesis import Vocoder


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_the_consent_is_in_the_metadata_of_every_format(stages, recording, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    made = clone_file(pipeline(stages), recording, target, Request(consent="Ana, by letter"))
    with soundfile.SoundFile(target) as stream:
        assert "Consent: Ana, by letter" in stream.comment
        assert "Synthetic speech" in stream.comment
        assert stream.frames / stream.samplerate == pytest.approx(made.duration, abs=0.1)
    assert made.source_duration == pytest.approx(soundfile.info(recording).duration)


def test_a_name_and_a_consent_that_are_not_utf8_stop_nothing(stages, recording, tmp_path):
    source, target = tmp_path / os.fsdecode(b"caf\xe9.wav"), tmp_path / os.fsdecode(b"caf\xe9.en.wav")
    shutil.copy(recording, source)
    request = Request(consent=os.fsdecode(b"Jos\xe9"), script=tmp_path / "s.json", subtitles=True)
    clone_file(pipeline(stages), source, target, request)
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["recording"] == r"caf\udce9.wav"
    with soundfile.SoundFile(os.fsencode(target)) as stream:
        assert r"Consent: Jos\udce9" in stream.comment
    assert clone_file(pipeline(stages), source, target, request).translation == "hello my friend hello my friend"
    with pytest.raises(CloningError, match=r"--text 'caf\\udce9' is not UTF-8: give the English in UTF-8"):
        Request(text=os.fsdecode(b"caf\xe9"))


def test_a_file_and_its_samples_give_the_same_output(stages, recording, talk, tmp_path):
    clone_file(pipeline(stages), recording, tmp_path / "out.wav")
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    result = pipeline(stages)(talk, HZ)
    assert len(written) == pytest.approx(len(result.wav), abs=2 * 320)
    assert np.sqrt(np.mean(written**2)) == pytest.approx(np.sqrt(np.mean(result.wav**2)), rel=0.05)


def test_subtitles_in_both_languages_with_their_times(stages, recording, tmp_path):
    made = clone_file(pipeline(stages), recording, tmp_path / "out.wav", Request(subtitles=True))
    assert {path.rsplit("/", 1)[1] for path in made.subtitles} == {
        "out.es.srt", "out.es.vtt", "out.en.srt", "out.en.vtt"
    }  # fmt: skip
    spanish, english = ((tmp_path / f"out.{language}.srt").read_text() for language in ("es", "en"))
    assert spanish.count("hola amigo") == english.count("hello my friend") == 2
    assert spanish.split(" --> ")[0] == english.split(" --> ")[0]  # both begin where the speech begins


def test_an_english_recording_as_content(stages, recording, tmp_path):
    write_audio(tmp_path / "content.wav", np.concatenate([np.zeros(HZ), spoken(2, side="en")]), HZ)
    made = pipeline(stages)
    found = clone_file(made, recording, tmp_path / "out.wav", Request(content=tmp_path / "content.wav"))
    assert made.synthesizer.said == []
    assert found.duration == pytest.approx(1 + len(spoken(2, side="en")) / HZ, abs=0.5)
    write_audio(tmp_path / "music.wav", chords(), HZ)
    with pytest.raises(AudioError, match=r"music\.wav: no speech"):
        clone_file(made, recording, tmp_path / "out.wav", Request(content=tmp_path / "music.wav"))


def test_voice_and_speaking_style_of_other_recordings(stages, recording, tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.wav" for number in (4, 5, 6)]
    for number, path in zip((4, 5, 6), paths, strict=True):
        write_audio(path, spoken(number), HZ)
    seen = []
    render = Vocoder.render
    monkeypatch.setattr(
        Vocoder, "render", lambda self, wav, voice, *more: seen.append(voice) or render(self, wav, voice, *more)
    )
    made = pipeline(stages)
    voices = [
        made.analyse_speaker(list(speech_segments([soundfile.read(p, dtype="float32")[0]], HZ))).voice for p in paths
    ]
    request = Request(voice_from=tuple(paths[:2]), emotion_from=paths[2], emotion_mix=1.0)
    clone_file(made, recording, tmp_path / "out.wav", request)
    directions = [voice.speaker / np.linalg.norm(voice.speaker) for voice in voices[:2]]
    assert embed_cosine(seen[0].speaker, np.mean(directions, axis=0)) > 0.999
    assert seen[0].emotion == pytest.approx(voices[2].emotion, rel=1e-3)
    assert seen[0].log_f0_std == pytest.approx(voices[2].log_f0_std, rel=1e-3)
    assert seen[0].log_f0_median == pytest.approx(np.mean([v.log_f0_median for v in voices[:2]]), abs=1e-3)


def test_the_warnings_of_every_recording_are_noted_with_its_name(stages, recording, tmp_path):
    wav = spoken(4)
    noise = np.random.default_rng(0).normal(size=len(wav)).astype(np.float32) * np.sqrt(np.mean(wav**2))
    for name in ("voice", "style"):
        write_audio(tmp_path / f"{name}.wav", 0.3 * (wav + noise), HZ)
    request = Request(voice_from=(tmp_path / "voice.wav",), emotion_from=tmp_path / "style.wav")
    said = []
    made = clone_file(pipeline(stages), recording, tmp_path / "out.wav", request, say=said.append)
    assert said == list(made.notes)
    noisy = [note for note in made.notes if "very noisy" in note]
    assert [note.partition(": ")[0] for note in noisy] == [str(tmp_path / "voice.wav"), str(tmp_path / "style.wav")]


def embed_cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_vocoder_is_adapted_once_and_then_loaded(stages, recording, tmp_path, monkeypatch, tiny_run):
    monkeypatch.setattr(cloning.files, "ADAPTED_VOCODERS", tmp_path / "voices")
    made = pipeline(stages)
    made.vocoder.name = str(tiny_run.path / "conversion" / "vocoder")
    used = []
    render = Vocoder.render
    monkeypatch.setattr(Vocoder, "render", lambda self, *given: used.append(self) or render(self, *given))
    for _ in range(2):  # the second time it is there already
        clone_file(made, recording, tmp_path / "out.wav", Request(adapt=0.02), adapter=adapt)
    assert all(vocoder is not made.vocoder for vocoder in used)
    assert len(list((tmp_path / "voices").iterdir())) == 1
    assert used[0].meta["minutes"] == used[-1].meta["minutes"]


def test_a_vocoder_that_was_trained_again_is_adapted_again(stages, recording, tmp_path, tiny_run):
    folder = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "v")
    made, folders = pipeline(stages), []
    made.vocoder = Vocoder.from_torch(folder)

    def adapter(recordings, folder, vocoder, minutes, progress):
        folders.append(folder)
        return Vocoder.from_torch(vocoder)

    for factor in (1.0, 1.0, 1.1):
        tensors, meta = checkpoints.load(folder)
        checkpoints.save(folder, {name: factor * x for name, x in tensors.items()}, meta)
        cloning.files.adapted_to(made, [recording], 1.0, adapter)
    assert folders[0] == folders[1] != folders[2]


def test_an_earlier_output_stays_until_the_new_one_is_complete(stages, recording, tmp_path):
    target = tmp_path / "out.wav"
    target.write_bytes(b"earlier")
    made = pipeline(stages)
    calls = []

    def translate(wav, rate, context, transcribe):
        calls.append(1)
        if len(calls) == 2:
            raise AudioError("broken", "the second segment", "y")
        return Translated("hola", "hello")

    made.translator = translate
    with pytest.raises(AudioError, match="broken"):
        clone_file(made, recording, target)
    assert target.read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


def test_a_recording_that_is_too_long_is_refused_before_it_is_read(stages, recording, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_DURATION_S", 3.0)
    with pytest.raises(AudioError, match=r"voz\.wav: too long"):
        clone_file(pipeline(stages), recording, tmp_path / "out.wav")


def test_progress_counts_the_seconds_of_the_source(stages, recording, tmp_path):
    seen = {}

    def progress(items, total, label):
        seen["total"] = total
        items = list(items)
        seen["count"] = len(items)
        return items

    clone_file(pipeline(stages), recording, tmp_path / "out.wav", progress=progress)
    assert 0 < seen["count"] <= seen["total"] == round(soundfile.info(recording).duration)


def test_an_hour_takes_no_more_memory_than_a_minute(stages, tmp_path):
    """Peak memory for a recording that is ten times as long."""
    import tracemalloc

    peaks = []
    for times in (2, 20):
        path = tmp_path / f"{times}.wav"
        write_audio(path, np.concatenate([spoken(0), np.zeros(HZ, np.float32)] * times), HZ)
        tracemalloc.start()
        clone_file(pipeline(stages), path, tmp_path / "out.wav")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert soundfile.info(tmp_path / "out.wav").duration > 0.5 * soundfile.info(path).duration
    assert peaks[1] < 1.5 * peaks[0] + 2e7


def test_a_missing_recording_is_an_audio_error_for_every_target_and_option(stages, recording, tmp_path):
    for source, target, request in (
        (tmp_path / "a.mkv", "out.mkv", Request()),
        (tmp_path / "a.wav", "out.wav", Request(script=tmp_path / "s.json")),
        (recording, "out.wav", Request(script=tmp_path / "s.json", emotion_from=tmp_path / "a.wav")),
    ):
        with pytest.raises(AudioError, match=r"a\.(mkv|wav): missing file; check the path"):
            clone_file(pipeline(stages), source, tmp_path / target, request)
    assert list(tmp_path.iterdir()) == []


def test_stdout_is_no_target_of_a_file(recording):
    with pytest.raises(CloningError, match=r"- \(stdout\) is for speech from stdin: name a file for the output of"):
        check_target(recording, Path("-"))


def test_no_input_is_overwritten(recording, tmp_path):
    """Also under another path, and before anything is read."""
    voice = tmp_path / "voice.wav"
    shutil.copy(recording, voice)
    (tmp_path / "folder").mkdir()
    before = voice.read_bytes()
    for request in (Request(voice_from=(voice,)), Request(emotion_from=voice), Request(content=voice)):
        with pytest.raises(CloningError, match=r"voice\.wav is also a recording that is read: name another file"):
            clone_file(None, recording, tmp_path / "folder" / ".." / "voice.wav", request)
    assert voice.read_bytes() == before


@pytest.mark.parametrize("name", ["out.en.srt", "out.es.vtt"])
def test_a_folder_with_the_name_of_subtitles_is_told_before_the_work(recording, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(CloningError, match=f"{re.escape(name)} is a folder, and subtitles are files of this name"):
        clone_file(None, recording, tmp_path / "out.wav", Request(subtitles=True))
    check_target(recording, tmp_path / "out.wav")


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus"])
def test_both_parts_of_a_joined_recording_are_translated(stages, tmp_path, suffix):
    path = tmp_path / f"joined.{suffix}"
    first, second = (np.concatenate([spoken(n, RATE), np.zeros(2 * RATE, np.float32)]) for n in (0, 1))
    path.write_bytes(encoded(path, first) + encoded(path, second))
    made = clone_file(pipeline(stages), path, tmp_path / "out.wav")
    assert made.transcript == "hola amigo hola amigo"
    assert made.source_duration == pytest.approx((len(first) + len(second)) / RATE, abs=0.15)
    assert made.duration == pytest.approx(soundfile.info(tmp_path / "out.wav").duration, abs=1e-3)


def test_inverted_channels_are_translated_with_a_note(stages, tmp_path):
    wav = spoken(0)
    soundfile.write(tmp_path / "a.flac", np.stack([wav, -wav], 1), HZ)
    made = clone_file(pipeline(stages), tmp_path / "a.flac", tmp_path / "out.wav")
    assert [note for note in made.notes if "inverted phase" in note and "a.flac" in note]
