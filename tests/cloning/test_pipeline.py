import platform
import subprocess
import sys
import threading
import time
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, Synthesizer, Translator, before_analysis, pipeline
from helpers import chords, spoken, voiced

from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.audio.loudness import loudness
from thesis_lib.audio.pitch import track
from thesis_lib.audio.voice_activity import Segment, speech_segments
from thesis_lib.cloning import (
    TranslatedSegment,
    VoiceCloningPipeline,
    build,
    clone_file,
    laid_out,
    split_into_clauses,
)
from thesis_lib.cloning.clauses import clauses
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.pipeline import MIN_PAUSE_SECONDS
from thesis_lib.cloning.translation import Translated
from thesis_lib.cloning.watermark import detect_watermark
from thesis_lib.config import CloningConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.utils import memory
from thesis_lib.utils.parallel import prefetch
from thesis_lib.validation.metrics import word_errors
from thesis_lib.vocoder.description import EncoderMismatchError
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder
from thesis_lib.vocoder.voice import Voice


def test_segments_keep_their_start_times_and_similarities_are_measured(stages, talk):
    made = pipeline(stages)
    result = made(talk, HZ)
    assert result.transcript == "hola amigo hola amigo"
    assert result.translation == "hello my friend hello my friend"
    first, second = result.segments
    segments = list(speech_segments([talk], HZ))
    assert [p.start for p in result.segments] == pytest.approx([s.start for s in segments])
    assert first.end == pytest.approx(first.start + len(first.wav) / result.sample_rate)
    quiet = result.wav[round((first.end + 0.05) * HZ) : round((second.start - 0.05) * HZ)]
    assert not quiet.any()
    assert len(result.wav) == pytest.approx(second.end * HZ, abs=2)
    assert -1 <= result.similarity_before <= 1
    assert -1 <= result.similarity_after <= 1
    assert set(result.seconds) == {"translate", "speak", "render", "finish"}
    assert result.notes == ()
    # The second segment continues the sentence of the first.
    assert made.translator.contexts == ["", "hello my friend"]
    made.translator = Translator(english="Hello, my friend.")
    made(talk, HZ)
    assert made.translator.contexts == ["", ""], "a finished sentence is not given as context"


def test_the_voice_is_analysed_while_the_first_segment_is_translated(stages, talk):
    made, analysing, translating = pipeline(stages), Event(), Event()
    translate = made.translator

    def analyse():
        analysing.set()
        assert translating.wait(20), "the voice is analysed, and the translation has not begun"

    before_analysis(made, analyse)

    def slow(*given):
        translating.set()
        assert analysing.wait(20), "the translation has begun, and the voice is not analysed"
        return translate(*given)

    made.translator = slow
    assert made(talk, HZ).translation == "hello my friend hello my friend"


def test_an_error_of_the_analysis_reaches_the_caller(stages, talk):
    made = pipeline(stages)

    def fail():
        raise ValueError("not analysed")

    before_analysis(made, fail)
    with pytest.raises(ValueError, match="not analysed"):
        made(talk, HZ)


def test_the_similarities_are_computed_when_they_are_read(stages, talk, monkeypatch):
    made, embedded = pipeline(stages), []
    encoder = made.analyser.speaker_encoder
    encode = encoder.encode
    result = made(talk, HZ)
    monkeypatch.setattr(encoder, "encode", lambda wav: embedded.append(len(wav)) or encode(wav))
    similarities = result.similarity_before, result.similarity_after
    assert len(embedded) == 2
    assert (result.similarity_before, result.similarity_after) == similarities
    assert len(embedded) == 2, "each once"


def test_a_long_segment_delays_the_next_one_and_segments_do_not_overlap(stages, talk):
    result = pipeline(stages, english="a sentence that takes a good deal longer than what it translates " * 2)(talk, HZ)
    first, second = result.segments
    assert second.start == pytest.approx(first.end + MIN_PAUSE_SECONDS)


def test_the_output_has_the_loudness_of_the_source(stages):
    loud, quiet = (pipeline(stages)(gain * spoken(0), HZ) for gain in (0.8, 0.08))
    assert loudness(loud.wav, HZ) - loudness(quiet.wav, HZ) == pytest.approx(20, abs=1)


def test_fitted_segments_are_stretched_towards_the_length_of_the_source(stages, talk):
    english = "it is fine today, so we walk to the blue bay."  # 45 characters, 4.5 s
    segments = list(speech_segments([talk], HZ))
    free = pipeline(stages, english=english)(talk, HZ)
    fitted = pipeline(stages, PLAIN.model_copy(update={"fit": True}), english=english)(talk, HZ)
    for made, plain, segment in zip(fitted.segments, free.segments, segments, strict=True):
        wanted = np.clip(segment.duration / (len(plain.content) / HZ), 0.8, 1.25) * len(plain.content)
        assert len(made.wav) == pytest.approx(wanted, abs=2)
        assert len(made.wav) != len(plain.wav)


@pytest.mark.weights("whisper-tiny.en")
def test_a_stretched_rendering_keeps_its_pitch():
    """Longer by a fifth at the same F0; played slower, it would be lower by a fifth too (0.18 in ln F0)."""
    vocoder, wav = Vocoder.from_torch(DEFAULT), spoken(0, side="en")
    plain, longer = (vocoder.render(wav, Voice(), 1.0, stretch) for stretch in (1.0, 1.2))
    assert len(plain) == len(wav)
    assert len(longer) == round(1.2 * len(wav))
    medians = [track(x, vocoder.audio).log_f0_median for x in (plain, longer)]
    assert medians[1] == pytest.approx(medians[0], abs=0.05)
    assert medians[0] == pytest.approx(track(wav, vocoder.audio).log_f0_median, abs=0.1)


def test_given_text_and_a_given_speaker(stages, talk):
    made = pipeline(stages)
    other = made.analyse_speaker(list(speech_segments([spoken(5)], HZ)))
    result = made(talk, HZ, text="good evening", speaker=other)
    assert [said for said, *_ in made.synthesizer.said] == ["good evening"]
    assert result.speaker is other
    assert result.translation == "good evening"
    assert len(result.segments) == 1


@pytest.mark.parametrize(
    ("translated", "wav", "says"),
    [
        ({"language": "fr"}, "speech", "language of the speech is 'fr' \\(probability 90%\\)"),
        ({"text": " ", "english": " "}, "speech", "no words were recognised"),
        ({}, np.zeros(HZ, np.float32), "silence"),
        ({}, voiced(0.05), "too short"),
        ({}, 0.1 * np.random.default_rng(0).normal(size=3 * HZ).astype(np.float32), "no speech"),
        ({}, np.full(HZ, np.nan, np.float32), "not finite"),
        ({}, "music", "no speech"),
        ({}, "clipped", "clipping"),
    ],
)
def test_unusable_input_is_one_clear_error(stages, translated, wav, says):
    named = {
        "speech": lambda: spoken(0),
        "music": lambda: chords(rate=HZ),
        "clipped": lambda: np.clip(30 * spoken(0), -1, 1),
    }
    wav = named[wav]() if isinstance(wav, str) else wav
    with pytest.raises(AudioError, match=says) as caught:
        pipeline(stages, **translated)(wav, HZ, source="voz.wav")
    assert "voz.wav" in str(caught.value)


def test_speech_of_uncertain_language_is_translated_as_spanish(stages):
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
    assert "language seems to be 'it'" in result.notes[0]


def test_a_segment_without_words_is_noted(stages, talk):
    made = pipeline(stages)
    found = [Translated("hola", "hello"), Translated("", "")]
    made.translator = lambda wav, rate, context, transcribe: found.pop(0)
    result = made(talk, HZ)
    assert len(result.segments) == 1
    assert "no words recognised, segment left out" in result.notes[0]


def test_a_noisy_recording_has_a_warning(stages):
    wav = spoken(0)
    noise = np.random.default_rng(0).normal(size=len(wav)).astype(np.float32) * np.sqrt(np.mean(wav**2))
    result = pipeline(stages)(0.3 * (wav + noise), HZ)
    assert "very noisy" in result.notes[0]


def test_encoders_must_fit_the_vocoder(stages):
    speaker, _, vocoder = stages
    with pytest.raises(CloningError, match="sizes.*config.json"):
        VoiceCloningPipeline(Translator(), Synthesizer(), speaker, speaker, vocoder, PLAIN)
    with pytest.raises(CloningError, match="needs the speaker encoder ecapa"):
        pipeline(stages, CloningConfig(voice="nearest"))


@pytest.mark.parametrize(("name", "revision"), [("tiny-test-encoder", "another"), ("another", "1")])
def test_encoders_of_the_same_size_but_another_name_or_revision_are_refused(stages, name, revision):
    _, emotion, vocoder = stages

    class Other(TinyTestEncoder):
        pass

    Other.name, Other.revision = name, revision
    with pytest.raises(EncoderMismatchError, match=rf"trained with .* this one is {name} \({revision}\)"):
        VoiceCloningPipeline(Translator(), Synthesizer(), Other(), emotion, vocoder, PLAIN)
    made = pipeline(stages)
    changed = vocoder.description.with_changes(emotion_encoder="egemaps (0000)")
    with pytest.raises(EncoderMismatchError, match=r"emotion encoder egemaps \(0000\)"):
        made.copy_with(Vocoder(vocoder.generator, changed))


def test_clauses_keep_every_word_and_end_at_a_mark():
    text = "Well, when the storm had passed, we went down to the harbour. Nobody was there; not one boat."
    found = clauses(text)
    assert " ".join(found) == text
    assert len(found) == 3
    assert all(clause[-1] in ".,;:!?" and len(clause.split()) >= 4 for clause in found)
    assert clauses("Yes.") == ["Yes."]
    for met in ("This morning we met Dr. Smith of the harbour.", "We met our old friend Dr. Smith here."):
        assert any("Dr. Smith" in clause for clause in clauses(met))
    for whole in ("the people of the U.S. army and the navy.", "he is the first on No. 5 of the list.",
                  "we were with our friend J. Smith of the harbour."):  # fmt: skip
        assert all(not clause.endswith(("U.S.", "No.", "J.")) for clause in clauses(f"As they said, {whole}"))
        assert all(not clause.endswith(("U.S.", "No.", "J.")) for clause in clauses(whole))
    # The first clause is short and ends before a word that opens a clause.
    long = "The old men of the village who had seen it all before said nothing about it."
    assert clauses(long)[0] == "The old men"
    assert " ".join(clauses(long)) == long
    segment = TranslatedSegment(Segment(0, 1, voiced(1.0)), "hola", text, None, {"translate": 2.0})
    cut = list(split_into_clauses([segment]))
    assert [one.transcript for one in cut] == ["hola", "", ""]
    assert sum(one.seconds.get("translate", 0) for one in cut) == 2.0


def test_the_next_item_is_computed_while_the_current_one_is_in_use():
    made, in_use = [], threading.Event()

    def items():
        for number in range(3):
            if number == 1:
                assert in_use.wait(5), "the second item is computed only when it is requested"
            made.append(number)
            yield number

    fetched = prefetch(items())
    assert next(fetched) == 0
    in_use.set()
    for _ in range(500):
        if made == [0, 1]:
            break
        time.sleep(0.01)
    assert made == [0, 1]
    assert list(fetched) == [1, 2]


def test_an_error_in_the_prefetching_thread_is_raised_in_the_caller(stages):
    def broken():
        yield from ()
        raise AudioError("broken", "x", "y")

    with pytest.raises(AudioError, match="broken"):
        list(prefetch(broken()))


def test_the_heap_is_trimmed_after_every_segment_with_glibc(stages, talk, monkeypatch):
    asked = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=asked.append))
    made = pipeline(stages)
    assert len(made(talk, HZ).segments) == len(asked) > 1
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: SimpleNamespace())  # no glibc
    assert len(made(talk, HZ).segments) == len(asked)


@pytest.mark.slow
@pytest.mark.weights("ecapa", "whisper-base", "whisper-tiny.en", "kokoro", "kokoro-voices")
def test_the_released_pipeline_is_intelligible_and_watermarked(tmp_path):
    """With the released weights; Whisper transcribes the English output."""
    made = build(config=CloningConfig(voice="af_heart"))
    assert made.vocoder.name == "default"
    row = mini.table(CorpusConfig(name="mini")).iloc[0]
    write_audio(tmp_path / "hola.wav", spoken(0), HZ)
    found = clone_file(made, tmp_path / "hola.wav", tmp_path / "hello.wav")
    errors, words = word_errors(found.transcript, row.es, "es")
    assert errors / words < 0.4
    from thesis_lib.pretrained.whisper import Whisper

    wav, rate = soundfile.read(tmp_path / "hello.wav", dtype="float32")
    errors, words = word_errors(Whisper()(wav, rate, language="en").text, found.translation)
    assert errors / words < 0.4
    assert detect_watermark(wav, rate).probability > 0.9
    assert embed(made.analyser.speaker_encoder, wav, rate).shape == (192,)


def test_segments_and_silences_add_up_to_the_output(stages, talk):
    result = pipeline(stages)(talk, HZ)
    total = sum(len(silence) + len(segment.wav) for segment, silence in laid_out(result.segments, HZ))
    assert total == len(result.wav)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_large_memory_is_returned_when_it_is_freed():
    code = """if True:
        import numpy as np
        from thesis_lib.utils.memory import return_large_memory
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
