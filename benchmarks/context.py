"""Translation with no context, with everything said before, or with an unfinished sentence as context.

The bundled Spanish recordings one after the other, as one talk. They are unrelated sentences, so that context can
hardly help and may harm: the worst case, as in a talk that changes its subject.

Intervals resample voices.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.json_rows import interval_columns
from benchmarks.together import complete_rows
from thesis_lib.audio.files import read_audio
from thesis_lib.cloning.pipeline import MAX_CONTEXT_CHARS
from thesis_lib.cloning.readings import unfinished_sentence
from thesis_lib.cloning.translation import WhisperTranslator
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics.words import corpus_scorer

NOTHING = "nothing"
CONTEXTS: dict[str, Callable[[str], str]] = {  # all English so far -> the translator's context
    NOTHING: lambda said: "",
    "what was said before": lambda said: said,
    "an unfinished sentence": unfinished_sentence,
}
METRICS = {"BLEU": "BLEU", "chrF": "CHRF", "TER (%)": "TER"}  # heading -> sacrebleu's name
MIN_SHARED_WORDS = 4  # in a row: what a sentence is not expected to share with what came before it
RESAMPLES = 1000


class Sentence(NamedTuple):
    """A bundled recording and its translation by the corpus."""

    id: str
    voice: str
    english: str


class TalkOutput(NamedTuple):
    """A translation, whether it repeats words of the text before, and the seconds that it took."""

    english: str
    repeats: bool
    seconds: float


def run(quick: bool) -> dict:
    """BLEU, chrF, TER, percent of the sentences that repeat and seconds a sentence, for each kind of context."""
    rows = mini.table(CorpusConfig(name="mini")).iloc[: 4 if quick else None]
    sentences = [Sentence(row.id, row.voice, row.en) for row in rows.itertuples()]
    translator = WhisperTranslator()
    systems: list[System[Sentence, TalkOutput]] = [
        System(name, Talk(translator, context_of), about={"context": name}) for name, context_of in CONTEXTS.items()
    ]
    test_set = TestSet(sentences, lambda sentence: {"id": sentence.id, "voice": sentence.voice}, "translate")
    results = evaluate(test_set, systems, [Scorer(_columns)], bar, by_system=True)
    kept = complete_rows(results, ["id"])
    by_context = {name: [row for row in kept if row["context"] == name] for name in CONTEXTS}
    return {
        "sentences": len(by_context[NOTHING]),
        "contexts": [{"context": name} | _means(own) for name, own in by_context.items()],
        "BLEU against nothing": [
            {"context": name} | difference(own, by_context[NOTHING])
            for name, own in by_context.items()
            if name != NOTHING
        ],
        "not measured": results.missing,
    }


@dataclass
class Talk:
    """Translates sentence after sentence, each with a context from the English so far."""

    translator: WhisperTranslator
    context_of: Callable[[str], str]
    said: str = ""

    def __call__(self, sentence: Sentence) -> TalkOutput:
        """The English of the next sentence."""
        wav, rate = read_audio(mini.bundle() / "audio" / f"{sentence.id}.es.opus")
        before, started = self.said[-MAX_CONTEXT_CHARS:], time.perf_counter()
        english = self.translator(wav, rate, self.context_of(before), transcribe=False).english
        self.said = f"{before} {english}".strip()
        return TalkOutput(english, not _runs(before).isdisjoint(_runs(english)), time.perf_counter() - started)


def _columns(sentence: Sentence, output: TalkOutput) -> Columns:
    return output._asdict() | {"reference": sentence.english}


def _means(rows: Sequence[Columns]) -> Columns:
    scores = {heading: _scorer(rows, metric)(range(len(rows))) for heading, metric in METRICS.items()}
    again, seconds = (float(np.mean([row[name] for row in rows])) for name in ("repeats", "seconds"))
    return scores | {"repeat (%)": 100 * again, "seconds": seconds}


def difference(rows: Sequence[Columns], base: Sequence[Columns]) -> Columns:
    """BLEU of some rows minus that of others of the same sentences, with its interval, and n."""
    own, other = _scorer(rows, "BLEU"), _scorer(base, "BLEU")
    voices = np.array([row["voice"] for row in rows])
    found = interval_columns(len(rows), lambda indices: own(indices) - other(indices), RESAMPLES, voices)
    return found | {"n": len(rows)}


def _scorer(rows: Sequence[Columns], metric: str) -> Callable:
    return corpus_scorer(metric, [row["english"] for row in rows], [row["reference"] for row in rows])


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + MIN_SHARED_WORDS]) for i in range(len(words) - MIN_SHARED_WORDS + 1)}
