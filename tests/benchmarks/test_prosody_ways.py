"""The comparison of ways to follow the source's prosody: its parts with known answers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cloning_stages import pipeline
from helpers import spoken, voiced

from benchmarks import contours, emotion, prosody_model, prosody_ways, style_halves
from benchmarks.emotion_statistics import PROBES, SOURCE, TTS
from thesis_lib.audio.files import resample
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.prosody import NEUTRAL_LOG_F0_STD, NEUTRAL_LOUDNESS_VARIATION, Prosody, limited_speed
from thesis_lib.cloning.segments import TranslatedSegment
from thesis_lib.cloning.speaker import Speaker, SpeakerAnalyser
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.voices import voice_rate
from thesis_lib.vocoder.content import PHONETIC
from thesis_lib.vocoder.voice import Voice

EMOTION = 3  # size of the substitute embedding


def test_slope_and_final_movement_by_hand():
    times = np.arange(100) * contours.HOP_SECONDS
    log_f0 = 5.0 + 0.4 * times
    log_f0[10:20] += np.log(2)  # octave errors
    assert contours.slope(times, log_f0) == pytest.approx(0.4, rel=0.05)
    falling = np.full(100, 5.0)
    falling[-30:] = 4.8
    assert contours.final_movement(falling) == pytest.approx(-0.2)
    falling[-30] = 5.0
    assert contours.final_movement(falling) == pytest.approx(-0.2)


def test_the_contour_of_a_glide_is_measured():
    seconds, low, high = 2.0, np.log(120.0), np.log(240.0)
    phase = 2 * np.pi * np.cumsum(np.exp(np.linspace(low, high, int(seconds * RATE)))) / RATE
    times, log_f0 = contours.world_log_f0(0.2 * sum(np.sin(k * phase) / k for k in range(1, 8)))
    assert contours.slope(times, log_f0) == pytest.approx((high - low) / seconds, rel=0.05)
    # The median of the last 0.3 s is that of 0.15 s before the end; the median of the whole is that of the middle.
    share = 1 - 0.15 / seconds - 0.5
    assert contours.final_movement(log_f0) == pytest.approx(share * (high - low), rel=0.1)


def test_only_the_rows_marked_train_are_used(tmp_path, monkeypatch):
    table = "path\tspeaker\temotion\tuse\na.wav\tx\tfear\ttrain\nb.wav\tx\tjoy\tmeasure only\nc.wav\tx\tfear\ttrain\n"
    (tmp_path / "utterances.tsv").write_text(table)
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    training = emotion.acted_recordings(train=True)
    assert [path.name for path in training.path] == ["a.wav", "c.wav"]
    assert [path.name for path in emotion.chosen_recordings(False, training).path] == ["a.wav"]
    assert len(emotion.chosen_recordings(False, training, 4)) == 2


def test_the_sentence_that_a_speaker_said_in_the_most_emotions_is_first():
    said = [("a", "fear", 1), ("a", "joy", 2), ("a", "fear", 2), ("b", "joy", 2), ("b", "joy", 1)]
    table = pd.DataFrame(
        [(*row, str(n)) for n, row in enumerate(said)], columns=["speaker", "emotion", "sentence", "path"]
    )
    found = prosody_ways.common_sentences_first(table)
    assert list(found.path) == ["1", "2", "0", "4", "3"]
    assert list(found.columns) == list(table.columns)


def test_a_style_vector_has_the_timbre_of_one_voice_and_the_prosody_of_another(monkeypatch):
    made = object.__new__(style_halves.HalvesSynthesizer)
    made.voices = {name: np.full((2, 1, 256), value) for name, value in (("a", 1.0), ("b", 2.0))}
    made.prosody, made._kept, calls = None, {}, []
    monkeypatch.setattr(KokoroSynthesizer, "__call__", lambda self, *given: calls.append(given) or self.voice(given[1]))
    assert (made("text", "a") == 1).all()
    made.prosody = "b"
    found = made("text", "a")
    assert (found[..., :128] == 1).all()
    assert (found[..., 128:] == 2).all()
    assert made("text", "a") is found
    assert len(calls) == 2
    assert (made.voices["a"] == 1).all()


def test_the_speed_is_divided_by_the_rate_of_the_half_that_sets_it(monkeypatch):
    """The pipeline has divided the speed by the rate of the voice with the timbre."""
    made = object.__new__(style_halves.HalvesSynthesizer)
    made.prosody, made._kept, speeds = "am_santa", {}, []
    monkeypatch.setattr(KokoroSynthesizer, "__call__", lambda self, *given: speeds.append(given[-1]))
    text = "Nobody saw the fox."
    made(text, "af_bella", speed=1.1 / voice_rate("af_bella", text))
    assert speeds == [pytest.approx(1.1 / voice_rate("am_santa", text))]


class Spoken:
    """Substitute for Kokoro: a bundled recording, twice in the voice "slow"; noise in the voice "whisper"."""

    sample_rate = RATE

    def __call__(self, text, voice):
        if voice == "whisper":
            return 0.01 * np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32)
        return np.tile(spoken(0, RATE, "en"), 2 if voice == "slow" else 1)


def test_the_statistics_of_the_voices_are_relative_to_their_median():
    found = style_halves.voice_statistics(Spoken(), ["slow", "fast", "whisper"], ["hello", "a longer text"])
    assert list(found.index) == ["slow", "fast"]
    assert found.loc["fast", "rate"] - found.loc["slow", "rate"] == pytest.approx(np.log(2), abs=0.05)
    assert found.median().to_numpy() == pytest.approx([0, 0, 0])


def test_the_nearest_half_has_the_statistics_of_the_source():
    """A statistic in which the voices hardly differ counts as much as the others."""
    voices = pd.DataFrame({"a": [0, 0, 0], "b": [1, 0, 0], "c": [0, 0.01, 0], "d": [0, 0, 1]}, dtype=float).T
    voices.columns = list(style_halves.STATISTICS)
    assert [style_halves.nearest_half(np.array(v), voices) for v in ([0.9, 0, 0], [0.1, 0.009, 0], [0, 0, 5])] == [
        *"bcd"
    ]


def test_the_statistics_of_a_source_are_relative_to_neutral_speech():
    voice = Voice(np.zeros(2), np.zeros(2), 5.0, 2 * NEUTRAL_LOG_F0_STD)
    speaker = Speaker(voice, prosody=Prosody(NEUTRAL_LOUDNESS_VARIATION, 0.5))
    assert style_halves.source_statistics(speaker) == pytest.approx([np.log(2), 0, -np.log(2)])
    unknown = replace(speaker, voice=replace(voice, log_f0_std=None), prosody=Prosody())
    assert style_halves.source_statistics(unknown) == pytest.approx([0, 0, 0])


def content_of(log_f0: np.ndarray, energy: np.ndarray, phonetic: np.ndarray | None = None) -> np.ndarray:
    """Content features (P + 3, T), every frame voiced."""
    said = np.zeros((PHONETIC, len(log_f0))) if phonetic is None else phonetic
    rows = [energy, (log_f0 - PITCH_CENTRE) / PITCH_SCALE, np.ones(len(log_f0))]
    return np.concatenate([said, rows]).astype(np.float32)


def voice_of(emotion_value: float) -> Voice:
    return Voice(np.zeros(2), np.full(EMOTION, emotion_value, np.float32), 5.0, 0.2)


def planted(speaker: str, emotion_value: float, seed: int) -> prosody_model.Example:
    """The F0 follows one phonetic channel, the more the emotion embedding says; the energy follows another."""
    phonetic = np.zeros((PHONETIC, 60))
    phonetic[:8] = np.random.default_rng(seed).normal(size=(8, 60))
    log_f0 = 5.0 + NEUTRAL_LOG_F0_STD * emotion_value * phonetic[0]
    return prosody_model.Example(speaker, content_of(log_f0, 0.3 * phonetic[1], phonetic), voice_of(emotion_value))


def test_the_target_of_a_recording_by_hand():
    content = content_of(np.array([5.0, 5.0, 5.0, 5.0, 5.0 + NEUTRAL_LOG_F0_STD, 5.3]), np.array([0, 0, 1, 1, 0, -9.0]))
    content[-1, -1] = 0.0  # unvoiced, and a pause by its energy
    found = prosody_model.Example("s", content, voice_of(0)).target
    assert found[0, :5] == pytest.approx([0, 0, 0, 0, 1], abs=1e-5)
    assert found[1, :5] == pytest.approx([-0.4, -0.4, 0.6, 0.6, -0.4], abs=1e-5)


def test_the_model_learns_what_content_and_emotion_say_of_f0_and_energy():
    """The same content with the other emotion has the opposite contour."""
    examples = [planted(f"s{n}", (-1.0, 1.0)[n % 2], n) for n in range(48)]
    model = prosody_model.trained_prosody_model(examples, 0, epochs=40)
    seen = planted("other", 1.0, 99)
    f0, energy = prosody_model.frame_correlations(seen, model)
    assert min(f0, energy) > 0.8
    opposite = model.predict(seen.content, voice_of(-1.0))
    assert np.corrcoef(opposite[0], model.predict(seen.content, seen.voice)[0])[0, 1] < -0.8


def test_no_model_has_seen_the_speaker_that_it_is_used_for(monkeypatch):
    monkeypatch.setattr(prosody_model, "trained_prosody_model", lambda found, *_: {x.speaker for x in found})
    examples = [prosody_model.Example(name, np.zeros((1, 1)), Voice()) for name in ("a", "b", "c", "reader")]
    found = prosody_model.held_out_models(examples, ["a", "b", "c"], 2)
    assert found == {"a": {"b", "reader"}, "b": {"a", "c", "reader"}, "c": {"b", "reader"}}
    assert prosody_model.held_out_models(examples, ["a", "b"], 5)["a"] == {"b", "c", "reader"}


def test_a_predicted_contour_replaces_the_content_s():
    rng = np.random.default_rng(0)
    content = content_of(5.0 + 0.1 * rng.normal(size=50), 0.3 * rng.normal(size=50))
    content[-3, :10] = -9.0  # a pause
    made = rng.normal(size=(2, 50)).astype(np.float32)
    found = prosody_model.with_prosody(content, made, 5.5, 0.3)
    pitch = prosody_model.pitch_of(found)
    assert (pitch.range.log_f0_median, pitch.range.log_f0_std) == pytest.approx((5.5, 0.3), rel=0.01)
    assert np.corrcoef(pitch.log_f0, made[0])[0, 1] == pytest.approx(1)
    assert np.corrcoef(found[-3, 10:], made[1, 10:])[0, 1] == pytest.approx(1)
    assert found[-3, 10:].mean() == pytest.approx(content[-3, 10:].mean(), abs=1e-5)
    assert (found[-3, :10] == -9).all()
    own = prosody_model.pitch_of(prosody_model.with_prosody(content, made, 5.5))
    assert own.range.log_f0_std == pytest.approx(NEUTRAL_LOG_F0_STD * made[0].std(), rel=0.01)


class Flat:
    """Substitute for a trained model: no movement."""

    def predict(self, content, voice):
        return np.zeros((2, content.shape[1]), np.float32)


class Halves:
    """Substitute for the synthesizer; records the prosody half and the speed, relative to the average voice."""

    sample_rate, prosody = 24_000, None

    def __init__(self):
        self.said = []

    def __call__(self, text, voice, language="en", speed=1.0):
        self.said.append((self.prosody, speed * voice_rate(voice, text)))
        return voiced(2.0 / speed, 24_000)


def test_each_way_changes_its_own_part(stages, monkeypatch):
    ways = object.__new__(prosody_ways.Ways)
    ways.pipeline, ways.synthesizer = pipeline(stages), Halves()
    ways.models, ways.chosen = {"s": Flat()}, {}
    ways.pipeline.synthesizer = ways.synthesizer
    ways.voices = pd.DataFrame({"quick": [0.0, 0.0, np.log(1.1)], "slow": [3.0, 3.0, -3.0]}, style_halves.STATISTICS).T
    monkeypatch.setattr(prosody_ways, "source_statistics", lambda *_: np.zeros(3))
    monkeypatch.setattr(
        type(ways.pipeline), "from_text", lambda _, text, segments: [TranslatedSegment(segments[0], "", text)]
    )
    monkeypatch.setattr(SpeakerAnalyser, "speaking_rate", lambda *_: 1.1)
    found = ways([Segment(0.0, 3.0, voiced(3.0, RATE))], "hello my friend", "s")
    assert list(found) == [SOURCE, TTS, *prosody_ways.WAYS]
    assert ways.chosen == {"quick": 1}
    halves, speeds = zip(*ways.synthesizer.said, strict=True)
    assert halves == (None, None, "quick", "quick", None)
    assert speeds == pytest.approx((1.0, *[limited_speed(1.1)] * 4))
    assert contours.world_log_f0_std(resample(*found[prosody_ways.MODEL], RATE)) < 0.02
    with pytest.raises(ValueError, match="stretch"):
        prosody_model.ModelledVocoder(ways.pipeline.vocoder, Flat(), Voice()).render(np.zeros(9), Voice(), stretch=2.0)


def measured() -> pd.DataFrame:
    """Four speakers and three emotions; the default follows the source, the other ways do not; the TTS is constant."""
    rng, rows = np.random.default_rng(0), []
    for system in (SOURCE, TTS, *prosody_ways.WAYS):
        follows = {SOURCE: 1.0, TTS: 0.0, prosody_ways.DEFAULT: 1.0}.get(system, -1.0)
        for speaker in "abcd":
            for number, name in enumerate(("anger", "joy", "neutral")):
                row = {
                    "system": system,
                    "speaker": speaker,
                    "text": speaker,
                    "emotion": name,
                    "DNSMOS": 3.0,
                    "errors": 0,
                    "words": 4,
                }
                row |= dict.fromkeys(PROBES.values(), np.eye(3)[number] + 0.1 * rng.normal(size=3))
                rows.append(row | dict.fromkeys(prosody_ways.CORRELATED, follows * number))
    return pd.DataFrame(rows)


def test_the_result_has_a_row_for_each_way_and_its_difference_to_the_default(monkeypatch):
    training = pd.DataFrame({"speaker": ["a"], "emotion": ["joy"], "sentence": ["1"], "path": ["a.wav"]})

    class Fake:
        def __init__(self, *given):
            self.examples, self.chosen = [], {"af_heart": 12}

        def model_rows(self):
            return {}

    monkeypatch.setattr(emotion, "acted_recordings", lambda train: training)
    monkeypatch.setattr(prosody_ways, "Ways", Fake)
    monkeypatch.setattr(prosody_ways, "_measured", lambda *_: (measured(), []))
    result = json.loads(json.dumps(prosody_ways.run(True)))
    rows = {(row["system"], row["statistic"]): row for row in result["rows"]}
    slope = f"correlation, {prosody_ways.F0_SLOPE}"
    assert rows[prosody_ways.DEFAULT, slope]["value"] == pytest.approx(1)
    assert rows[prosody_ways.MODEL, slope]["value"] == pytest.approx(-1)
    assert rows[TTS, slope]["value"] is None
    assert "constant" in rows[TTS, slope]["reason"]
    assert rows[SOURCE, "recall"]["value"] == 1
    assert (result["recordings"], result["speakers"], result["chance"]["recall"]) == (12, 4, pytest.approx(1 / 3))
    differences = {(row["system"], row["statistic"]): row["value"] for row in result["differences"]}
    assert differences[prosody_ways.MODEL, slope] == pytest.approx(-2)
    assert differences[prosody_ways.STYLE, "WER"] == 0


def test_the_prediction_of_speakers_not_seen_has_an_interval_and_leaves_out_a_constant():
    class Exact:
        def predict(self, content, voice):
            return np.stack([content[PITCH_CHANNEL], content[-3]])

    examples = [planted(name, 1.0, seed) for seed, name in enumerate("aabb")]
    constant = prosody_model.Example("a", content_of(np.full(9, 5.0), np.arange(9) / 9), voice_of(1))
    with np.errstate(invalid="ignore"):
        found = prosody_ways.held_out_rows([*examples, constant], dict.fromkeys("ab", Exact()))
    assert found["log-F0"]["n"] == 4
    assert found["log-F0"]["value"] == pytest.approx(1)
