import json
from concurrent.futures import ThreadPoolExecutor

import huggingface_hub
import numpy as np
import pytest
from cloning_stages import HZ
from helpers import spoken, voiced

from thesis_lib import pretrained
from thesis_lib.audio.files import resample
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.readings import unfinished_sentence
from thesis_lib.cloning.translation import (
    TransformersTranslator,
    TranslationError,
    WhisperTranslator,
    translated_speech,
    translator,
)
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained.whisper import Recognised, Whisper
from thesis_lib.validation.metrics import word_errors
from thesis_lib.vocoder.checkpoints import CheckpointError


class SubstituteWhisper:
    """Substitute for Whisper: returns a given language, and records its calls."""

    name = "whisper"

    def __init__(self, sounds="es", probability=0.9):
        self.sounds, self.probability, self.asked, self.identified = sounds, probability, [], 0

    def __call__(self, wav, sample_rate, language=None, task="transcribe", beams=5, context=""):
        self.asked.append((language, task, context))
        if task == "translate":
            return Recognised("hello", "en", 1.0)
        return Recognised("hola" if language == "es" else "bonjour", language, 1.0)

    def language(self, wav, sample_rate):
        self.identified += 1
        return self.sounds, self.probability


def test_language_transcript_and_translation_in_two_calls():
    whisper = SubstituteWhisper()
    found = WhisperTranslator(whisper)(voiced(1.0), 22_050, "Good evening.")
    assert (found.transcript, found.english, found.language, found.is_foreign) == ("hola", "hello", "es", False)
    assert whisper.asked == [("es", "transcribe", ""), ("es", "translate", "Good evening.")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("The train was late.", ""),
        ("Is it? Yes! The train, which", "The train, which"),
        ("It cost 3.5 million, and", "It cost 3.5 million, and"),
        ("He waited. And then...", "And then..."),
        ("And then… it came", "And then… it came"),
        ("It rained. I went to see Dr. Smith and then", "I went to see Dr. Smith and then"),
        ("It rained. We met Sr. García at 5 p.m. in the U.S. and", "We met Sr. García at 5 p.m. in the U.S. and"),
        ("It is No. 5 and J. Smith", "It is No. 5 and J. Smith"),
        ('He said: "Go away."', ""),
        ("", ""),
    ],
)
def test_only_an_unfinished_sentence_is_context(text, left):
    assert unfinished_sentence(text) == left


def test_the_transcript_can_be_left_out():
    whisper = SubstituteWhisper()
    found = WhisperTranslator(whisper)(voiced(1.0), 22_050, transcribe=False)
    assert (found.transcript, found.english, found.language_probability) == ("", "hello", 0.9)
    assert whisper.asked == [("es", "translate", "")]


def test_the_language_of_the_last_segments_is_identified_once():
    whisper, wavs = SubstituteWhisper(), [voiced(1.0), voiced(1.2)]
    made = WhisperTranslator(whisper)
    for wav in wavs:
        made.language(wav, 16_000)
    for wav in wavs:
        made(wav, 16_000)
    assert whisper.identified == len(wavs)


@pytest.mark.parametrize(("probability", "foreign"), [(0.9, True), (0.3, False)])
def test_another_language_is_transcribed_as_spanish_and_reported(probability, foreign):
    found = WhisperTranslator(SubstituteWhisper("fr", probability))(voiced(1.0), 22_050)
    assert (found.transcript, found.english, found.language, found.is_foreign) == ("hola", "hello", "fr", foreign)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("whisper-tiny.en", "does not translate"),
        ("ecapa", "does not translate"),
        ("no such thing", "no translator named"),
    ],
)
def test_what_does_not_translate_is_refused(name, says):
    with pytest.raises(TranslationError, match=says):
        translator(name)


def test_a_repository_needs_the_hub(monkeypatch):
    monkeypatch.setattr(pretrained, "hub_reachable", lambda: False)
    with pytest.raises(CheckpointError, match="out of reach"):
        translator("owner/model")


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory):
    """A published layout with random weights: what transformers' own save_pretrained writes."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

    import thesis_lib  # noqa: F401 - its torchaudio finder, before transformers looks for it

    folder = tmp_path_factory.mktemp("whisper")
    letters = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)]]
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|es|>", "<|translate|>", "<|transcribe|>",
               "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
    vocabulary = {token: number for number, token in enumerate(letters + special)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8).save_pretrained(folder)
    ids = {name: vocabulary[name] for name in special}
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(vocabulary), num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
            max_target_positions=32, bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|endoftext|>"],
            pad_token_id=ids["<|endoftext|>"], decoder_start_token_id=ids["<|startoftranscript|>"],
            suppress_tokens=[], begin_suppress_tokens=[],
        )
    )  # fmt: skip
    generation = model.generation_config
    generation.lang_to_id = {"<|es|>": ids["<|es|>"], "<|en|>": ids["<|en|>"]}
    generation.task_to_id = {"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]}
    generation.is_multilingual, generation.no_timestamps_token_id = True, ids["<|notimestamps|>"]
    generation.max_length, generation._from_model_config = 16, False  # a published one stands by itself
    model.save_pretrained(folder)
    return folder


def test_a_transformers_model_by_its_folder(tiny_whisper, monkeypatch):
    made = translator(str(tiny_whisper))
    assert isinstance(made, TransformersTranslator)
    asked = {}
    generate = made._model.generate
    monkeypatch.setattr(made._model, "generate", lambda **options: asked.update(options) or generate(**options))
    found = made(spoken(0), 22_050)
    assert isinstance(found.english, str)
    assert (found.transcript, found.is_foreign) == ("", False)
    assert (asked["language"], asked["task"]) == ("es", "translate")


def test_a_model_of_the_hub_is_loaded_from_its_folder(tiny_whisper, monkeypatch):
    asked = {}

    def snapshot_download(repo_id, revision, allow_patterns):
        asked.update(repository=repo_id, revision=revision, patterns=allow_patterns)
        return str(tiny_whisper)

    monkeypatch.setattr(pretrained, "hub_reachable", lambda: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert translator("owner/model@abc123").name == "owner/model@abc123"
    assert (asked["repository"], asked["revision"]) == ("owner/model", "abc123")
    assert not [
        pattern for pattern in asked["patterns"] if pattern.endswith((".py", ".bin")) and pattern != "model.bin"
    ]


def test_pickled_weights_are_refused(tiny_whisper, tmp_path):
    for path in tiny_whisper.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(TranslationError, match="safetensors"):
        translator(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TranslationError, match="speech-to-text model"):
        translator(str(tmp_path / "empty"))


@pytest.mark.weights("whisper-base")
def test_a_folder_with_a_ctranslate2_model_is_whisper():
    made = translator(str(pretrained.fetch("whisper-base")))
    assert isinstance(made, WhisperTranslator)
    assert made(spoken(0), 22_050).language == "es"


@pytest.mark.weights("whisper-base")
def test_one_encoder_pass_serves_all_three_and_a_brief_one_recognises_as_well(monkeypatch):
    whisper = Whisper(brief=True)
    passes = []
    encode = type(whisper._model).__mro__[1].encode
    monkeypatch.setattr(
        type(whisper._model).__mro__[1], "encode", lambda self, x: passes.append(x.shape[-1]) or encode(self, x)
    )
    row = mini.table(CorpusConfig(name="mini")).iloc[0]
    wav = spoken(0)
    found = WhisperTranslator(whisper)(wav, 22_050)
    assert whisper.language(wav, 22_050) == (found.language, pytest.approx(found.language_probability, abs=1e-4))
    assert len(passes) == 1
    assert passes[0] < 100 * (len(wav) / 22_050 + 4.1)
    errors, words = word_errors(found.transcript, row.es, "es")
    assert errors / words < 0.3
    full = WhisperTranslator(Whisper())(wav, 22_050)
    assert passes[-1] == 3000
    assert len(set(found.english.lower().split()) & set(full.english.lower().split())) >= 3
    assert np.isfinite(found.language_probability)


@pytest.mark.weights("whisper-base")
def test_a_language_that_is_identified_before_costs_no_encoder_pass(monkeypatch):
    made = WhisperTranslator(Whisper(brief=True))
    network, passes = type(made._whisper._model), []
    encode = network.__mro__[1].encode
    monkeypatch.setattr(network.__mro__[1], "encode", lambda self, x: passes.append(x.shape[-1]) or encode(self, x))
    wavs = [spoken(number) for number in range(3)]
    segments = [Segment(0.0, len(wav) / HZ, resample(wav, HZ, RATE)) for wav in wavs]
    assert translated_speech(segments, made, "auto") == segments
    assert len(passes) == 3
    fresh = WhisperTranslator(Whisper(brief=True))
    for segment in segments:
        assert made(segment.wav, RATE) == fresh(segment.wav, RATE)
    assert len(passes) == 6, "three of the translator that has identified no language"
    monkeypatch.setattr("thesis_lib.pretrained.whisper.MAX_CACHED_FRAMES", 2 * passes[0])
    made.language(spoken(4), HZ)
    assert len(made._whisper._model._kept) < 3, "memory does not grow with the recording"


@pytest.mark.weights("whisper-base")
def test_parallel_calls_recognise_the_same_as_single_calls():
    whisper = Whisper(threads=1, workers=2)
    wavs = [spoken(number) for number in range(4)]
    alone = [whisper(wav, 22_050, language="es", beams=1).text for wav in wavs]
    with ThreadPoolExecutor(4) as pool:
        recognised = list(pool.map(lambda wav: whisper(wav, 22_050, language="es", beams=1).text, wavs))
    assert recognised == alone
    assert len(set(alone)) == 4
