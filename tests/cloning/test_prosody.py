from dataclasses import replace

import numpy as np
import pytest
from cloning_stages import HZ, PLAIN, Turning, pipeline
from helpers import spoken, voiced

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.pitch import Movement
from thesis_lib.audio.prosody import loudness_variation, with_loudness_variation
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning.prosody import (
    MAX_SPEED,
    MIN_SPEED,
    NEUTRAL_LOG_F0_STD,
    NEUTRAL_LOUDNESS_VARIATION,
    Prosody,
    limited_speed,
    speaking_rate_of,
    strengthened,
    styled,
)
from thesis_lib.cloning.segments import TranslatedSegment
from thesis_lib.cloning.speaker import between
from thesis_lib.cloning.voices import voice_rate
from thesis_lib.vocoder.content import phonetic_states
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


def changed(**changes):
    return PLAIN.model_copy(update=changes)


def test_the_loudness_variation_of_the_source_is_given_to_the_output(stages, monkeypatch):
    """The vocoder is replaced by one that returns speech, because an untrained one returns a steady noise."""
    monkeypatch.setattr(Vocoder, "render", lambda self, wav, *given: spoken(3, side="en"))
    varied = with_loudness_variation(spoken(0), HZ, 0.85)
    found = {}
    for name, source in (("as recorded", spoken(0)), ("varied", varied)):
        result = pipeline(stages)(source, HZ, text="hello my friend")
        found[name] = loudness_variation(result.segments[0].wav, HZ)
        assert found[name] == pytest.approx(result.speaker.prosody.loudness_variation, abs=0.05)
    assert found["varied"] > found["as recorded"] + 0.04
    plain = pipeline(stages, changed(follow_dynamics=False))(varied, HZ, text="hello my friend")
    assert loudness_variation(plain.segments[0].wav, HZ) == pytest.approx(
        loudness_variation(spoken(3, side="en"), HZ), abs=0.01
    )


def at_rate(stages, rate, **changes):
    """A pipeline for which every recording has that speaking rate."""
    return pipeline(stages, changed(**changes), Turning(rate))


def speed(made, wav: np.ndarray) -> float:
    """The speed relative to the average voice, for a recording (N,) at RATE with a given English text."""
    speaker = made.analyse_speaker(list(speech_segments([spoken(0)], HZ)))
    list(made.synthesise(made.from_text("hello my friend", [Segment(0.0, len(wav) / RATE, wav)]), speaker))
    text, voice, given = made.synthesizer.said[-1]
    return given * voice_rate(voice, text)


@pytest.mark.parametrize(("follow", "rate"), [(True, 0.8), (True, 1.2), (False, 1.2)])
def test_the_output_is_as_fast_as_the_source(stages, follow, rate):
    made, wav = at_rate(stages, rate, follow_rate=follow), spoken(1, RATE)
    measured = made.analyser.speaking_rate(wav)
    assert measured == pytest.approx(rate, abs=0.02)
    assert speed(made, wav) == pytest.approx(limited_speed(measured) if follow else 1.0)


def test_the_content_of_a_segment_is_spoken_at_its_rate_without_conversion(stages):
    made, wav = at_rate(stages, 1.2), spoken(1, RATE)
    speaker = made.analyse_speaker(list(speech_segments([spoken(0)], HZ)))
    (translated,) = made.from_text("hello my friend", [Segment(0.0, len(wav) / RATE, wav)])
    whole = made.synthesise_one(translated, speaker)
    np.testing.assert_array_equal(made.content(translated, speaker), whole.content)
    assert made.synthesizer.said[0] == made.synthesizer.said[1]


def test_the_rate_is_measured_in_the_first_20_seconds_once(stages):
    made, wav = at_rate(stages, 1.1), np.tile(spoken(0, RATE), 30)[: 30 * RATE]
    (translated,) = made.from_text("hello my friend", [Segment(0.0, 30.0, wav)])
    speaker = made.analyse_speaker(list(speech_segments([spoken(0)], HZ)))
    made.analyser.phonetic_states.given.clear()
    made.synthesise_one(translated, speaker)
    assert made.analyser.phonetic_states.given == [20.0]


def test_the_rate_is_not_measured_where_the_english_is_recorded(stages):
    made, segments = at_rate(stages, 1.2), list(speech_segments([spoken(0)], HZ))
    (translated,) = made.from_text("hello my friend", segments)
    speaker = made.analyse_speaker(segments)
    made.analyser.phonetic_states.given.clear()
    made.synthesise_one(replace(translated, spoken=spoken(3, RATE, side="en")), speaker)
    assert made.analyser.phonetic_states.given == []


def test_live_speech_has_its_rate(stages):
    made = at_rate(stages, 1.2)
    list(made.live([spoken(0, RATE)], RATE))
    text, voice, given = made.synthesizer.said[0]
    assert given * voice_rate(voice, text) == pytest.approx(limited_speed(1.2), abs=0.02)


def test_every_segment_has_its_rate_and_a_copy_of_the_pipeline_measures_it_too(stages):
    made = at_rate(stages, 1.2)
    assert made.copy_with(config=made.config).analyser.phonetic_states is made.analyser.phonetic_states
    slow, fast = spoken(1, RATE), spoken(2, RATE)
    at_slow, at_fast = made.analyser.phonetic_states, Turning(1.5)
    made.analyser.phonetic_states = lambda wav, rate: (at_fast if len(wav) == len(fast) else at_slow)(wav, rate)
    assert speed(made, fast) > speed(made, slow)


def test_without_an_encoder_and_in_silence_the_rate_is_average(stages):
    assert speed(pipeline(stages), spoken(1, RATE)) == pytest.approx(1.0)
    made = at_rate(stages, 1.2)
    assert made.analyser.speaking_rate(np.zeros(2 * RATE, np.float32)) is None

    def inaudible(wav, sample_rate):
        raise AudioError("inaudible", "speech", "name another recording")

    made.analyser.phonetic_states = inaudible
    assert speed(made, spoken(1, RATE)) == pytest.approx(1.0)


@pytest.mark.weights("whisper-tiny.en")
def test_the_rate_of_the_bundled_voices_is_about_1():
    wavs = [spoken(number, RATE) for number in range(12)]
    rates = [speaking_rate_of(phonetic_states(wav, RATE), wav) for wav in wavs]
    assert np.median(rates) == pytest.approx(1.0, abs=0.08)


def test_the_synthesizer_keeps_within_its_limits_whatever_the_rate_of_its_voice(stages, monkeypatch):
    made, wav = pipeline(stages), spoken(0, RATE)
    for rate, given in ((0.5, MAX_SPEED), (2.0, MIN_SPEED)):
        monkeypatch.setattr("thesis_lib.cloning.pipeline.voice_rate", lambda *given, rate=rate: rate)
        speed(made, wav)
        assert made.synthesizer.said[-1][2] == given


def test_a_limited_speed_keeps_the_order_and_the_speeds_near_1():
    relative = np.geomspace(0.4, 2.5, 101)
    limited = np.array([limited_speed(x) for x in relative])
    assert (np.diff(limited) > 0).all()
    assert limited[0] > MIN_SPEED
    assert limited[-1] < MAX_SPEED
    near = abs(np.log(relative)) < 0.06
    assert limited[near] == pytest.approx(relative[near], abs=0.003)
    assert limited_speed(1.0) == 1.0
    assert [limited_speed(x) for x in (MIN_SPEED, MAX_SPEED)] == pytest.approx([0.762, 1.185], abs=1e-3)


def test_the_rate_of_another_style_is_relative_to_the_source(stages):
    made, segments = pipeline(stages), list(speech_segments([spoken(0)], HZ))
    made.analyser.speaking_rate = lambda wav: 1.0
    (translated,) = made.from_text("hello my friend", segments)
    speaker = made.analyse_speaker(segments)
    faster = replace(speaker.prosody, speaking_rate=1.1 * speaker.prosody.speaking_rate)
    target = replace(speaker, prosody=speaker.prosody.mixed_with(faster, 1.0))
    for said in (speaker, target):
        list(made.synthesise([translated], said))
    speeds = [given * voice_rate(voice, text) for text, voice, given in made.synthesizer.said]
    assert speeds == pytest.approx([1.0, limited_speed(1.1)])


@pytest.mark.parametrize(("share", "variation", "relative"), [(0.0, 0.5, 1.0), (0.5, 0.6, 2**0.5), (1.0, 0.7, 2.0)])
def test_prosody_is_interpolated(share, variation, relative):
    mixed = Prosody(0.5, 4.0).mixed_with(Prosody(0.7, 8.0), share)
    assert mixed.loudness_variation == pytest.approx(variation)
    assert mixed.relative_rate == pytest.approx(relative)
    assert mixed.speaking_rate == 4.0


def test_what_is_not_measured_changes_nothing():
    assert Prosody().mixed_with(Prosody(), 1.0) == Prosody()
    assert Prosody(0.5, 4.0).mixed_with(Prosody(), 1.0) == Prosody(0.5, 4.0)
    assert strengthened(None, 0.5, 2.0) is None


def test_strength_by_hand():
    assert [strengthened(0.4, 0.2, strength) for strength in (0, 1, 2)] == [0.2, 0.4, pytest.approx(0.8)]
    mean, voice = np.zeros(2, np.float32), Voice(np.ones(3), np.array([1.0, -1.0]), 5.0, 0.36, Movement((0.1,), 0.5))
    assert styled(voice, mean, 1.0) is voice
    neutral, double = styled(voice, mean, 0.0), styled(voice, mean, 2.0)
    assert (neutral.emotion == mean).all()
    assert double.emotion == pytest.approx([2.0, -2.0])
    assert (neutral.log_f0_std, double.log_f0_std) == (NEUTRAL_LOG_F0_STD, pytest.approx(4 * NEUTRAL_LOG_F0_STD))
    assert (double.speaker is voice.speaker, double.log_f0_median) == (True, 5.0)
    assert (neutral.movement.share, double.movement.share) == (0.0, 1.0)
    assert styled(replace(voice, movement=None), mean, 2.0).movement is None


def test_the_strength_acts_on_rate_dynamics_and_embedding(stages, monkeypatch):
    seen, wav = [], spoken(3, side="en")
    monkeypatch.setattr(Vocoder, "render", lambda self, content, voice, *given: seen.append(voice) or wav)
    varied = with_loudness_variation(spoken(0), HZ, 0.75)
    variations, speeds = [], []
    for strength in (0.0, 1.0):
        made = at_rate(stages, 0.85, style_strength=strength)
        variations.append(loudness_variation(made(varied, HZ).segments[0].wav, HZ))
        text, voice, speed = made.synthesizer.said[0]
        speeds.append(speed * voice_rate(voice, text))
    assert variations[0] < variations[1] - 0.05
    assert speeds[0] == pytest.approx(1.0)
    assert speeds[1] < 0.95
    assert seen[0].emotion == pytest.approx(stages[2].mean_emotion)
    assert not np.allclose(seen[1].emotion, seen[0].emotion)


def test_a_whisper_has_a_neutral_style_with_a_warning(stages):
    """Noise with the envelope of speech: loud enough for a voice activity detector, without a pitch."""
    envelope = np.abs(spoken(0, RATE))
    smooth = np.convolve(envelope, np.ones(160) / 160, "same")
    wav = (smooth * np.random.default_rng(0).normal(size=len(smooth))).astype(np.float32)
    made = pipeline(stages)
    segments = list(speech_segments([spoken(0, RATE)], RATE))
    speaker = made.analyse_speaker([replace(segments[0], wav=wav)], "whisper.wav")
    assert speaker.voice.log_f0_median is None
    assert "whisper.wav: no voiced speech, as in a whisper: the speaking style is neutral" in "\n".join(
        speaker.warnings
    )
    assert speaker.voice.emotion == pytest.approx(stages[2].mean_emotion)
    assert (speaker.voice.log_f0_std, speaker.prosody) == (NEUTRAL_LOG_F0_STD, Prosody(NEUTRAL_LOUDNESS_VARIATION))
    assert np.isfinite(
        made.synthesise_one(TranslatedSegment(segments[0], "hola", "hello my friend"), speaker).wav
    ).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_neutral_style_is_mixed_like_any_other(stages, share):
    """A short source keeps its neutral style at share 0, and a short recording of a style gives a neutral one at 1."""
    made = pipeline(stages)
    short = made.analyse_speaker([Segment(0, 0.9, voiced(0.9, RATE))], "short.wav").voice
    long = made.analyse_speaker(list(speech_segments([spoken(0, RATE)], RATE)), "long.wav").voice
    for own, style in ((short, long), (long, short)):
        assert between(own, style, share).emotion == pytest.approx((1 - share) * own.emotion + share * style.emotion)


@pytest.mark.parametrize(("seconds", "is_neutral"), [(0.9, True), (1.1, False)])
def test_less_than_a_second_has_a_neutral_style_but_the_pitch_level(stages, seconds, is_neutral):
    speaker = pipeline(stages).analyse_speaker([Segment(0, seconds, voiced(seconds, RATE))], "short.wav")
    assert speaker.voice.log_f0_median is not None
    assert np.allclose(speaker.voice.emotion, stages[2].mean_emotion) == is_neutral
    assert (speaker.voice.log_f0_std == NEUTRAL_LOG_F0_STD) == is_neutral
    assert any("only 0.9 s of speech" in warning for warning in speaker.warnings) == is_neutral
