"""The pipeline with the released weights on human Spanish, beside its stages and published systems.

THESIS_PAIRS names a folder in the layout of thesis_lib.validation.pairs, THESIS_SPANISH (optional) one of a single
speaker's Spanish. The vocoder is also adapted to each recording for a minute.
"""

import shutil
import statistics
import time
from pathlib import Path

import pandas as pd

from benchmarks.folders import optional_folder, required_folder
from benchmarks.json_rows import interval_columns, records
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning.segments import STAGES
from thesis_lib.cloning.translation import WhisperTranslator
from thesis_lib.config import Config, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.validation.cloning_report import (
    ADAPTATION_STEPS,
    KOKORO_NEAREST,
    OURS,
    OURS_ADAPTED,
    clone_report,
)
from thesis_lib.validation.metrics import corpus_bleu, corpus_ter, mean_of, word_errors
from thesis_lib.vocoder.sources import DEFAULT, weights

MINUTES = 1.0
FOLDER = "runs/clone-benchmark"
TRANSFER = "ref_voicetransfer"  # published English by a TTS in the Spanish speaker's voice
COMPARED = ((OURS_ADAPTED, OURS), (OURS, KOKORO_NEAREST), (OURS, TRANSFER), (OURS_ADAPTED, TRANSFER))
RESAMPLES = 1000


def run(quick: bool) -> dict:
    """The summary with intervals, paired differences, the seconds of each stage, and what was not measured."""
    pairs, spanish = required_folder("THESIS_PAIRS", "human pairs"), optional_folder("THESIS_SPANISH")
    shutil.rmtree(FOLDER, ignore_errors=True)  # a saved report would not be of these weights
    emotion = weights(DEFAULT)[0].emotion_encoder.name
    config = Config.from_profile("demo").override(
        {"cloning.voice": "nearest", "cloning.examples": 2, "encoders.emotion": emotion}
    )
    report = Run(FOLDER, config)
    folders = [spanish] if spanish else []
    prepared(report, bar)
    table = clone_report(report, bar, DEFAULT, pairs, folders, 0.02 if quick else MINUTES)
    seconds = report.load_table("cloning_seconds")
    missing = report.load_table("cloning_not_measured")
    human = seconds[seconds.test_set != "mini"]
    adapted = human.dropna(subset=[ADAPTATION_STEPS])  # the human recordings of one speaker each
    steps = adapted[ADAPTATION_STEPS]
    sources = sorted(path for group in pairs.glob("*_es_src") for path in group.iterdir())
    return {
        "letters a second of Spanish": {"people": _rate(sources), "bundled voices": _rate(_bundled(40)[1])},
        "Whisper's window": _windows(4 if quick else 40),
        "recordings": table.id.nunique(),
        "minutes": 0.02 if quick else MINUTES,
        ADAPTATION_STEPS: {"median": steps.median(), "low": steps.min(), "high": steps.max(), "n": len(steps)},
        "not measured": records(missing.assign(reason=missing.reason.str.replace(r"\S*/", "", regex=True))),
        "rows": records(report.load_table("cloning_summary")),
        "differences": system_differences(table[table.id.isin(adapted.id)]),
        "seconds of Spanish": float(human.source.sum()),
        "seconds of English": float(human.output.sum()),
        "seconds by stage": {stage: float(human[stage].sum()) for stage in STAGES},
    }


def system_differences(table: pd.DataFrame) -> list[dict]:
    """A row each pair of ``COMPARED`` and encoder: the first system's cosine to the source minus the second's.

    The mean over the recordings that have both systems, with its interval over speakers. ``table`` is the report's, of
    human recordings of one speaker each. A pair without a common recording has no row; an encoder without floor and
    ceiling has none, and is in the report's list of what was not measured.
    """
    rows = []
    for encoder in (name.removesuffix("_normalised") for name in table if name.endswith("_normalised")):
        cosines = table.pivot(index=["speaker", "id"], columns="system", values=encoder)
        for system, against in COMPARED:
            both = cosines.reindex(columns=[system, against]).dropna()
            if len(both):
                found = both[system] - both[against]
                speakers = found.index.get_level_values("speaker").to_numpy(str)
                values = interval_columns(len(found), mean_of(found.to_numpy()), RESAMPLES, speakers)
                rows.append({"encoder": encoder, "system": system, "against": against, "n": len(found)} | values)
    return rows


def _rate(paths: list[Path]) -> dict[str, float]:
    """Letters a second of the segments of speech, with the pauses within a segment."""
    translate, rates = WhisperTranslator(), []
    for path in paths:
        wav, rate = read_audio(path)
        for segment in speech_segments([wav], rate):
            if segment.duration >= 2:
                recognised = translate(segment.wav, 16_000).transcript
                rates.append(sum(letter.isalpha() for letter in recognised) / segment.duration)
    return {"median": statistics.median(rates), "low": min(rates), "high": max(rates), "n": len(rates)}


def _windows(count: int) -> list[dict]:
    """Seconds, Spanish WER, BLEU and TER with the published window of 30 s, and with a brief one."""
    rows, paths = _bundled(count)
    wavs, found = [read_audio(path) for path in paths], []
    for name, brief in (("30 s", False), ("brief", True)):
        translate = WhisperTranslator(Whisper(brief=brief))
        translate(*wavs[0])
        started = time.perf_counter()
        recognised = [translate(*wav) for wav in wavs]
        seconds = (time.perf_counter() - started) / len(wavs)
        errors = [word_errors(one.transcript, text, "es") for one, text in zip(recognised, rows.es, strict=True)]
        wer = 100 * sum(e for e, _ in errors) / sum(n for _, n in errors)
        texts = [one.english for one in recognised], list(rows.en)
        scores = {"WER, Spanish (%)": wer, "BLEU": corpus_bleu(*texts), "TER (%)": corpus_ter(*texts)}
        found.append({"window": name, "seconds": seconds} | scores | {"n": len(wavs)})
    return found


def _bundled(count: int) -> tuple[pd.DataFrame, list[Path]]:
    rows = mini.table(CorpusConfig(name="mini"))
    rows = rows.iloc[:: len(rows) // count][:count]
    return rows, [mini.bundle() / "audio" / f"{id}.es.opus" for id in rows.id]
