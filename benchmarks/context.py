"""Translation with no context, with everything said before, or with an unfinished sentence as context.

The bundled Spanish recordings one after the other, as one talk. They are unrelated sentences, so that context can
hardly help and may harm: the worst case, as in a talk that changes its subject.
"""

import re
import time
from collections.abc import Callable

from thesis_lib.audio.files import read_audio
from thesis_lib.cloning.pipeline import MAX_CONTEXT_CHARS
from thesis_lib.cloning.readings import unfinished_sentence
from thesis_lib.cloning.translation import WhisperTranslator
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.utils.progress import bar
from thesis_lib.validation.metrics import corpus_bleu, corpus_chrf, corpus_ter

CONTEXTS: dict[str, Callable[[str], str]] = {  # all English so far -> the translator's context
    "nothing": lambda said: "",
    "what was said before": lambda said: said,
    "an unfinished sentence": unfinished_sentence,
}
MIN_SHARED_WORDS = 4  # in a row: what a sentence is not expected to share with what came before it


def run(quick: bool) -> dict:
    """BLEU, chrF, TER, percent of the sentences that repeat and seconds a sentence, for each kind of context."""
    rows = mini.table(CorpusConfig(name="mini")).iloc[: 4 if quick else None]
    wavs = [read_audio(mini.bundle() / "audio" / f"{id}.es.opus") for id in rows.id]
    translate, references, found = WhisperTranslator(), list(rows.en), []
    for name, context_of in CONTEXTS.items():
        transcribed: list[str] = []
        again, started = 0, time.perf_counter()
        for wav, rate in bar(wavs, len(wavs), name):
            said = " ".join(transcribed)[-MAX_CONTEXT_CHARS:]
            english = translate(wav, rate, context_of(said), transcribe=False).english
            again += not _runs(said).isdisjoint(_runs(english))
            transcribed.append(english)
        seconds = (time.perf_counter() - started) / len(wavs)
        measures = {"BLEU": corpus_bleu, "chrF": corpus_chrf, "TER (%)": corpus_ter}
        scores = {heading: measure(transcribed, references) for heading, measure in measures.items()}
        found.append({"context": name} | scores | {"repeat (%)": 100 * again / len(wavs), "seconds": seconds})
    return {"sentences": len(wavs), "contexts": found}


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + MIN_SHARED_WORDS]) for i in range(len(words) - MIN_SHARED_WORDS + 1)}
