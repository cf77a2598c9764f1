"""Cloning report: the output of every stage of the pipeline beside references, on held-out recordings.

A recording's similarity is its cosine to the Spanish source, and the normalised similarity: 0 at the floor (other
speakers' Spanish), 1 at the ceiling (the two halves of one recording). Words are recognised by Whisper base, as
Whisper tiny.en also makes the vocoder's content. No four of its tokens may repeat: in the silence after a recording
it sometimes repeats itself.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning import NEAREST, Speaker, VoiceCloningPipeline, build, with_kokoros_speech
from thesis_lib.cloning.files import adapted_to
from thesis_lib.cloning.segments import total_seconds
from thesis_lib.cloning.tts_graph import graph_key
from thesis_lib.config import EncoderConfig
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.vocoders import load_trained_vocoder, vocoder_folder
from thesis_lib.training.adaptation import adapt
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import Scorers, metrics
from thesis_lib.validation.cloning_recordings import (
    SpanishRecording,
    corpus_recordings,
    fingerprints,
    given_recordings,
)
from thesis_lib.validation.cloning_summary import HUMAN, SEVERAL, Source, calibrate_sources, summarise_clones
from thesis_lib.validation.evaluation import ALL, UNMEASURABLE, Columns, Results, Scorer, System, TestSet, evaluate
from thesis_lib.validation.metrics import Calibration
from thesis_lib.validation.roles import SELECTS, Roles, lineage, named_lineage
from thesis_lib.validation.scoring import words
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.loading import load_vocoder
from thesis_lib.vocoder.synthesis import vocoder_key

BASELINE_VOICE = "af_heart"  # Kokoro's, of the baselines
KOKORO, KOKORO_NEAREST = "Kokoro, one fixed voice", "Kokoro, the nearest voice"
OURS, OURS_FIXED, OURS_ADAPTED = "ours", "ours, from the fixed voice", "ours, adapted"
OWN_VOCODER = "the run's conversion vocoder"
RECOGNISER = "whisper-base"
EMOTION2VEC = "emotion2vec"  # the one encoder that is loaded from a folder of the user
NEAREST_ENCODER = "ecapa"  # chooses the nearest of Kokoro's voices
ABOUT = ("test_set", "id", "speaker", "system")
ADAPTATION_STEPS = "steps of the adapted vocoder"  # column of the table of seconds; of its best checkpoint
INPUTS, EARLIER_INPUTS = "cloning_inputs", "cloning_asked"  # JSON files of the run: what the report was made of
Spoken = tuple[np.ndarray, str]  # (N,) output, and the text that it should say; empty where that is not known
Adaptation = Callable[[VoiceCloningPipeline, Path], VoiceCloningPipeline]  # adapts the vocoder to a recording

__all__ = ["HUMAN", "SEVERAL", "clone_report", "clone_sample", "summarise_clones"]


@dataclass(frozen=True)
class Cloned:
    """The pipeline's outputs for a recording."""

    recording: SpanishRecording
    source: Source
    speaker: Speaker
    transcript: str
    translation: str
    outputs: dict[str, np.ndarray]  # system -> (N,) at the vocoder's rate
    seconds: dict[str, float | None]  # of each stage of our system; ADAPTATION_STEPS -> steps, where adapted

    @property
    def about(self) -> dict[str, str]:
        """The columns that identify it."""
        test_set = self.recording.test_set + (SEVERAL if self.speaker.others else "")
        return {"test_set": test_set, "id": self.recording.id, "speaker": self.recording.speaker}

    @property
    def texts(self) -> dict[str, str]:
        """What was said, translated, and the reference."""
        return {"transcript": self.transcript, "translation": self.translation, "reference": self.recording.reference}


def clone_report(
    run: Run,
    progress: Progress = silent,
    vocoder: str | None = None,
    pairs: Path | None = None,
    spanish: Iterable[Path] = (),
    minutes: float = 0.0,
) -> pd.DataFrame:
    """Evaluate the pipeline: one row for each recording and system.

    Beside it are tables of the summary, of what was not measured and of the stages' seconds, and samples. The
    recordings are test utterances of the run's corpus; those of ``pairs``, in the layout of ``validate --pairs``; and
    those of each folder in ``spanish``, of one speaker a folder. The vocoder is the run's own unless one is named;
    with ``minutes``, it is also adapted to each human recording of one speaker that long. A report that is there is
    made again where the vocoder or a recording has changed. Raises RunError where the run has no trained vocoder and
    none is named.
    """
    if vocoder is None:
        load_trained_vocoder(run, "conversion")  # says which command trains one
    source = vocoder or str(vocoder_folder(run, "conversion"))
    given = given_recordings(pairs, spanish)
    outside = {vocoder or OWN_VOCODER: vocoder_key(source)} | fingerprints(given)
    inputs = {"outside": outside, "minutes": minutes, "tts": graph_key(run.config.cloning.tts)}
    if run.has("cloning") and _is_current(run, inputs):
        return run.load_table("cloning")
    encoders = _encoders(run, vocoder)
    pipeline = build(source, run.config.cloning, encoders=encoders, device=run.device)
    recordings = [*corpus_recordings(run), *given]
    scorers, recogniser = Scorers.load(run.config), Whisper(no_repeat=4)
    adapted = _adaptation(run, minutes, encoders) if minutes else None
    results, times, sources = _clone_and_score(run, pipeline, recordings, adapted, scorers, recogniser, progress)
    names = {column: encoder.name for column, encoder in scorers.encoders.items()}
    known, reasons = calibrate_sources(sources, names)
    every = dict.fromkeys(ABOUT, ALL)
    results.missing.extend(every | {"reason": f"normalised {names[x]}: {why}"} for x, why in reasons.items())
    weights = scorers.revisions | {recogniser.name: recogniser.revision}
    provenance = run.provenance_of("conversion", weights=weights, outside=outside)
    run.save_table("cloning_not_measured", results.not_measured(ABOUT), provenance)
    if not results.rows:
        raise RunError("no recording could be measured; tables/cloning_not_measured.csv has the reasons")
    table = _normalised(results.table, {names[column]: calibration for column, calibration in known.items()})
    summary = summarise_clones(table, names.values(), run.config.corpus.name)
    summary["role"] = _roles(run, vocoder, pipeline.vocoder.description, summary, names.values())
    run.save_table("cloning_seconds", pd.DataFrame(times), provenance)
    run.save_table("cloning_summary", summary, provenance)
    run.save_json(INPUTS, inputs)
    run.save_table("cloning", table, provenance)
    return table


def _clone_and_score(
    run: Run,
    pipeline: VoiceCloningPipeline,
    recordings: Sequence[SpanishRecording],
    adapted: Adaptation | None,
    scorers: Scorers,
    recogniser: Whisper,
    progress: Progress,
) -> tuple[Results, list[Columns], list[Source]]:
    """The results of all recordings, and the stages' seconds and the source of each that could be cloned."""
    results, times, sources = Results(), [], []
    for number, recording in enumerate(progress(recordings, len(recordings), "clone")):
        human = recording.test_set != run.config.corpus.name
        try:
            cloned = _cloned(pipeline, recording, scorers, adapted if human else None)
        except UNMEASURABLE as error:
            about = {"test_set": recording.test_set, "id": recording.id, "speaker": recording.speaker}
            results.missing.append(about | {"system": ALL, "reason": str(error)})
            continue
        sources.append(cloned.source)
        times.append(cloned.about | _seconds(cloned, scorers))
        results += _evaluated(run, number, cloned, scorers, recogniser)
    return results, times, sources


def _is_current(run: Run, inputs: dict[str, Any]) -> bool:
    """Whether the run's report is of these recordings and this vocoder, as they are now.

    Earlier versions wrote ``EARLIER_INPUTS``; the first recorded names only, and are valid for the run's own vocoder
    and corpus, which the provenance has. A report without the TTS was made with Kokoro in int8.
    """
    before = run.load_json(INPUTS if (run.path / "tables" / f"{INPUTS}.json").exists() else EARLIER_INPUTS)
    if list(inputs["outside"]) == [OWN_VOCODER] and before == [None, "None", [], inputs["minutes"]]:
        before = {name: inputs[name] for name in ("outside", "minutes")}
    return isinstance(before, dict) and {"tts": "int8"} | before == inputs


def _seconds(cloned: Cloned, scorers: Scorers) -> dict[str, float | None]:
    """Seconds of the Spanish, of our output, and of each stage; and the steps of the adapted vocoder."""
    wavs = {"source": cloned.source.recording.wav, "output": cloned.outputs[OURS]}
    return {name: len(wav) / scorers.audio.sample_rate for name, wav in wavs.items()} | cloned.seconds


def _evaluated(run: Run, number: int, cloned: Cloned, scorers: Scorers, recogniser: Whisper) -> Results:
    """Evaluate every output of one recording, and its published English; their audio is kept as samples."""
    rate, published = scorers.audio.sample_rate, cloned.recording.published

    def system(name: str) -> System[Cloned, Spoken]:
        def render(item: Cloned) -> Spoken:
            if name in published:
                return read_audio(published[name], rate)[0], item.recording.reference
            return item.outputs[name], item.translation

        return System(name, render, about={"system": name} | cloned.texts)

    def keep(item: Cloned, system: System[Cloned, Spoken], output: Spoken) -> None:
        write_audio(clone_sample(run, number, system.name), output[0], rate)

    scorer = Scorer[Cloned, Spoken](lambda item, output: _measured(*output, item.source, scorers, recogniser))
    systems = [system(name) for name in (*cloned.outputs, *published)]
    return evaluate(TestSet([cloned], lambda item: item.about), systems, [scorer], keep=keep, parallel=True)


def _normalised(table: pd.DataFrame, known: dict[str, Calibration]) -> pd.DataFrame:
    """The table with each encoder's normalised similarity, and its percentile among halves of one recording."""
    for name, calibration in known.items():
        table[f"{name}_normalised"] = [calibration.normalised(value) for value in table[name]]
        table[f"{name}_percentile"] = [calibration.percentile(value) for value in table[name]]
    return table


def clone_sample(run: Run, number: int, system: str) -> Path:
    """Path of the audio of an output."""
    return run.path / "samples" / f"clone_{number}_{re.sub('[^a-z]+', '_', system.lower())}.mp3"


def _encoders(run: Run, named: str | None) -> EncoderConfig:
    """How the encoders of the condition are computed, by the run's settings; the vocoder's description names them."""
    given, kept = run.config.encoders, {"device", "precision"}
    if given.emotion_folder and (named is None or load_vocoder(named).description.emotion_encoder.name == EMOTION2VEC):
        kept.add("emotion_folder")
    return EncoderConfig(**given.model_dump(include=kept))


def _adaptation(run: Run, minutes: float, encoders: EncoderConfig) -> Adaptation:
    """The pipeline and a recording -> the pipeline with a vocoder that is adapted to it for ``minutes``."""
    adapter = partial(adapt, encoders=encoders, plugins=run.config.plugins)
    return lambda pipeline, recording: adapted_to(pipeline, [recording], minutes, adapter)


def _cloned(
    pipeline: VoiceCloningPipeline, recording: SpanishRecording, scorers: Scorers, adapted: Adaptation | None
) -> Cloned:
    """Run the pipeline on a recording, also with the baseline voice and, where given, with an adapted vocoder."""
    wav, _ = read_audio(recording.source, scorers.audio.sample_rate)
    segments = list(speech_segments([wav], pipeline.sample_rate))
    speaker = pipeline.analyse_speaker(segments, recording.source, is_translated=True)
    translated = list(pipeline.translate(segments, recording.source))

    def sides(using: VoiceCloningPipeline) -> tuple[np.ndarray, np.ndarray, dict[str, float | None]]:
        made, kokoro = list(using.synthesise(translated, speaker)), with_kokoros_speech(using)
        spoken = [s.content for s in made] if kokoro is using else [kokoro.content(s, speaker) for s in translated]
        return np.concatenate(spoken), np.concatenate([s.wav for s in made]), {**total_seconds(made)}

    content, output, seconds = sides(pipeline)
    outputs = {KOKORO: content, OURS: output}
    if pipeline.config.voice == NEAREST:
        fixed = pipeline.copy_with(config=pipeline.config.model_copy(update={"voice": BASELINE_VOICE}))
        plain, from_plain, _ = sides(fixed)
        outputs = {KOKORO: plain, KOKORO_NEAREST: content, OURS_FIXED: from_plain, OURS: output}
    if adapted and not speaker.others:  # adapted to two speakers, a vocoder would mix their voices
        own = adapted(pipeline, recording.source)
        outputs[OURS_ADAPTED] = sides(own)[1]
        seconds |= {ADAPTATION_STEPS: own.vocoder.description.steps}
    transcript, translation = (" ".join(getattr(s, side) for s in translated) for side in ("transcript", "english"))
    source = Source(wav, recording.speaker, scorers, several=bool(speaker.others))
    return Cloned(recording, source, speaker, transcript, translation, outputs, seconds)


def _measured(output: np.ndarray, text: str, source: Source, scorers: Scorers, recogniser: Whisper) -> Columns:
    """Cosines to the source, recognised words, predicted opinion, and the prosody of source and output."""
    recording = scorers.record(output)
    vectors = scorers.vectors(recording)
    found: Columns = {
        encoder.name: metrics.cosine(vectors[column], source.vectors[column])
        for column, encoder in scorers.encoders.items()
    }
    if text:
        found |= words(recogniser, recording, text)
    else:  # published English without a transcript
        found["recognised"] = recogniser(recording.wideband, metrics.WIDEBAND, "en").text
    if "dnsmos" in scorers.chosen:
        found |= metrics.dnsmos(recording)
    found |= {f"source_{name}": value for name, value in source.prosody.items()}
    return found | _output_prosody(recording)


def _output_prosody(recording: metrics.Recording) -> Columns:
    """The prosody of an output; NaN, and the reason in ``prosody_reason``, where hardly anything of it is voiced."""
    try:
        values, reason = metrics.prosody(recording), ""
    except metrics.MetricError as error:
        values, reason = dict.fromkeys(metrics.PROSODY, np.nan), str(error)
    return {f"output_{name}": value for name, value in values.items()} | {"prosody_reason": reason}


def _roles(
    run: Run, named: str | None, vocoder: VocoderDescription, summary: pd.DataFrame, encoders: Iterable[str]
) -> list[str]:
    """The role of each row's network in the vocoder, or in the choice of Kokoro's voice."""
    selects = {NEAREST_ENCODER} if run.config.cloning.voice == NEAREST else set()
    own = lineage(run.config, "conversion", vocoder) if named is None else named_lineage(named, vocoder)
    roles = Roles.along(own) | Roles({name: frozenset({SELECTS}) for name in selects})
    names = {name: name for name in encoders}
    return [roles.of_metric(_network_metric(metric, names), names, RECOGNISER) for metric in summary.metric]


def _network_metric(metric: str, encoders: Iterable[str]) -> str:
    """The name under which ``validation.roles`` knows a metric of the report."""
    for name in encoders:
        if metric in (name, f"{name}_normalised", f"{name}_percentile"):
            return name
    return f"follows_{metric.removesuffix('_correlation')}" if metric.endswith("_correlation") else metric
