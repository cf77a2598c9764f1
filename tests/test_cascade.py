import numpy as np
import pytest
from conftest import voiced

from thesis_lib.asr import Heard, Whisper
from thesis_lib.audio import AudioError, write_audio
from thesis_lib.cascade import VoiceCloningPipeline, build, clone_examples, clone_file
from thesis_lib.config import EncoderConfig
from thesis_lib.corpora import mini
from thesis_lib.encoders import emotion_encoder, speaker_encoder
from thesis_lib.metrics import word_errors
from thesis_lib.runs import RunError
from thesis_lib.training import train
from thesis_lib.tts import KokoroSynthesizer, SpeechError


class Translator:
    """Stands for Whisper: hears what it is told to hear."""

    def __init__(self, language="es", probability=0.9, text="hola", english="hello"):
        self.heard = Heard(text, language, probability)
        self.english = english

    def __call__(self, wav, sample_rate, language=None, task="transcribe"):
        return Heard(self.english, "en", 1.0) if task == "translate" else self.heard


class Synthesizer:
    """Stands for Kokoro: a buzz as long as the text."""

    sample_rate = 24_000

    def __call__(self, text, voice):
        self.said = text
        return voiced(0.2 * len(text), 24_000)


@pytest.fixture(scope="module")
def stages(tiny_run):
    config = EncoderConfig(speaker="tiny-test", emotion="egemaps")
    return speaker_encoder(config), emotion_encoder(config), train(tiny_run, "conversion")


def pipeline(stages, **hears) -> VoiceCloningPipeline:
    speaker, emotion, vocoder = stages
    return VoiceCloningPipeline(Translator(**hears), Synthesizer(), speaker, emotion, vocoder, "af_heart")


def test_stages_in_order_and_similarities_measured(stages):
    said = []
    result = pipeline(stages)(voiced(2.0), 22_050, say=said.append)
    assert said == ["listening", "translating", "speaking", "rendering in the source's voice"]
    assert (result.transcript, result.translation) == ("hola", "hello")
    assert len(result.wav) == len(result.content) == 22_050
    assert -1 <= result.similarity_before <= 1
    assert result.similarity_before != result.similarity_after
    assert result.encoder == "tiny-test-encoder"


def test_given_text_is_spoken_instead(stages):
    made = pipeline(stages)
    assert made(voiced(2.0), 22_050, text="other words").translation == "other words"
    assert made.synthesizer.said == "other words"


def test_the_source_conditions_the_rendering(stages):
    made = pipeline(stages)
    seen = []
    made.vocoder = type("Spy", (), {"sample_rate": 22_050, "meta": made.vocoder.meta, "audio": made.vocoder.audio})()
    made.vocoder.render = lambda wav, voice, guidance: seen.append((voice, guidance)) or wav
    for f0 in (100, 200):
        made(voiced(1.0, f0=f0), 22_050, guidance=1.5)
    (low, guidance), (high, _) = seen
    assert guidance == 1.5
    assert not np.allclose(low.speaker, high.speaker)
    assert not np.allclose(low.emotion, high.emotion)
    assert high.pitch_level - low.pitch_level == pytest.approx(np.log(2), abs=0.02)


@pytest.mark.parametrize(
    ("hears", "wav", "says"),
    [
        ({"language": "fr"}, voiced(1.0), "language 'fr'"),
        ({"text": " "}, voiced(1.0), "no words were heard"),
        ({"english": ""}, voiced(1.0), "no translation"),
        ({}, np.zeros(22_050, np.float32), "silence"),
        ({}, voiced(31.0), "too long"),
        ({}, voiced(0.05), "too short"),
    ],
)
def test_unusable_input_is_one_clear_error(stages, hears, wav, says):
    with pytest.raises(AudioError, match=says) as caught:
        pipeline(stages, **hears)(wav, 22_050, source="voz.wav")
    assert "voz.wav" in str(caught.value)


def test_an_unsure_guess_of_the_language_is_taken_as_spanish(stages):
    assert pipeline(stages, language="gl", probability=0.3)(voiced(1.0), 22_050).transcript == "hola"


def test_encoders_must_fit_the_vocoder(stages):
    speaker, _, vocoder = stages
    with pytest.raises(RunError, match="sizes"):
        VoiceCloningPipeline(Translator(), Synthesizer(), speaker, speaker, vocoder, "af_heart")


@pytest.mark.parametrize(
    ("rate", "channels", "suffix"), [(8_000, 1, ".wav"), (96_000, 2, ".flac"), (44_100, 2, ".mp3")]
)
def test_any_file(stages, tmp_path, rate, channels, suffix):
    wav = voiced(1.0, rate)
    path = tmp_path / f"voz{suffix}"
    write_audio(path, np.stack([wav] * channels, 1) if channels > 1 else wav, rate)
    assert clone_file(pipeline(stages), path, say=lambda stage: None).translation == "hello"


@pytest.mark.slow
@pytest.mark.weights("whisper-base", "kokoro", "kokoro-voices", "whisper-tiny.en")
def test_the_real_pipeline_says_what_was_said(tiny_run, tmp_path):
    """Spanish of a bundled test voice through real Whisper and Kokoro; the English is understood by Whisper."""
    table = clone_examples(tiny_run)
    row = table.iloc[0]
    errors, words = word_errors(row.transcript, row.source_text, "es")
    assert errors / words < 0.4
    pair = next(r for r in mini.table(tiny_run.config.corpus).itertuples() if r.id in row.id)
    assert pair.en == row.reference or pair.en.lower().startswith(row.reference.split()[0])
    content = tiny_run.path / "samples" / "clone_0_content.mp3"
    from thesis_lib.audio import read_audio

    heard = Whisper("whisper-tiny.en")(*read_audio(content), language="en").text
    errors, words = word_errors(heard, row.translation)
    assert errors / words < 0.3


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


@pytest.mark.slow
@pytest.mark.weights("ecapa", "kokoro", "kokoro-voices", "whisper-base")
def test_before_anyone_trains_the_package_s_weights_serve():
    made = build()
    assert made.vocoder.name == "default"
    assert made.vocoder.converts
    assert (made.speaker_encoder.name, made.emotion_encoder.name) == ("ecapa", "egemaps")
