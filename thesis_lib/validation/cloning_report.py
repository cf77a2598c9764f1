"""What the pipeline is worth: every stage's output beside references, on recordings that nobody trained on.

A recording's similarity is its cosine to the Spanish source, and its way from the floor (other speakers' Spanish) to
the ceiling (the two halves of one recording). Words are recognised by Whisper base: Whisper tiny.en, which the
metrics use otherwise, also makes the vocoder's content. No four of its tokens may repeat: in the silence after a
recording it sometimes repeats itself.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning.build import build
from thesis_lib.cloning.files import adapted_to, recordings_in
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.segments import total_seconds
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.cloning.voices import NEAREST
from thesis_lib.corpus.split import spread
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.training.adaptation import adapt
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import Scorers, metrics, recordings
from thesis_lib.validation.metrics import Calibration, Recording
from thesis_lib.validation.scoring import UNMEASURABLE, words

FIXED = "af_heart"  # the voice of every baseline
KOKORO, KOKORO_NEAREST = "Kokoro, one fixed voice", "Kokoro, the nearest voice"
OURS, OURS_FIXED, OURS_ADAPTED = "ours", "ours, from the fixed voice", "ours, adapted"
OWN = "the speaker's own English"
SEVERAL = ", several speakers"
HUMAN = "human, one speaker each"
RESAMPLES, SEED = 1000, 0
FEWEST = 8  # speakers that a correlation needs: of fewer, some draw of the bootstrap has but one
ABOUT = ("test_set", "id", "speaker", "system")


@dataclass(frozen=True)
class Item:
    """A Spanish recording, and what is known of it."""

    test_set: str
    id: str
    speaker: str
    source: Path
    reference: str = ""  # its English, where somebody has written it down
    published: dict[str, Path] = field(default_factory=dict)  # system -> its English


@dataclass(frozen=True)
class Made:
    """What the pipeline and its parts made of a recording."""

    speaker: Speaker
    transcript: str
    translation: str
    outputs: dict[str, np.ndarray]  # system -> (N,) at the vocoder's rate
    seconds: dict[str, float]  # stage -> what it took, of ours


def clone_report(
    run: Run,
    progress: Progress = silent,
    vocoder: str | None = None,
    pairs: Path | None = None,
    spanish: Iterable[Path] = (),
    minutes: float = 0.0,
) -> pd.DataFrame:
    """One row a recording and system; beside it the summary, what was not measured, the stages' seconds, and samples.

    The recordings are test utterances of the run's corpus; those of ``pairs``, laid out as ``validate --pairs`` wants
    them; and those of each folder in ``spanish``, of one speaker a folder. The vocoder is the run's own unless one is
    named; with ``minutes``, it is also adapted to each human recording of one speaker that long.
    """
    spanish = list(spanish)
    asked = [vocoder, str(pairs), [str(folder) for folder in spanish], minutes]
    if run.has("cloning") and run.load_json("cloning_asked") == asked:
        return run.load_table("cloning")
    if vocoder is None:
        train(run, "conversion", progress)
    pipeline = build(vocoder or run.path / "conversion" / "vocoder", run.config.cloning)
    items = [*_corpus(run, progress), *_pairs(pairs), *(item for folder in spanish for item in _folder(folder))]
    scorers, ear = Scorers.load(run.config), Whisper(no_repeat=4)
    rate = scorers.audio.sample_rate
    rows, missing, times, sources = [], [], [], {}
    for number, item in enumerate(progress(items, len(items), "clone")):
        about = {"test_set": item.test_set, "id": item.id, "speaker": item.speaker}
        try:
            wav, _ = read_audio(item.source, rate)
            made = _made(pipeline, item, wav, minutes if item.test_set != run.config.corpus.name else 0.0)
            source = _Source(wav, item.speaker, scorers)
        except UNMEASURABLE as error:
            missing.append(about | {"system": "all", "reason": str(error)})
            continue
        if made.speaker.others:
            about["test_set"] += SEVERAL
        sources[item.id] = source
        times.append(about | {"source": len(wav) / rate, "output": len(made.outputs[OURS]) / rate} | made.seconds)
        texts = {"transcript": made.transcript, "translation": made.translation, "reference": item.reference}
        for system, output in (made.outputs | _published(item, rate)).items():
            text = item.reference if system in item.published else made.translation
            try:
                measured = _measured(output, source, text, scorers, ear)
            except UNMEASURABLE as error:
                missing.append(about | {"system": system, "reason": str(error)})
                continue
            rows.append(about | {"system": system} | texts | measured)
            write_audio(clone_sample(run, number, system), output, rate)
    table = pd.DataFrame(rows)
    names = {column: encoder.name for column, encoder in scorers.encoders.items()}
    for column, calibration in _calibrations(list(sources.values()), names):
        cosines = table[names[column]]
        table[f"{names[column]}_normalised"] = [calibration.normalised(value) for value in cosines]
        table[f"{names[column]}_percentile"] = [calibration.percentile(value) for value in cosines]
    provenance = run.provenance_of("conversion", weights=scorers.revisions | {"ear": ear.revision})
    run.save_table("cloning_not_measured", pd.DataFrame(missing, columns=[*ABOUT, "reason"]))
    run.save_table("cloning_seconds", pd.DataFrame(times))
    run.save_table("cloning_summary", summarise_clones(table, names.values()), provenance)
    run.save_json("cloning_asked", asked)
    run.save_table("cloning", table, provenance)
    return table


def clone_sample(run: Run, number: int, system: str) -> Path:
    """Where an output's audio is kept."""
    return run.path / "samples" / f"clone_{number}_{re.sub('[^a-z]+', '_', system.lower())}.mp3"


def _corpus(run: Run, progress: Progress) -> Iterator[Item]:
    manifest = prepared(run, progress)
    tests = manifest.split("test")
    for number in spread(len(tests), run.config.cloning.examples):
        u = tests[number]
        source, own = manifest.source(u), {OWN: manifest.target(u)}
        yield Item(run.config.corpus.name, u.id, u.speaker, source, u.target_text, own)


def _pairs(folder: Path | None) -> Iterator[Item]:
    """Each recording is taken for a speaker of its own."""
    for group, systems in (recordings(folder) if folder else {}).items():
        for name, path in systems["source"].items():
            published = {system: files[name] for system, files in systems.items() if name in files}
            published.pop("source")
            yield Item(group, f"{group}/{name}", f"{group}/{name}", path, "", published)


def _folder(folder: Path) -> Iterator[Item]:
    for path in recordings_in(folder):
        yield Item(Path(folder).name, f"{Path(folder).name}/{path.stem}", Path(folder).name, path)


def _made(pipeline: VoiceCloningPipeline, item: Item, wav: np.ndarray, minutes: float) -> Made:
    segments = list(speech_segments([wav], pipeline.sample_rate))
    speaker = pipeline.analyse_speaker(segments, item.source)
    lines = list(pipeline.translate(segments, item.source))

    def sides(using: VoiceCloningPipeline) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
        passages = list(using.synthesise(lines, speaker))
        content, output = (np.concatenate([getattr(p, side) for p in passages]) for side in ("content", "wav"))
        return content, output, total_seconds(passages)

    content, output, seconds = sides(pipeline)
    outputs = {KOKORO: content, OURS: output}
    if pipeline.config.voice == NEAREST:
        fixed = pipeline.copy_with(config=pipeline.config.model_copy(update={"voice": FIXED}))
        plain, from_plain, _ = sides(fixed)
        outputs = {KOKORO: plain, KOKORO_NEAREST: content, OURS_FIXED: from_plain, OURS: output}
    if minutes and not speaker.others:  # training on two voices would make one of both
        outputs[OURS_ADAPTED] = sides(adapted_to(pipeline, [item.source], minutes, adapt))[1]
    recognised, english = (" ".join(getattr(line, side) for line in lines) for side in ("transcript", "english"))
    return Made(speaker, recognised, english, outputs, seconds)


def _published(item: Item, rate: int) -> dict[str, np.ndarray]:
    return {system: read_audio(path, rate)[0] for system, path in item.published.items()}


class _Source:
    """A Spanish recording's features, and its halves' embeddings: as alike as one voice gets."""

    def __init__(self, wav: np.ndarray, speaker: str, scorers: Scorers) -> None:
        self.speaker, self.recording = speaker, scorers.record(wav)
        self.vectors = _vectors(self.recording, scorers)
        self.halves = [_vectors(scorers.record(half), scorers) for half in np.array_split(wav, 2)]
        self.prosody = metrics.prosody(self.recording)


def _vectors(recording: Recording, scorers: Scorers) -> dict[str, np.ndarray]:
    found, reasons = scorers.vectors(recording)
    if reasons:
        raise metrics.MetricError("; ".join(f"{name}: {why}" for name, why in reasons.items()))
    return found


def _measured(output: np.ndarray, source: _Source, text: str, scorers: Scorers, ear: Whisper) -> dict[str, object]:
    recording = scorers.record(output)
    vectors = _vectors(recording, scorers)
    found: dict[str, object] = {
        encoder.name: metrics.cosine(vectors[column], source.vectors[column])
        for column, encoder in scorers.encoders.items()
    }
    # What a published system says, nobody has written down.
    found |= (
        words(ear, recording, text) if text else {"recognised": ear(recording.wideband, metrics.WIDEBAND, "en").text}
    )
    if "dnsmos" in scorers.chosen:
        found |= metrics.dnsmos(recording)
    for side, values in (("source", source.prosody), ("output", metrics.prosody(recording))):
        found |= {f"{side}_{name}": value for name, value in values.items()}
    return found


def _calibrations(sources: list[_Source], columns: Iterable[str]) -> Iterator[tuple[str, Calibration]]:
    """(encoder, its floor and ceiling on these recordings), where there are both."""
    for column in columns:
        same = [metrics.cosine(*(half[column] for half in source.halves)) for source in sources]
        different = [
            metrics.cosine(a.vectors[column], b.vectors[column])
            for a, b in combinations(sources, 2)
            if a.speaker != b.speaker
        ]
        with suppress(metrics.MetricError):
            yield column, Calibration(np.array(same), np.array(different))


def summarise_clones(table: pd.DataFrame, encoders: Iterable[str]) -> pd.DataFrame:
    """test_set, system, metric, value, 95 % interval, n: means, WER (%), BLEU, and correlations with the source.

    The interval draws speakers, or recordings where there is but one. "human, one speaker each" pools everything but
    the corpus and dialogues.
    """
    corpus = table.test_set.iloc[0]
    human = (table.test_set != corpus) & ~table.test_set.str.endswith(SEVERAL)
    parts = [(test_set, table[table.test_set == test_set]) for test_set in dict.fromkeys(table.test_set)]
    parts += [(HUMAN, table[human])] if human.any() else []
    means = [c for e in encoders for c in (e, f"{e}_normalised", f"{e}_percentile")] + ["dnsmos_ovrl", "dnsmos_p808"]
    rows = []
    for test_set, part in parts:
        for system, own in part.groupby("system", sort=False):
            groups = own.speaker.to_numpy() if own.speaker.nunique() > 1 else None
            for name, statistic in _statistics(own, means).items():
                rows.append(
                    {"test_set": test_set, "system": system, "metric": name} | _interval(len(own), statistic, groups)
                )
    return pd.DataFrame(rows)


def _statistics(rows: pd.DataFrame, means: Iterable[str]) -> dict[str, metrics.Statistic]:
    """metric -> a function of indices into the rows; what is missing in one of them is left out."""

    found = {
        name: metrics.mean_of(rows[name].to_numpy()) for name in means if name in rows and rows[name].notna().all()
    }
    if "words" in rows and rows.words.notna().all():
        errors, words = rows.word_errors.to_numpy(), rows.words.to_numpy()
        found["wer"] = lambda i: 100 * float(errors[i].sum() / words[i].sum())
    if rows.reference.str.strip().ne("").all():
        for name, column in (("bleu", "recognised"), ("translation_bleu", "translation")):
            found[name] = metrics.corpus_scorer("BLEU", list(rows[column]), list(rows.reference))
    if rows.speaker.nunique() >= FEWEST:
        for name in metrics.PROSODY:
            source, output = (rows[f"{side}_{name}"].to_numpy() for side in ("source", "output"))
            found[f"{name}_correlation"] = metrics.correlation_of(source, output)
    return found


def _interval(count: int, statistic: metrics.Statistic, groups: np.ndarray | None) -> dict[str, object]:
    found: dict[str, object] = {"n": count, "reason": ""}
    try:
        value, low, high = metrics.bootstrap(count, statistic, RESAMPLES, SEED, groups)
    except metrics.MetricError as error:
        return {"value": np.nan, "low": np.nan, "high": np.nan} | found | {"reason": str(error)}
    return {"value": value, "low": low, "high": high} | found
