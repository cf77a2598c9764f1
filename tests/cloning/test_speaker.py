import numpy as np
import pytest
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken, voiced

from thesis_lib.audio.pitch import track
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning import (
    average,
    between,
    dominant,
    nearest_voice,
)
from thesis_lib.cloning.speaker import MAX_EMBEDDED_SECONDS
from thesis_lib.cloning.voices import voice_rate
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import speaker_encoder
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


def test_embeddings_and_pitch_come_from_the_speaker(stages, monkeypatch):
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
    assert one.log_f0_median == pytest.approx(pitch.log_f0_median, abs=0.05)
    assert one.log_f0_std == pytest.approx(pitch.log_f0_std, abs=0.05)
    assert one.log_f0_median != other.log_f0_median
    seen.clear()
    pipeline(stages, PLAIN.model_copy(update={"follow_pitch": False}))(spoken(0), HZ)
    assert seen[0][0].log_f0_std is None


class Two:
    """Substitute encoder that separates speakers by their peak amplitude."""

    name, revision, dim, sample_rate = "two", "1", 2, RATE

    def encode(self, wav):
        return np.array([1.0, 0.0] if np.abs(wav).max() > 0.1 else [0.0, 1.0], np.float32)


def test_the_dominant_speaker_is_the_one_who_speaks_most():
    segments = [Segment(0.0, 4.0, voiced(4.0, RATE)), Segment(5.0, 14.0, 0.1 * voiced(9.0, RATE))]
    pieces, others, _ = dominant(segments, Two())
    assert others == pytest.approx(4 / 13, abs=0.02)
    assert max(np.abs(piece).max() for piece in pieces) < 0.1
    alone, none, _ = dominant(segments[:1], Two())
    assert none == 0
    assert sum(map(len, alone)) == len(segments[0].wav)


class TwoInOnePass(Two):
    """The same vectors for the parts of a signal; that of the whole is told by its length, three components."""

    dim = 3

    def __init__(self):
        self.passes = []

    def encode(self, wav):
        return np.array([*super().encode(wav), 0.1], np.float32)

    def encode_parts(self, wav, lengths):
        assert sum(lengths) == len(wav)
        self.passes.append(lengths)
        parts = np.split(wav, np.cumsum(lengths)[:-1])
        return np.stack([np.array([0.0, 0.0, len(wav)], np.float32), *map(self.encode, parts)])


def test_the_search_for_other_speakers_embeds_the_whole_in_the_same_pass():
    loud = [Segment(0.0, 4.0, voiced(4.0, RATE)), Segment(5.0, 14.0, voiced(9.0, RATE))]
    encoder = TwoInOnePass()
    found = dominant(loud, encoder)
    assert found.vector.tolist() == [0.0, 0.0, 13 * RATE]
    assert encoder.passes == [[len(piece) for piece in found.pieces]]
    quiet = Segment(15.0, 19.0, 0.1 * voiced(4.0, RATE))
    assert dominant([*loud, quiet], encoder).vector is None, "the whole is of two speakers"
    clipped = Segment(15.0, 15.5, np.clip(30 * voiced(0.5, RATE), -1, 1))
    assert dominant([*loud, clipped], encoder).vector is None, "a short piece is not compared, and not checked"
    assert dominant(loud[:1], encoder).vector is None, "one piece is not compared"


def test_without_such_a_pass_only_the_pieces_that_are_compared_are_embedded(monkeypatch):
    embedded, encode = [], Two.encode
    monkeypatch.setattr(Two, "encode", lambda self, wav: embedded.append(len(wav)) or encode(self, wav))
    speech = [Segment(0.0, 4.0, voiced(4.0, RATE)), Segment(5.0, 14.0, voiced(9.0, RATE))]
    clipped = Segment(15.0, 15.5, np.clip(30 * voiced(0.5, RATE), -1, 1))
    found = dominant([*speech, clipped], Two())
    assert found.vector is None
    assert embedded == [len(piece) for piece in found.pieces]
    assert sum(embedded) == 13 * RATE


def test_no_pass_is_longer_than_the_speech_that_is_embedded():
    encoder, long = TwoInOnePass(), Segment(0.0, 50.0, voiced(50.0, RATE))
    found = dominant([long], encoder)
    assert found.vector is None, "the embedding is of the first 20 s"
    assert sum(map(sum, encoder.passes)) == len(long.wav)
    assert max(map(sum, encoder.passes)) <= MAX_EMBEDDED_SECONDS * RATE
    assert found.others == 0


@pytest.mark.weights("ecapa")
def test_two_real_voices_are_told_apart_and_one_is_not_split(stages):
    encoder = speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32"))
    rows = mini.table(CorpusConfig(name="mini"))
    voices = list(dict.fromkeys(rows.voice))[:2]
    own, other = (spoken(int(np.flatnonzero(rows.voice == voice)[0]), RATE) for voice in voices)

    def segments(*wavs):
        return [s for number, wav in enumerate(wavs) for s in speech_segments([wav], RATE)]

    assert dominant(segments(own, own), encoder).others == 0
    assert dominant(segments(own, own, other), encoder).others == pytest.approx(
        len(other) / (2 * len(own) + len(other)), abs=0.1
    )


def test_several_recordings_of_a_voice_are_averaged():
    one = Voice(np.array([1.0, 0.0]), np.array([1.0]), 5.0, 0.2)
    voice = average([one, Voice(np.array([0.0, 3.0]), np.array([3.0]), None, 0.4)])
    assert voice.speaker == pytest.approx(np.array([1, 1]) / np.sqrt(2) * 2)
    assert (voice.emotion[0], voice.log_f0_median, voice.log_f0_std) == (2.0, 5.0, pytest.approx(0.3))


@pytest.mark.parametrize(("share", "emotion", "log_f0_std"), [(0.0, 1.0, 0.2), (0.5, 2.0, 0.3), (1.0, 3.0, 0.4)])
def test_speaking_style_is_interpolated(share, emotion, log_f0_std):
    own = Voice(np.ones(2), np.array([1.0]), 5.0, 0.2)
    mixed = between(own, Voice(np.zeros(2), np.array([3.0]), 6.0, 0.4), share)
    assert (mixed.emotion[0], mixed.log_f0_std) == (emotion, pytest.approx(log_f0_std))
    assert (mixed.speaker is own.speaker, mixed.log_f0_median) == (True, 5.0)


def test_the_nearest_voice_is_a_voice_and_its_own_is_nearest():
    from thesis_lib.cloning.voices import _table

    names, units, rates, lengths = _table()
    assert len(names) == len(set(names)) == len(rates) == 28
    assert rates.shape[1] == len(lengths) > 1
    assert [nearest_voice(3 * unit) for unit in units] == names


def test_the_rate_of_a_voice_is_relative_to_the_median_voice():
    from thesis_lib.cloning.voices import _table

    names, _, rates, lengths = _table()
    assert np.median(rates, 0) == pytest.approx(np.ones(len(lengths)), abs=0.02)
    short, long = "a" * round(lengths[0]), "a" * round(lengths[-1])
    assert voice_rate(names[0], short) == pytest.approx(rates[0, 0], rel=0.01)
    assert voice_rate(names[0], long) == voice_rate(names[0], 140 * "a") == pytest.approx(rates[0, -1], rel=0.01)
    between = "a" * round(np.sqrt(lengths[0] * lengths[1]))
    assert voice_rate(names[0], between) == pytest.approx(np.sqrt(rates[0, 0] * rates[0, 1]), rel=0.01)
    assert voice_rate(f"{names[0]}+{names[1]}", short) == pytest.approx(np.sqrt(rates[0, 0] * rates[1, 0]), rel=0.01)
    assert voice_rate("ef_dora", short) == 1.0


def test_a_long_text_has_the_rate_of_its_portions():
    """The synthesizer speaks a text of more than 150 characters sentence by sentence."""
    sentence = "Nobody saw the red fox."
    for voice in ("af_bella", "am_santa"):
        alone, long = voice_rate(voice, sentence), voice_rate(voice, " ".join([sentence] * 8))
        assert long == pytest.approx(alone, rel=1e-3)
        assert abs(long - voice_rate(voice, 150 * "a")) > 0.05
