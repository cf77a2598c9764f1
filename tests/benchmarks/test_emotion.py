"""The benchmark of emotion and prosody on data with a known answer."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from helpers import voiced

from benchmarks import contours, emotion
from thesis_lib.audio.files import resample, write_audio
from thesis_lib.audio.loudness import loudness
from thesis_lib.audio.pitch import PitchError, track
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.config import AudioConfig, CloningConfig
from thesis_lib.utils.errors import MetricError
from thesis_lib.vocoder.voice import Voice


def test_a_folder_of_speakers_is_read(tmp_path, monkeypatch):
    for name in ("ana/anger_1.wav", "ana/joy_2.wav", "luis/anger_1.wav"):
        write_audio(tmp_path / name, voiced(), 22_050)
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    found = emotion.acted_recordings()
    assert list(zip(found.speaker, found.emotion, strict=True)) == [("ana", "anger"), ("ana", "joy"), ("luis", "anger")]
    table = "path\tspeaker\temotion\tuse\nana/anger_1.wav\tx\tfear\ttrain\nana/joy_2.wav\tx\tjoy\tmeasure only\n"
    (tmp_path / "utterances.tsv").write_text(table)
    assert list(emotion.acted_recordings().emotion) == ["joy"]
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path / "luis"))
    with pytest.raises(SystemExit, match="neither"):
        emotion.acted_recordings()
    monkeypatch.delenv("THESIS_EMOTIONS")
    with pytest.raises(SystemExit, match="THESIS_EMOTIONS"):
        emotion.acted_recordings()


def test_a_speaker_has_one_text():
    table = pd.DataFrame({"speaker": ["b", "a", "a", "c", "b"]})
    assert emotion.texts_of(table) == dict(zip("abc", emotion.TEXTS, strict=False))


LOW, HIGH = np.log(120.0), np.log(240.0)


@pytest.fixture(scope="module")
def glide():
    """Two seconds of seven harmonics; log-F0 rises linearly from LOW to HIGH."""
    phase = 2 * np.pi * np.cumsum(np.exp(np.linspace(LOW, HIGH, 2 * RATE))) / RATE
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, 8))


@pytest.mark.parametrize("by_harvest", [False, True])
def test_f0_standard_deviation_by_hand(glide, by_harvest):
    """From the 16th to the 84th percentile are 0.68 of the glide's range."""
    assert emotion.world_log_f0_std(glide, by_harvest) == pytest.approx(0.34 * (HIGH - LOW), rel=0.1)
    assert emotion.world_log_f0_std(voiced(2.0, RATE), by_harvest) < 0.02
    with pytest.raises(MetricError, match="voiced frames by WORLD"):
        emotion.world_log_f0_std(np.zeros(RATE, np.float32), by_harvest)


def test_the_two_trackers_are_different_ones(glide):
    by_dio, by_harvest = (contours.world_log_f0(glide, which)[1] for which in (False, True))
    assert not np.array_equal(by_dio, by_harvest)


def test_a_difference_is_of_the_first_system_of_a_pair_minus_the_second():
    values = {"ours": 0.4, "TTS": 0.3, "own words": 0.9, "own words, flat": 0.5, emotion.MEAN_EMOTION: 0.5}
    values |= {emotion.MOVED: 0.35, emotion.WITHOUT_RATE: 0.4}
    statistics = {name: {"recall": lambda rows, value=value: value} for name, value in values.items()}
    one = pd.DataFrame({"speaker": list("aabb"), "text": list("ttss")})
    rows = emotion.differences_of_pairs(statistics, one)
    found = {(row["system"], row["against"]): row["value"] for row in rows}
    assert list(found) == list(emotion.PAIRS)
    assert found["ours", "TTS"] == pytest.approx(0.1)
    assert found["own words", "own words, flat"] == pytest.approx(0.4)
    assert found["ours", emotion.MEAN_EMOTION] == pytest.approx(-0.1)


def test_the_flat_control_has_one_f0_and_one_energy():
    """The words' own channels and the energy of pauses stay."""
    content = np.random.default_rng(0).normal(size=(1, 7, 40)).astype(np.float32)
    content[0, -1], content[0, -3] = 1.0, np.linspace(-1.0, 1.0, 40)
    content[0, -3, :10] = -9.0  # a pause

    class Fake:
        mean_emotion = np.ones(3, np.float32)

        def features(self, wav, log_f0_median, log_f0_std):
            assert (log_f0_median, log_f0_std) == (5.0, 0.2)
            return content.copy()

    (own, kept, voice), (flat, found, neutral) = emotion.own_words(
        Fake(), np.zeros(0), Voice(np.zeros(2), np.zeros(3), 5.0, 0.2)
    )
    assert (own, flat) == (emotion.RESYNTHESIS, emotion.FLAT)
    assert (kept == content).all()
    assert (voice.emotion.sum(), neutral.emotion.sum()) == (0, 3)
    assert np.ptp(found[0, -2]) == 0
    assert np.ptp(found[0, -3, 20:]) == 0
    assert (found[0, -3, :10] == -9).all()
    assert (found[0, :4] == content[0, :4]).all()


def test_the_trivial_system_has_the_f0_median_and_the_loudness_of_the_source(glide):
    audio = AudioConfig()
    rate = audio.sample_rate
    spoken, source = resample(0.05 * glide, RATE, rate), voiced(2.0, RATE)
    wanted = track(resample(source, RATE, rate), audio).range.log_f0_median
    found = emotion.trivially_moved(spoken, source, Voice(log_f0_median=wanted), audio)
    assert len(found) == pytest.approx(len(spoken), abs=rate // 100)
    assert track(found, audio).range.log_f0_median == pytest.approx(wanted, abs=0.02)
    assert loudness(found, rate) == pytest.approx(loudness(source, RATE), abs=0.5)
    assert loudness(spoken, rate) < loudness(source, RATE) - 3
    with pytest.raises(PitchError, match="not voiced"):
        emotion.trivially_moved(spoken, source, Voice(), audio)


class FakePipeline:
    """Synthesises the number of the configuration's changes, and records which emotion each variant received."""

    sample_rate = RATE

    def __init__(self, config, received):
        self.config, self.received = config, received
        audio = AudioConfig(sample_rate=RATE)
        self.vocoder = SimpleNamespace(mean_emotion=np.full(3, 7.0), sample_rate=RATE, audio=audio)

    def analyse_speaker(self, segments, name):
        return Speaker(Voice(np.zeros(2, np.float32), np.zeros(3, np.float32), 5.0, 0.2))

    def copy_with(self, config):
        return FakePipeline(config, self.received)

    def from_text(self, text, segments, name):
        return [text]

    def synthesise(self, translated, speaker):
        self.received.append((self.config.follow_rate, self.config.follow_dynamics, speaker.voice.emotion.tolist()))
        number = float(len(self.received))
        yield SimpleNamespace(wav=np.full(4, number))


class FakeKokoro(NamedTuple):
    config: CloningConfig

    def content(self, translated, speaker):
        assert not self.config.follow_rate
        return np.full(4, -10.0)


def test_each_variant_receives_its_configuration_and_voice(monkeypatch):
    monkeypatch.setattr(emotion, "own_words", lambda vocoder, wav, voice: [])
    monkeypatch.setattr(emotion, "trivially_moved", lambda wav, source, voice, audio: wav - 100)
    monkeypatch.setattr(emotion, "speech_segments", lambda wavs, rate: [SimpleNamespace(wav=wavs[0])])
    monkeypatch.setattr(emotion, "with_kokoros_speech", lambda pipeline: FakeKokoro(pipeline.config))
    received: list[tuple] = []
    found = emotion.outputs(FakePipeline(CloningConfig(), received), np.ones(8), RATE, "text", "name")
    assert received == [(False, False, [0.0] * 3), (True, True, [0.0] * 3), (True, True, [7.0] * 3)]
    values = {system: float(wav[0]) for system, (wav, _) in found.items()}
    assert values == {
        "source": 1.0,
        emotion.WITHOUT_RATE: 1.0,
        "ours": 2.0,
        emotion.MEAN_EMOTION: 3.0,
        "TTS": -10.0,  # Kokoro's own, at its own rate
        emotion.MOVED: -110.0,
    }
