"""Sentences that state a result and belong to no claim are found: in summaries, answers, bold lines and whole pages."""

import re
from pathlib import Path

import pytest
from claim_sentences import ROOT, phrases, text_of, unclaimed
from helpers import notebook_prose


def test_a_sentence_without_a_claim_is_found():
    assert unclaimed("It is 7 % [1, 9]. It sings. 3. It is loud.", ["is 7 % [1, 9]", "It is loud."]) == [
        "It sings.",
        "3.",
    ]


@pytest.mark.parametrize(
    ("page", "start", "end", "no_result"),
    [
        (
            "book/introduction.md",
            "## The answer in short",
            "\n## ",
            ("No listener has rated", "The [results](results.md)"),
        ),
        ("README.md", "In short:\n\n", "\n## ", ()),
        (
            "book/index.md",
            "We report four results:\n\n",
            "\n\nThe [table",
            ("Part of the difference may come", "This measure is weak", "The weights were trained once"),
        ),
        (
            "book/index.md",
            "Presentamos cuatro resultados:\n\n",
            "\n\nLa [tabla",
            ("Parte de la diferencia", "Esta medida es débil", "Los pesos se entrenaron una vez"),
        ),
    ],
)
def test_every_sentence_of_a_summary_belongs_to_a_claim(page, start, end, no_result):
    text = text_of(page).split(start)[1].split(end)[0]
    text = re.sub(r"^\d\. ", "", text.strip(), flags=re.M)
    stated = [phrase for where, phrase in phrases() if where == page]
    assert [sentence for sentence in unclaimed(text, stated) if not sentence.startswith(no_result)] == []


RESULT_WORDS = re.compile(
    r"\b(shown|higher|lower|(above|below) chance|fast(er|est)|slower|rais(es?|ed)|lowers?|rises?|falls?|keeps?"
    r"|better|worse|resembles?|gains?|costs?|largest|follows?|stays within|represents?|as well as)\b",
    re.IGNORECASE,
)
# Of results that were replaced: they are in the history of benchmarks/results.
EARLIER_ADAPTATION = (
    "Three earlier results had four voices",
    "All four show a gain in the normalised similarity",
    "The second does not show a gain in identification",
    "The first does not show a fall by ERes2Net",
)
EARLIER_SEGMENTS = "The first two results and the fifth, which has no F0 movement and is not saved, showed a recall"
EARLIER_SMALL_WEIGHTS = "Two earlier results of the speaker test with the small weights"
# Page -> beginnings of sentences with such a word that state no result: methods, questions, and what was not measured.
NO_RESULT: dict[str, tuple[str, ...]] = {
    "README.md": ("Condition and enrolment are the two halves",),
    "book/index.md": ("Condition and enrolment are the two halves", "This measure is weak", "| [Compression]"),
    "book/introduction.md": ("Can the translation keep them?", "The [evaluation protocol]"),
    "book/results.md": (
        "| measure |",
        "It is a weak measure",
        "Recording and reference are two halves",
        "That the style of each segment causes this is not shown.",  # no comparison was made
        "The default stays contour gain alone",
        "The first, *contour gain*, is the default",
        "The gains over the best trivial system are paired",
        *EARLIER_ADAPTATION,
        EARLIER_SEGMENTS,
        "An earlier ablation, on other speakers",
        EARLIER_SMALL_WEIGHTS,
    ),
    "book/limitations.md": (
        "A spread between percentiles in its place",  # the sentence says that no result of it is saved
        "Natural recordings of another session may score lower",
        "Speech in which one word follows itself",
        "The reference leaves out pauses",
        "The recipe of the default weights follows trainings",
        "The synthesizer's speed has limits",
        "The voices are clean",
        "A property of a voice that this encoder does not represent",
        "An earlier result with the same targets",
        "It was run ten times",
        *EARLIER_ADAPTATION,
    ),
    "notebooks/03_model.ipynb": (
        "Chance is one half",
        "Here the test content keeps its own voice",
        "It is shown with the embedding alone",
        "The content keeps the words",
        "Which of V2",
    ),
    "notebooks/04_training.ipynb": ("Does it fall?", "The loss of conversion cannot fall"),
    "notebooks/05_validation.ipynb": (
        "An asterisk marks the better system",
        "Chance is one half",
        "The normalised similarity is scaled by natural recordings",
        "The recording has eight seconds",
        "The table has the gains",
        EARLIER_SMALL_WEIGHTS,
        "The gains of the small weights",
        "These speakers are voices of the TTS",
        "They process every output once",
    ),
    "notebooks/06_compression.ipynb": ("How much smaller and faster", "This cost comes from"),
    "notebooks/07_voice_cloning.ipynb": (
        "(3) Kokoro",
        "Published English exists for five",
        "Is the output more similar to you",
        "The reference is the other half",
        "The table has a gain",
        "Which stage would you make faster first",
    ),
    "notebooks/08_results.ipynb": ("Why does neither number prove",),
}


@pytest.mark.parametrize("page", NO_RESULT)
def test_every_sentence_that_states_a_result_belongs_to_a_claim(page):
    text = notebook_prose(Path(page).name) if page.endswith(".ipynb") else text_of(page)
    stated = [phrase for where, phrase in phrases() if where == page]
    found = [sentence for sentence in unclaimed(text, stated) if RESULT_WORDS.search(sentence)]
    assert [sentence for sentence in found if not sentence.startswith(NO_RESULT[page])] == []
    unused = [start for start in NO_RESULT[page] if not any(sentence.startswith(start) for sentence in found)]
    assert unused == [], "no longer on the page"


@pytest.mark.parametrize("page", [str(path.relative_to(ROOT)) for path in sorted((ROOT / "notebooks").glob("0[2-8]*"))])
def test_every_answer_and_every_sentence_in_bold_belongs_to_a_claim(page):
    stated = [phrase for where, phrase in phrases() if where == page]
    text = text_of(page)
    bold = re.findall(r"^((?:- )?\*\*[A-Z][^*?]{25,}\*\*.*)$", text, re.M)
    assert [line for line in bold if not any(phrase in line for phrase in stated)] == []
    assert [x for x in re.findall(r"\*\*Answer\.\*\* (.+)", text) if not any(phrase in x for phrase in stated)] == []
