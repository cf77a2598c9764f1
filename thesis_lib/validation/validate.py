"""Validation of the vocoders on held-out speakers: one row for each utterance and system, and the statistics of them.

Similarity is measured to the *Spanish* recording, so the ground truth's similarity is the ceiling. Evaluation encoders
stand beside the encoder of the condition, which is circular.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import write_audio
from thesis_lib.config import TASKS, Config, ConfigError, Task, digest
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.runs.embed import SIDES, Embeddings, load_embeddings
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.evaluation import ALL, System, TestSet, evaluate
from thesis_lib.validation.measurements import SOURCE, Measured, Measurements
from thesis_lib.validation.metrics import Recording, Whitening
from thesis_lib.validation.roles import RECOGNISER, Roles
from thesis_lib.validation.scoring import Scorers, require_metric
from thesis_lib.validation.summary import COMPARED, agreements, calibrations, comparisons, summarise
from thesis_lib.validation.systems import OURS, PUBLISHED, ValidationItem, ValidationSystem, systems_of
from thesis_lib.vocoder.content import PHONETIC_VERSION
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder

# Schema of the stored measurements (1 had other column names, 2 the F0 of SwiftF0, 3 no V/UV F1 where F0 RMSE has
# none), and version of the phonetic content that the vocoders render.
MEASURED_WITH = (4, PHONETIC_VERSION)
SAVED_UTTERANCES = 3  # of the test set: their audio is kept for the book
MISSING = ["id", "system", "metric", "reason"]
SPANISH = System[ValidationItem, Recording](
    SOURCE, lambda item: item.source, has_words=False, about={"system": SOURCE, "metric": ALL}
)  # its embeddings and prosody are what outputs are compared with


def select(utterances: list[Utterance], count: int) -> list[Utterance]:
    """``count`` utterances spread evenly over the list."""
    return [utterances[i] for i in spread(len(utterances), count)]


def validate(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Evaluate the run's vocoders; returns the table of utterances and systems.

    Also written: the summary, comparisons, agreement, calibration, what was not measured, and samples. Interrupted,
    it resumes at the next utterance. A table that is older than its vocoders is made again. Raises RunError with the
    command that trains a vocoder, or computes the embeddings, where they are missing, and ConfigError for a hypothesis
    with an unknown system or metric.
    """
    if run.has("validation"):
        return run.load_table("validation")
    vocoders = {task: load_trained_vocoder(run, task) for task in TASKS}
    manifest, scorers = load_manifest(run), Scorers.load(run.config)
    embeddings, systems = _embeddings(run, scorers), systems_of(vocoders, manifest, manifest.split("test"))
    _require_hypotheses(run.config, scorers)
    provenance = run.provenance_of(*TASKS, weights=scorers.revisions)
    # Other metrics or weights give another folder, so that no stale measurement is used.
    key = digest([MEASURED_WITH, provenance.inputs, provenance.weights, list(scorers.chosen)])
    home = run.path / "validation" / key
    chosen = select(manifest.split("test"), run.config.validation.utterances)
    measurements = measure(run, chosen, systems, scorers, home, progress, sample=True)
    known, missing = calibrations(measurements)
    summary, unsummed = summarise(measurements, known, run.config.validation)
    summary["role"] = _roles(run, vocoders, scorers, summary)
    agreement, disagreed = agreements(measurements, run.config.validation)
    compared, untested = comparisons(measurements, run.config.validation)
    missing += measurements.missing + unsummed + untested + disagreed
    missing += [{"id": ALL, "system": ALL, "metric": m, "reason": why} for m, why in scorers.absent.items()]
    if PUBLISHED not in systems:
        reason = f"its weights are not cached: run `thesis models fetch {UNIVERSAL}`"
        missing.append({"id": ALL, "system": PUBLISHED, "metric": ALL, "reason": reason})
    names = {column: encoder.name for column, encoder in scorers.encoders.items()}
    run.save_json("validation_encoders", names | {"condition": embeddings.speaker_encoder})
    run.save_json("calibration", {column: {"floor": x.floor, "ceiling": x.ceiling} for column, x in known.items()})
    for name, table in (
        ("validation_not_measured", pd.DataFrame(missing, columns=MISSING)),
        ("validation_summary", summary),
        ("validation_comparisons", compared),
        ("validation_agreement", agreement),
        ("validation", measurements.table),  # written last: its presence says that all are there
    ):
        run.save_table(name, table, provenance)
    return measurements.table


def _embeddings(run: Run, scorers: Scorers) -> Embeddings:
    """The embeddings of the Spanish side, and of the English side where style is measured, which they whiten."""
    return load_embeddings(run, SIDES if scorers.style else ("source",))


def _require_hypotheses(config: Config, scorers: Scorers) -> None:
    """ConfigError for a hypothesis with a system or a metric that does not exist."""
    for metric, *compared in config.validation.hypotheses:
        for system in compared:
            if system not in COMPARED:
                known = ", ".join(repr(name) for name in COMPARED)
                raise ConfigError(f"validation.hypotheses: no system named {system!r} is compared; known: {known}")
        require_metric("validation.hypotheses", metric, scorers)


def _roles(run: Run, vocoders: dict[Task, Vocoder], scorers: Scorers, summary: pd.DataFrame) -> list[str]:
    """The role of each row's network in its system; a reference is compared with all vocoders, so it gets theirs."""
    every = Roles.of(run.config, vocoders)
    own = {OURS[task]: Roles.of(run.config, {task: vocoder}) for task, vocoder in vocoders.items()}
    names = {column: encoder.name for column, encoder in scorers.columns.items()}
    recogniser = scorers.whisper.name if scorers.whisper else RECOGNISER
    rows = zip(summary.system, summary.metric, strict=True)
    return [own.get(system, every).of_metric(metric, names, recogniser) for system, metric in rows]


def sample_path(run: Run, number: int, system: str) -> Path:
    """Path of the audio of one of the first ``SAVED_UTTERANCES`` utterances."""
    return run.path / "samples" / f"validation_{number}_{system.replace(' ', '-').replace(',', '').lower()}.mp3"


def measure(
    run: Run,
    chosen: list[Utterance],
    systems: dict[str, ValidationSystem],
    scorers: Scorers,
    home: Path,
    progress: Progress = silent,
    sample: bool = False,
) -> Measurements:
    """Evaluate some systems on some utterances; those in the folder ``home`` are not measured again."""
    manifest, embeddings, audio = load_manifest(run), _embeddings(run, scorers), run.config.audio
    recorded = [SPANISH, *(_recorded(system, scorers) for system in systems.values())]
    measured = []
    for number, utterance in enumerate(progress(chosen, len(chosen), "validate")):
        path = home / f"{utterance.id}.npz"

        def keep(item: ValidationItem, system: System, output: Recording, number: int = number) -> None:
            if sample and number < SAVED_UTTERANCES and system.name != SOURCE:
                write_audio(sample_path(run, number, system.name), output.wav, audio.sample_rate)

        if not path.exists():
            test_set = TestSet([ValidationItem.load(utterance, manifest, embeddings, audio)], _about)
            Measured.of(evaluate(test_set, recorded, scorers.every, keep=keep, parallel=True)).save(path)
        measured.append(Measured.load(path))
    return _whitened(Measurements(measured), manifest, embeddings)


def _recorded(system: ValidationSystem, scorers: Scorers) -> System[ValidationItem, Recording]:
    """The system with its outputs as recordings; the ground truth's is the reference, and its features are computed."""

    def render(item: ValidationItem) -> Recording:
        wav = system.render(item)
        return item.reference if wav is item.wav else scorers.record(wav)

    return System(system.name, render, system.has_words, {"system": system.name, "metric": ALL})


def _about(item: ValidationItem) -> dict[str, str]:
    u = item.utterance
    return {"id": u.id, "speaker_id": u.speaker, "style": u.style, "target_text": u.target_text}


def _whitened(measurements: Measurements, manifest: Manifest, embeddings: Embeddings) -> Measurements:
    """The same with the style embeddings whitened by the training split's, where style was measured."""
    if "style" not in measurements.encoders:
        return measurements
    rows = embeddings.rows(manifest.split("train"))
    whiten = Whitening.fit(np.concatenate([embeddings.emotion[side][rows] for side in ("source", "target")]))
    return Measurements(
        [
            Measured(one.rows, one.missing, {k: whiten(v) if k[1] == "style" else v for k, v in one.vectors.items()})
            for one in measurements.measured
        ]
    )
