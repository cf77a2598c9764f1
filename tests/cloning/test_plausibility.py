"""Text that Whisper has made up is left out or noted; what is not Spanish is left out with its times."""

from pathlib import Path

import numpy as np
import pytest
from cloning_stages import HZ, PLAIN, pipeline
from helpers import spoken, voiced

from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.cloning import Request, clone_file
from thesis_lib.cloning.plausibility import improbable, is_in_spanish, left_out, overhang_note
from thesis_lib.cloning.translated import Translated
from thesis_lib.cloning.translation import WhisperTranslator
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained.whisper import Recognised

LOOP = "I don't know, I don't know. " * 20  # what Whisper base makes of reversed speech


def told(stages, talk, *found, config=PLAIN):
    """The result of a pipeline with a translator that says this of the segments, one after the other."""
    made, rest = pipeline(stages, config), list(found)
    made.translator = lambda wav, rate, context, transcribe: rest.pop(0)
    return made(talk, HZ, source="talk.wav")


@pytest.mark.parametrize(
    ("text", "seconds", "says"),
    [
        (LOOP, 30.0, "compression ratio 1"),
        ("The old fishermen went down to the harbour and counted the boats. They were all there.", 2.0, "letters"),
        ("The old fishermen went down to the harbour and counted the boats.", 3.0, ""),
        ("No, no, no!", 1.0, ""),
        ("Kids are talking by the door door Door door, door door.", 3.0, "'door' 6 times in a row"),
        ("No, no, no, no, no.", 2.0, ""),
        ("He said - - - - - - nothing.", 3.0, ""),
        ("24 sources in 12 countries.", 4.0, ""),
        ("Hello there.", 0.3, ""),
        ("", 1.0, ""),
    ],
)
def test_text_that_repeats_itself_or_takes_too_long_to_speak_is_improbable(text, seconds, says):
    found = improbable(text, seconds)
    assert (says in found) if says else not found


def test_real_speech_with_a_word_six_times_is_left_out_too():
    """A loop of Whisper has the same form; the page of the limitations says so."""
    said = "No, no, no, no, no, no."
    assert left_out(Translated("", said), 2.0) == "the translation repeats itself ('no' 6 times in a row)"
    assert not left_out(Translated("", said.replace("No, ", "", 1)), 2.0)
    assert said in (Path(__file__).parents[2] / "book" / "limitations.md").read_text(encoding="utf-8")


def test_a_loop_is_left_out_and_noted(stages, talk):
    result = told(stages, talk, Translated("hola", "hello"), Translated("no sé", LOOP))
    assert result.translation == "hello"
    assert len(result.notes) == 1
    assert "the translation repeats itself" in result.notes[0]
    assert "segment left out" in result.notes[0]
    with pytest.raises(AudioError, match=r"talk\.wav: the translation repeats itself"):
        told(stages, talk, Translated("no sé", LOOP), Translated("no sé", LOOP))


def test_a_low_probability_is_noted_and_with_no_speech_left_out(stages, talk):
    low, none = Translated("a", "hello", log_probability=-1.4), Translated("a", "x", "es", 0.4, -1.4, 0.8)
    result = told(stages, talk, low, none)
    assert result.translation == "hello"
    assert "talk.wav" in result.notes[0]
    assert "uncertain (mean log-probability -1.4)" in result.notes[0]
    assert "no intelligible speech (probability 80%), segment left out" in result.notes[1]
    assert not left_out(Translated("a", "x", no_speech_probability=0.8), 3.0), "as probable as that is speech"


def test_a_made_up_translation_is_tried_a_second_time_without_context():
    asked = []

    def whisper(wav, sample_rate, language=None, task="transcribe", beams=5, context="", no_repeat=None):
        asked.append((task, context, no_repeat, beams))
        if task == "transcribe":
            return Recognised("no sé " * 40, "es", 0.9)
        return Recognised("I do not know." if no_repeat else LOOP, "es", 0.9, -0.5)

    whisper.name, whisper.language = "told", lambda wav, sample_rate: ("es", 0.9)
    found = WhisperTranslator(whisper)(voiced(3.0), 22_050, "and then")
    assert found.english == "I do not know."
    assert found.transcript == "", "a transcript that repeats itself is none"
    assert asked == [
        ("transcribe", "", None, 1),
        ("transcribe", "", None, 5),
        ("translate", "and then", None, 5),
        ("translate", "", 3, 5),
    ]


@pytest.mark.parametrize("language", ["es", "de"])
def test_a_transcript_that_repeats_itself_is_made_again_with_beam_search(language):
    def whisper(wav, sample_rate, language=None, task="transcribe", beams=5, context=""):
        text = "hay niños en la puerta" + " puerta" * (5 if beams == 1 else 0)
        return Recognised("There are children." if task == "translate" else text, "es", 0.9, -0.5)

    whisper.name, whisper.language = "told", lambda wav, sample_rate: (language, 0.9)
    translator = WhisperTranslator(whisper)
    assert translator(voiced(3.0), 22_050).transcript == "hay niños en la puerta"


def test_a_second_translation_in_spanish_does_not_replace_a_doubtful_english_one():
    def whisper(wav, sample_rate, context="", **options):
        if options.get("task") != "translate":
            return Recognised("hola", "es", 0.9)
        return Recognised(*(("The fox.", "es", 0.9, -1.5) if context else ("El zorro y la nieve.", "es", 0.9, -0.3)))

    whisper.name, whisper.language = "told", lambda wav, sample_rate: ("es", 0.9)
    assert WhisperTranslator(whisper)(voiced(3.0), 22_050, "and then").english == "The fox."


@pytest.mark.parametrize(("first", "second", "kept"), [(-1.5, -0.4, "second"), (-1.2, -1.4, "first")])
def test_a_doubtful_translation_with_context_is_compared_with_one_without(first, second, kept):
    def whisper(wav, sample_rate, context="", **options):
        if options.get("task") != "translate":
            return Recognised("hola", "es", 0.9)
        return Recognised("first", "es", 0.9, first) if context else Recognised("second", "es", 0.9, second)

    whisper.name, whisper.language = "told", lambda wav, sample_rate: ("es", 0.9)
    assert WhisperTranslator(whisper)(voiced(3.0), 22_050, "and then").english == kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("El Soro cruzó el campo nevado sin dejar apenas huellas detrás de él.", True),
        ("Los clientes quedaron contentos con el resultado, y quieren repetir.", True),
        ("He moved from Los Angeles to La Paz, and then on to El Salvador by bus, as he had planned.", False),
        ("The Orquesta de la Ciudad", False),
        ("She lives in Santa Cruz de la Sierra.", False),
        ("La La Land", False),
        ("Es", False),
        ("The fox crossed the snowy field, leaving hardly any tracks behind him.", False),
        ("", False),
    ],
)
def test_a_text_in_spanish_is_known_by_its_short_words(text, expected):
    assert is_in_spanish(text) is expected


def test_no_english_text_of_the_bundle_is_taken_for_spanish_and_nearly_every_spanish_one_is():
    table = mini.table(CorpusConfig(name="mini"))
    assert not [text for text in table.en if is_in_spanish(text)]
    assert np.mean([is_in_spanish(text) for text in table.es]) > 0.8


@pytest.mark.parametrize(
    ("greedy", "kept"), [("The fox crossed.", "greedy"), ("El zorro y la nieve.", "first"), ("", "first")]
)
def test_a_text_that_is_left_in_spanish_is_translated_again_without_beam_search(greedy, kept):
    first = "El zorro cruzó el campo de nieve."

    def whisper(wav, sample_rate, language=None, task="transcribe", beams=5, context="", no_repeat=None):
        if task == "transcribe":
            return Recognised(first, "es", 0.9)
        return Recognised(greedy if beams == 1 else first, "es", 0.9, -1.2 if beams == 1 else -0.3)

    whisper.name, whisper.language = "told", lambda wav, sample_rate: ("es", 0.9)
    found = WhisperTranslator(whisper)(voiced(3.0), 22_050, "and then")
    assert found.english == {"greedy": greedy, "first": first}[kept]


def test_a_translation_that_stays_in_spanish_is_spoken_with_a_note(stages, talk):
    result = told(stages, talk, Translated("hola", "El zorro cruzó la nieve."), Translated("hola", "hello"))
    (note,) = [note for note in result.notes if "the translation is left in Spanish" in note]
    assert note.startswith("talk.wav: ")


def test_english_before_the_spanish_is_left_out_with_its_times(stages, talk):
    english, spanish = Translated("chapter", "Chapter one.", "en", 0.99), Translated("hola", "hello")
    result = told(stages, talk, english, spanish)
    assert result.translation == "hello"
    assert "talk.wav: 1." in result.notes[0]
    assert "the language is 'en' (probability 99%), segment left out" in result.notes[0]
    both = told(stages, talk, english, spanish, config=PLAIN.model_copy(update={"language": "es"}))
    assert both.translation == "Chapter one. hello", "--language es overrides"
    assert both.notes == ()


def test_speech_that_sounds_like_another_language_is_refused_only_with_a_clear_majority(stages, talk):
    result = told(stages, talk, *[Translated("hola", "hello", "pt", 0.74)] * 2)
    assert result.translation == "hello hello"
    assert all("seems to be 'pt'" in note for note in result.notes)
    with pytest.raises(AudioError, match=r"the language of the speech is 'pt' \(probability 85%\).*--language es"):
        told(stages, talk, *[Translated("hola", "hello", "pt", 0.85)] * 2)


@pytest.mark.parametrize("language", ["gl", "la"])
def test_spanish_with_an_accent_is_neither_left_out_nor_refused(stages, talk, language):
    result = told(stages, talk, *[Translated("hola", "hello", language, 0.97)] * 2)
    assert result.translation == "hello hello"
    assert len(result.notes) == 2
    assert all(f"seems to be '{language}', translated as Spanish" in note for note in result.notes)
    for other in ("it", "pt", "ca", "fr"):
        assert (
            "segment left out"
            in told(stages, talk, Translated("hola", "hello", language, 0.97), Translated("a", "b", other, 0.97)).notes[
                1
            ]
        )


def test_output_of_more_than_two_and_a_half_times_its_source_is_noted(stages, talk, recording, tmp_path):
    long = "one and another word of a text that is far longer than what was said in the recording, " * 4
    for notes in (
        pipeline(stages)(talk, HZ, text=long).notes,
        clone_file(pipeline(stages), recording, tmp_path / "a.wav", Request(text=long)).notes,
    ):
        assert any("s of English for" in note for note in notes)
    write_audio(tmp_path / "content.wav", np.tile(spoken(1, side="en"), 12), HZ)
    made = clone_file(pipeline(stages), recording, tmp_path / "a.wav", Request(content=tmp_path / "content.wav"))
    assert ["the whole recording" in note for note in made.notes if "s of English for" in note] == [True]
    assert not pipeline(stages)(talk, HZ).notes


def test_the_remedy_for_english_after_the_picture_is_not_the_option_that_was_given():
    assert overhang_note(10.4, 10.0, "a.mp4") == ""
    assert (
        overhang_note(11.0, 10.0, "a.mp4") == "a.mp4: the English ends 1.0 s after the picture; --fit makes it shorter"
    )
    assert "--fit" not in overhang_note(11.0, 10.0, "a.mp4", fit=True)
    assert "shorten the text" in overhang_note(11.0, 10.0, "a.mp4", fit=True)
