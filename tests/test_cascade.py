import json
import platform
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import chords, spoken, voiced

from thesis_lib import audio, cascade, tts
from thesis_lib.audio import AudioError, raw_blocks, write_audio
from thesis_lib.cascade import (
    Batch,
    Line,
    Request,
    VoiceCloningPipeline,
    average,
    between,
    build,
    clauses,
    clone_file,
    clone_folder,
    clone_live,
    dominant,
    in_clauses,
    laid_out,
    nearest_voice,
)
from thesis_lib.cascade.pipeline import GAP, ahead
from thesis_lib.config import CascadeConfig, CorpusConfig, EncoderConfig
from thesis_lib.corpora import mini
from thesis_lib.encoders import embed, emotion_encoder, speaker_encoder
from thesis_lib.finishing import loudness
from thesis_lib.metrics import word_errors
from thesis_lib.pitch import track
from thesis_lib.runs import RunError
from thesis_lib.segmentation import RATE, Segment, speech_segments
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import train
from thesis_lib.translation import Translated
from thesis_lib.tts import KokoroSynthesizer, SpeechError
from thesis_lib.voice import Voice
from thesis_lib.watermark import watermark

PLAIN = CascadeConfig(voice="af_heart", watermark=False)
HZ = 22_050


class Translator:
    """Stands for Whisper: hears what it is told to hear."""

    name = "told"

    def __init__(self, language="es", probability=0.9, text="hola amigo", english="hello my friend"):
        self.found = Translated(text, english, language, probability)
        self.contexts = []

    def __call__(self, wav, sample_rate, context="", transcribe=True):
        self.contexts.append(context)
        return self.found


class Synthesizer:
    """Stands for Kokoro: a buzz as long as the text."""

    sample_rate = 24_000

    def __init__(self):
        self.said = []

    def __call__(self, text, voice, language="en", speed=1.0):
        self.said.append((text, voice, speed))
        return voiced(0.1 * len(text) / speed, 24_000)


@pytest.fixture(scope="module")
def stages(tiny_run):
    config = EncoderConfig(speaker="tiny-test", emotion="egemaps")
    return speaker_encoder(config), emotion_encoder(config), train(tiny_run, "conversion")


def pipeline(stages, config: CascadeConfig = PLAIN, **hears) -> VoiceCloningPipeline:
    speaker, emotion, vocoder = stages
    return VoiceCloningPipeline(Translator(**hears), Synthesizer(), speaker, emotion, vocoder, config)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two utterances with three seconds between them."""
    gap = np.zeros(3 * HZ, np.float32)
    return np.concatenate([gap[:HZ], spoken(0), gap, spoken(1), gap[:HZ]])


@pytest.fixture(scope="module")
def recording(talk, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "voz.wav"
    write_audio(path, talk, HZ)
    return path


def test_passages_keep_their_places_and_similarities_are_measured(stages, talk):
    made = pipeline(stages)
    result = made(talk, HZ)
    assert result.transcript == "hola amigo hola amigo"
    assert result.translation == "hello my friend hello my friend"
    first, second = result.passages
    segments = list(speech_segments([talk], HZ))
    assert [p.start for p in result.passages] == pytest.approx([s.start for s in segments])
    assert first.end == pytest.approx(first.start + len(first.wav) / result.sample_rate)
    quiet = result.wav[round((first.end + 0.05) * HZ) : round((second.start - 0.05) * HZ)]
    assert not quiet.any()
    assert len(result.wav) == pytest.approx(second.end * HZ, abs=2)
    assert -1 <= result.similarity_before <= 1
    assert -1 <= result.similarity_after <= 1
    assert set(result.seconds) == {"translate", "speak", "render", "finish"}
    assert result.notes == ()
    # The second passage goes on with the first's sentence.
    assert made.translator.contexts == ["", "hello my friend"]
    made.translator = Translator(english="Hello, my friend.")
    made(talk, HZ)
    assert made.translator.contexts == ["", ""], "a finished sentence is not said again"


def test_a_long_passage_moves_the_next_one_and_no_two_overlap(stages, talk):
    result = pipeline(stages, english="a sentence that takes a good deal longer than what it translates " * 2)(talk, HZ)
    first, second = result.passages
    assert second.start == pytest.approx(first.end + GAP)


def test_what_it_takes_from_the_speaker(stages, monkeypatch):
    seen = []
    monkeypatch.setattr(
        Vocoder, "render", lambda self, wav, voice, guidance, stretch: seen.append((voice, guidance)) or wav
    )
    for number in (0, 3):
        pipeline(stages, PLAIN.model_copy(update={"guidance": 1.5}))(spoken(number), HZ)
    (one, guidance), (other, _) = seen
    assert guidance == 1.5
    assert not np.allclose(one.speaker, other.speaker)
    assert not np.allclose(one.emotion, other.emotion)
    wav = np.concatenate([segment.wav for segment in speech_segments([spoken(0)], HZ)])
    pitch = track(wav, stages[2].audio.model_copy(update={"sample_rate": RATE})).range
    assert one.pitch_level == pytest.approx(pitch.level, abs=0.05)
    assert one.pitch_spread == pytest.approx(pitch.spread, abs=0.05)
    assert one.pitch_level != other.pitch_level
    seen.clear()
    pipeline(stages, PLAIN.model_copy(update={"follow_pitch": False}))(spoken(0), HZ)
    assert seen[0][0].pitch_spread is None


def test_it_is_as_loud_as_the_source(stages):
    loud, quiet = (pipeline(stages)(gain * spoken(0), HZ) for gain in (0.8, 0.08))
    assert loudness(loud.wav, HZ) - loudness(quiet.wav, HZ) == pytest.approx(20, abs=1)


def test_speech_is_as_fast_as_the_speaker_s(stages):
    slow, fast = pipeline(stages, text="hola"), pipeline(stages, text="hola amigo mío que tal estás " * 8)
    for made in (slow, fast):
        made(spoken(0), HZ)
    assert (slow.synthesizer.said[0][2], fast.synthesizer.said[0][2]) == (0.8, 1.25)
    steady = pipeline(stages, PLAIN.model_copy(update={"follow_rate": False}), text="hola")
    steady(spoken(0), HZ)
    assert steady.synthesizer.said[0][2] == 1.0


def test_fitted_passages_are_as_long_as_what_they_translate(stages, talk):
    english = "x" * 45  # 4.5 s
    segments = list(speech_segments([talk], HZ))
    free = pipeline(stages, english=english)(talk, HZ)
    fitted = pipeline(stages, PLAIN.model_copy(update={"fit": True}), english=english)(talk, HZ)
    for passage, plain, segment in zip(fitted.passages, free.passages, segments, strict=True):
        wanted = np.clip(segment.duration / (len(plain.content) / HZ), 0.8, 1.25) * len(plain.content)
        assert len(passage.wav) == pytest.approx(wanted, abs=2)
        assert len(passage.wav) != len(plain.wav)


def test_a_stretched_rendering_keeps_its_pitch(stages):
    vocoder, wav = stages[2], spoken(0, side="en")
    plain, longer = (vocoder.render(wav, Voice(), 1.0, stretch) for stretch in (1.0, 1.2))
    assert len(longer) == round(1.2 * len(wav))
    levels = [vocoder.content(wav)[0, -2].mean(), track(wav, vocoder.audio).level]
    assert np.isfinite(levels).all()
    assert len(plain) == len(wav)


def test_given_words_and_a_given_voice(stages, talk):
    made = pipeline(stages)
    other = made.listen(list(speech_segments([spoken(5)], HZ)))
    result = made(talk, HZ, text="good evening", speaker=other)
    assert [said for said, *_ in made.synthesizer.said] == ["good evening"]
    assert result.speaker is other
    assert result.translation == "good evening"
    assert len(result.passages) == 1


@pytest.mark.parametrize(
    ("hears", "wav", "says"),
    [
        ({"language": "fr"}, "speech", "language 'fr' \\(90% sure\\)"),
        ({"text": " ", "english": " "}, "speech", "no words were heard"),
        ({}, np.zeros(HZ, np.float32), "silence"),
        ({}, voiced(0.05), "too short"),
        ({}, 0.1 * np.random.default_rng(0).normal(size=3 * HZ).astype(np.float32), "no speech"),
        ({}, np.full(HZ, np.nan, np.float32), "not finite"),
        ({}, "music", "no speech"),
        ({}, "clipped", "clipping"),
    ],
)
def test_unusable_input_is_one_clear_error(stages, hears, wav, says):
    named = {
        "speech": lambda: spoken(0),
        "music": lambda: chords(rate=HZ),
        "clipped": lambda: np.clip(30 * spoken(0), -1, 1),
    }
    wav = named[wav]() if isinstance(wav, str) else wav
    with pytest.raises(AudioError, match=says) as caught:
        pipeline(stages, **hears)(wav, HZ, source="voz.wav")
    assert "voz.wav" in str(caught.value)


def test_an_unsure_guess_of_the_language_is_taken_as_spanish(stages):
    result = pipeline(stages, language="gl", probability=0.3)(spoken(0), HZ)
    assert result.transcript == "hola amigo"
    assert result.notes == ()


def test_a_foreign_word_later_on_is_noted_and_translated(stages, talk):
    made = pipeline(stages)
    found = [Translated("hola", "hello"), Translated("ciao", "bye", "it", 0.8)]
    made.translator = lambda wav, rate, context, transcribe: found.pop(0)
    result = made(talk, HZ)
    assert result.translation == "hello bye"
    assert len(result.notes) == 1
    assert "sounds like language 'it'" in result.notes[0]


def test_a_segment_without_words_is_noted(stages, talk):
    made = pipeline(stages)
    found = [Translated("hola", "hello"), Translated("", "")]
    made.translator = lambda wav, rate, context, transcribe: found.pop(0)
    result = made(talk, HZ)
    assert len(result.passages) == 1
    assert "no words heard, left out" in result.notes[0]


def test_noise_is_said(stages):
    wav = spoken(0)
    noise = np.random.default_rng(0).normal(size=len(wav)).astype(np.float32) * np.sqrt(np.mean(wav**2))
    result = pipeline(stages)(0.3 * (wav + noise), HZ)
    assert "very noisy" in result.notes[0]


class Two:
    """An encoder that tells voices by their level."""

    name, revision, dim, sample_rate = "two", "1", 2, RATE

    def encode(self, wav):
        return np.array([1.0, 0.0] if np.abs(wav).max() > 0.1 else [0.0, 1.0], np.float32)


def test_the_dominant_speaker_is_the_one_who_speaks_most():
    segments = [Segment(0.0, 4.0, voiced(4.0, RATE)), Segment(5.0, 14.0, 0.1 * voiced(9.0, RATE))]
    pieces, others = dominant(segments, Two())
    assert others == pytest.approx(4 / 13, abs=0.02)
    assert max(np.abs(piece).max() for piece in pieces) < 0.1
    alone, none = dominant(segments[:1], Two())
    assert none == 0
    assert sum(map(len, alone)) == len(segments[0].wav)


@pytest.mark.weights("ecapa")
def test_two_real_voices_are_told_apart_and_one_is_not_split(stages):
    encoder = speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32"))
    rows = mini.table(CorpusConfig(name="mini"))
    voices = list(dict.fromkeys(rows.voice))[:2]
    own, other = (spoken(int(np.flatnonzero(rows.voice == voice)[0]), RATE) for voice in voices)

    def segments(*wavs):
        return [s for number, wav in enumerate(wavs) for s in speech_segments([wav], RATE)]

    assert dominant(segments(own, own), encoder)[1] == 0
    assert dominant(segments(own, own, other), encoder)[1] == pytest.approx(
        len(other) / (2 * len(own) + len(other)), abs=0.1
    )


def test_several_recordings_of_a_voice_are_averaged():
    one = Voice(np.array([1.0, 0.0]), np.array([1.0]), 5.0, 0.2)
    voice = average([one, Voice(np.array([0.0, 3.0]), np.array([3.0]), None, 0.4)])
    assert voice.speaker == pytest.approx(np.array([1, 1]) / np.sqrt(2) * 2)
    assert (voice.emotion[0], voice.pitch_level, voice.pitch_spread) == (2.0, 5.0, pytest.approx(0.3))


@pytest.mark.parametrize(("share", "emotion", "spread"), [(0.0, 1.0, 0.2), (0.5, 2.0, 0.3), (1.0, 3.0, 0.4)])
def test_a_manner_can_be_taken_in_part(share, emotion, spread):
    own = Voice(np.ones(2), np.array([1.0]), 5.0, 0.2)
    mixed = between(own, Voice(np.zeros(2), np.array([3.0]), 6.0, 0.4), share)
    assert (mixed.emotion[0], mixed.pitch_spread) == (emotion, pytest.approx(spread))
    assert (mixed.speaker is own.speaker, mixed.pitch_level) == (True, 5.0)


def test_encoders_must_fit_the_vocoder(stages):
    speaker, _, vocoder = stages
    with pytest.raises(RunError, match="sizes"):
        VoiceCloningPipeline(Translator(), Synthesizer(), speaker, speaker, vocoder, PLAIN)
    with pytest.raises(RunError, match="needs ECAPA"):
        pipeline(stages, CascadeConfig(voice="nearest"))


def test_the_nearest_voice_is_a_voice_and_its_own_is_nearest():
    from thesis_lib.cascade.voices import _table

    names, units = _table()
    assert len(names) == len(set(names)) == 28
    assert [nearest_voice(3 * unit) for unit in units] == names


def test_clauses_keep_every_word_and_end_at_a_mark():
    text = "Well, when the storm had passed, we went down to the harbour. Nobody was there; not one boat."
    found = clauses(text)
    assert " ".join(found) == text
    assert len(found) == 3
    assert all(clause[-1] in ".,;:!?" and len(clause.split()) >= 4 for clause in found)
    assert clauses("Yes.") == ["Yes."]
    # What is heard first is short, and ends where one may breathe.
    long = "The old men of the village who had seen it all before said nothing about it."
    assert clauses(long)[0] == "The old men"
    assert " ".join(clauses(long)) == long
    line = Line(Segment(0, 1, voiced(1.0)), "hola", text, 1.1, None, {"translate": 2.0})
    lines = list(in_clauses([line]))
    assert [one.transcript for one in lines] == ["hola", "", ""]
    assert sum(one.seconds.get("translate", 0) for one in lines) == 2.0


def test_the_next_line_is_made_while_this_one_is_in_use():
    made, in_use = [], threading.Event()

    def lines():
        for number in range(3):
            if number == 1:
                assert in_use.wait(5), "the second item waits until somebody asks for it"
            made.append(number)
            yield number

    items = ahead(lines())
    assert next(items) == 0
    in_use.set()
    for _ in range(500):
        if made == [0, 1]:
            break
        time.sleep(0.01)
    assert made == [0, 1]
    assert list(items) == [1, 2]


def test_an_error_of_the_other_thread_is_raised_here(stages):
    def broken():
        yield from ()
        raise AudioError("broken", "x", "y")

    with pytest.raises(AudioError, match="broken"):
        list(ahead(broken()))


# Files


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
def test_a_file_with_its_note_of_consent(stages, recording, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    made = clone_file(pipeline(stages), recording, target, Request(consent="Ana, by letter"))
    with soundfile.SoundFile(target) as stream:
        assert "Consent: Ana, by letter" in stream.comment
        assert "Synthetic speech" in stream.comment
        assert stream.frames / stream.samplerate == pytest.approx(made.duration, abs=0.1)
    assert made.source_duration == pytest.approx(soundfile.info(recording).duration)


def test_a_file_and_the_same_samples_give_the_same(stages, recording, talk, tmp_path):
    clone_file(pipeline(stages), recording, tmp_path / "out.wav")
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    result = pipeline(stages)(talk, HZ)
    assert len(written) == pytest.approx(len(result.wav), abs=2 * 320)
    assert np.sqrt(np.mean(written**2)) == pytest.approx(np.sqrt(np.mean(result.wav**2)), rel=0.05)


def test_subtitles_of_both_languages_at_their_times(stages, recording, tmp_path):
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


def test_voice_and_manner_of_other_recordings(stages, recording, tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.wav" for number in (4, 5, 6)]
    for number, path in zip((4, 5, 6), paths, strict=True):
        write_audio(path, spoken(number), HZ)
    seen = []
    render = Vocoder.render
    monkeypatch.setattr(
        Vocoder, "render", lambda self, wav, voice, *more: seen.append(voice) or render(self, wav, voice, *more)
    )
    made = pipeline(stages)
    heard = [made.listen(list(speech_segments([soundfile.read(p, dtype="float32")[0]], HZ))).voice for p in paths]
    request = Request(voice_from=tuple(paths[:2]), emotion_from=paths[2], emotion_mix=1.0)
    clone_file(made, recording, tmp_path / "out.wav", request)
    directions = [voice.speaker / np.linalg.norm(voice.speaker) for voice in heard[:2]]
    assert embed_cosine(seen[0].speaker, np.mean(directions, axis=0)) > 0.999
    assert seen[0].emotion == pytest.approx(heard[2].emotion, rel=1e-3)
    assert seen[0].pitch_spread == pytest.approx(heard[2].pitch_spread, rel=1e-3)
    assert seen[0].pitch_level == pytest.approx(np.mean([v.pitch_level for v in heard[:2]]), abs=1e-3)


def embed_cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_adapted_to_the_speaker_first(stages, recording, tmp_path, monkeypatch, tiny_run):
    monkeypatch.setattr(cascade.files, "VOICES", tmp_path / "voices")
    made = pipeline(stages)
    made.vocoder.name = str(tiny_run.path / "conversion" / "vocoder")
    used = []
    render = Vocoder.render
    monkeypatch.setattr(Vocoder, "render", lambda self, *given: used.append(self) or render(self, *given))
    for _ in range(2):  # the second time it is there already
        clone_file(made, recording, tmp_path / "out.wav", Request(adapt=0.02))
    assert all(vocoder is not made.vocoder for vocoder in used)
    assert len(list((tmp_path / "voices").iterdir())) == 1
    assert used[0].meta["minutes"] == used[-1].meta["minutes"]


def test_an_earlier_output_stays_until_the_new_one_is_whole(stages, recording, tmp_path):
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
    monkeypatch.setattr(audio, "LONGEST", 3.0)
    with pytest.raises(AudioError, match=r"voz\.wav: too long"):
        clone_file(pipeline(stages), recording, tmp_path / "out.wav")


def test_progress_counts_the_source_s_seconds(stages, recording, tmp_path):
    seen = {}

    def progress(items, total, label):
        seen["total"] = total
        items = list(items)
        seen["count"] = len(items)
        return items

    clone_file(pipeline(stages), recording, tmp_path / "out.wav", progress=progress)
    assert 0 < seen["count"] <= seen["total"] == round(soundfile.info(recording).duration)


def test_an_hour_takes_no_more_memory_than_a_minute(stages, tmp_path):
    """The samples that are alive at once, of a recording ten times as long."""
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


# Folders


def make(vocoder, config, threads=None):
    """What ``build`` stands for; at the top of the module, so that another process finds it."""
    speaker, emotion = (
        load(EncoderConfig(speaker="tiny-test", emotion="egemaps")) for load in (speaker_encoder, emotion_encoder)
    )
    return VoiceCloningPipeline(Translator(), Synthesizer(), speaker, emotion, Vocoder.from_pretrained(vocoder), config)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "in"
    for number, name in enumerate(("a.wav", "b/c.flac")):
        write_audio(root / name, spoken(number), HZ)
    (root / "broken.wav").write_bytes(b"RIFFnothing")
    (root / "notes.txt").write_text("no recording")
    return root


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_with_one_table_and_no_file_that_stops_the_rest(tiny_run, folder, tmp_path, jobs):
    batch = Batch(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(folder, tmp_path / "out", batch, jobs, make=make)
    assert dict(zip(table.file, table.status, strict=True)) == {
        "a.wav": "done", "b/c.flac": "done", "broken.wav": "failed"
    }  # fmt: skip
    assert "broken.wav: undecodable" in table.reason[table.file == "broken.wav"].item()
    assert (tmp_path / "out" / "a.wav.wav").exists()
    assert (tmp_path / "out" / "b" / "c.flac.wav").exists()
    assert table.translation[0] == "hello my friend"
    assert json.loads(table.seconds[0])["speak"] > 0
    stored = pd.read_csv(tmp_path / "out" / "clones.csv", keep_default_na=False)
    assert list(stored.file) == list(table.file)


def test_a_second_call_makes_what_is_missing_failed_or_changed(tiny_run, folder, tmp_path, monkeypatch):
    made = []
    clone = cascade.batch.clone_file
    monkeypatch.setattr(
        cascade.batch, "clone_file", lambda p, source, *more: made.append(source.name) or clone(p, source, *more)
    )
    vocoder = str(tiny_run.path / "conversion" / "vocoder")

    def again(request=None):
        made.clear()
        clone_folder(folder, tmp_path / "out", Batch(vocoder, PLAIN, request or Request()), make=make)
        return sorted(made)

    assert again() == ["a.wav", "broken.wav", "c.flac"]
    assert again() == ["broken.wav"]
    (tmp_path / "out" / "a.wav.wav").unlink()
    write_audio(folder / "broken.wav", spoken(2), HZ)
    assert again() == ["a.wav", "broken.wav"]
    assert again() == []
    write_audio(folder / "a.wav", spoken(3), HZ)
    assert again() == ["a.wav"]
    assert again(Request(consent="yes")) == ["a.wav", "broken.wav", "c.flac"]


def test_a_defect_in_one_file_is_named_and_the_others_go_on(tiny_run, folder, tmp_path, monkeypatch):
    def clone(pipeline, source, target, request):
        raise ZeroDivisionError(f"in {source.name}")

    monkeypatch.setattr(cascade.batch, "clone_file", clone)
    table = clone_folder(folder, tmp_path / "out", Batch("x", PLAIN, Request()), make=lambda *given: None)
    assert list(table.status) == ["failed"] * 3
    assert table.reason[0] == "ZeroDivisionError: in a.wav"


def test_wrong_folders(folder, tmp_path):
    batch = Batch("x", PLAIN, Request())
    with pytest.raises(RunError, match="lies in"):
        clone_folder(folder, folder / "out", batch)
    with pytest.raises(RunError, match="no recordings"):
        clone_folder(tmp_path / "nowhere", tmp_path / "out", batch)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clones.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RunError, match="not a table of clones"):
        clone_folder(folder, tmp_path / "out", batch)


# As it comes


class Microphone:
    """Raw samples, and how many have been asked for."""

    def __init__(self, wav):
        self.data, self.read_bytes = (wav * 32767).astype("<i2").tobytes() + b"x", 0

    def read(self, size):
        part = self.data[self.read_bytes : self.read_bytes + size]
        self.read_bytes += len(part)
        return part


def test_live_speech_is_heard_before_it_has_ended(stages, talk, monkeypatch):
    microphone = Microphone(talk)
    made = pipeline(stages, english="hello my dear friend, how are you doing today?")
    passages = made.live(raw_blocks(microphone, HZ, 0.25), HZ)
    first = next(passages)
    assert first.line.english == "hello my dear friend,"
    assert microphone.read_bytes < 0.8 * len(microphone.data)
    rest = list(passages)
    assert [p.line.english for p in rest][:1] == ["how are you doing today?"]
    assert len(rest) == 3
    assert all(a.end <= b.start for a, b in zip([first, *rest], rest, strict=False))


def test_memory_is_given_back_after_every_passage_where_it_can_be(stages, talk, monkeypatch):
    asked = []
    monkeypatch.setattr(cascade.pipeline.ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=asked.append))
    made = pipeline(stages)
    assert len(made(talk, HZ).passages) == len(asked) > 1
    monkeypatch.setattr(cascade.pipeline.ctypes, "CDLL", lambda name: SimpleNamespace())  # no glibc
    assert len(made(talk, HZ).passages) == len(asked)


def test_live_to_a_file_and_to_stdout(stages, talk, tmp_path, capfdbinary):
    said = []
    seconds = clone_live(
        pipeline(stages), Microphone(talk), HZ, tmp_path / "out.wav", Request(consent="me"), said.append
    )
    assert soundfile.info(tmp_path / "out.wav").duration == pytest.approx(seconds)
    assert said == ["hello my friend"] * 2
    assert clone_live(pipeline(stages), Microphone(talk), HZ, "-") == pytest.approx(seconds)
    assert len(capfdbinary.readouterr().out) == pytest.approx(2 * seconds * HZ, abs=4)
    with pytest.raises(RunError, match="need a file"):
        clone_live(pipeline(stages), Microphone(talk), HZ, "-", Request(text="hello"))
    with pytest.raises(AudioError, match="no words were heard"):
        clone_live(pipeline(stages), Microphone(np.zeros(HZ)), HZ, "-")


# With its real stages


@pytest.mark.slow
@pytest.mark.weights("ecapa", "whisper-base", "whisper-tiny.en", "kokoro", "kokoro-voices")
def test_the_real_pipeline_says_what_was_said(tmp_path):
    """Before anyone trains, the package's weights serve; Whisper understands the English."""
    made = build(config=CascadeConfig(voice="af_heart"))
    assert made.vocoder.name == "default"
    row = mini.table(CorpusConfig(name="mini")).iloc[0]
    write_audio(tmp_path / "hola.wav", spoken(0), HZ)
    found = clone_file(made, tmp_path / "hola.wav", tmp_path / "hello.wav")
    errors, words = word_errors(found.transcript, row.es, "es")
    assert errors / words < 0.4
    from thesis_lib.asr import Whisper

    wav, rate = soundfile.read(tmp_path / "hello.wav", dtype="float32")
    errors, words = word_errors(Whisper()(wav, rate, language="en").text, found.translation)
    assert errors / words < 0.4
    assert watermark(wav, rate) > 0.9
    assert embed(made.listener.speaker_encoder, wav, rate).shape == (192,)


@pytest.mark.weights("kokoro", "kokoro-voices")
def test_kokoro_speaks_both_languages_and_mixtures_and_refuses_the_rest():
    synthesizer = KokoroSynthesizer()
    assert len(synthesizer.voices) == 54
    for voice, language, text in (("af_heart", "en", "Good morning."), ("ef_dora+if_sara", "es", "Buenos días.")):
        wav = synthesizer(text, voice, language)
        assert 0.4 < len(wav) / 24_000 < 3
        assert np.isfinite(wav).all()
        assert np.abs(wav).max() > 0.05
    # In float16 this very sentence came out as NaN.
    assert np.isfinite(
        synthesizer("This morning I left my keys inside the house and had to call my neighbour.", "af_heart")
    ).all()
    with pytest.raises(SpeechError, match="no voice"):
        synthesizer("hello", "af_hart")
    with pytest.raises(SpeechError, match="no text"):
        synthesizer("  ", "af_heart")


def test_a_long_text_is_spoken_sentence_by_sentence_and_a_short_one_at_once():
    sentence = "When the storm had passed, the two fishermen went down to the harbour."
    assert tts.portions(f"Yes. {sentence}") == [f"Yes. {sentence}"]
    assert tts.portions(" ".join([sentence] * 3)) == [sentence] * 3


@pytest.mark.parametrize("mark", [", ", " ", ""])
def test_no_text_takes_more_memory_than_the_longest_portion(mark):
    endless = mark.join(["and then another one"] * 40)
    found = tts.portions(f"It began. {endless}")
    assert max(map(len, found)) <= tts.AT_ONCE
    assert "".join(found).replace(" ", "") == f"It began. {endless}".replace(" ", "")
    if mark == ", ":
        assert all(portion.endswith(",") for portion in found[1:-1])


def test_passages_are_laid_out_without_a_gap_in_the_samples(stages, talk):
    result = pipeline(stages)(talk, HZ)
    total = sum(len(silence) + len(passage.wav) for passage, silence in laid_out(result.passages, HZ))
    assert total == len(result.wav)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_large_memory_is_returned_when_it_is_freed():
    code = """if True:
        import numpy as np
        from thesis_lib.cascade.pipeline import return_large_memory
        resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
        return_large_memory()
        np.ones(6_000_000, np.float32)  # freed; by itself glibc would keep what is smaller from now on
        before, large, small = resident(), [], []
        for _ in range(20):
            large.append(np.ones(2_000_000, np.float32))
            small.append(np.ones(30_000, np.float32))  # above it, so that the heap cannot shrink
        del large
        print(resident() - before)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 50  # MB, of 160
