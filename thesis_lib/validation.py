"""Validation on speakers that training never saw: one row an utterance and system, then a summary.

Systems: the English recording itself; HiFi-GAN universal and our resynthesis, from the recording's log-mel; our
conversion, from its content and the Spanish side's voice. Speaker similarity is against the *Spanish* recording,
so the ground truth's own similarity is the ceiling. The encoder that conditions the vocoder never scores alone:
judges stand beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib import metrics, models
from thesis_lib.asr import Whisper
from thesis_lib.audio import AudioError, LogMel, read_audio, write_audio
from thesis_lib.config import TASKS, ValidationConfig
from thesis_lib.corpora.split import spread
from thesis_lib.dataset import embedded, prepared, voice_of
from thesis_lib.encoders import Encoder, EncoderError, embed, judge_encoders, speaker_encoder
from thesis_lib.manifest import Manifest, Utterance
from thesis_lib.runs import Progress, Run, silent
from thesis_lib.synthesis import UNIVERSAL, Vocoder, Voice
from thesis_lib.training import train

GROUND_TRUTH, PUBLISHED = "ground truth", "HiFi-GAN universal"
OURS = {"resynthesis": "ours, resynthesis", "conversion": "ours, conversion"}
SAMPLES = 3  # utterances whose audio is kept for the book

# What each column is and which way is better; the encoders' names are added to theirs.
UNITS = {
    "mel_l1": ("mel L1 (nepers)", "lower"),
    "mcd": ("MCD (dB)", "lower"),
    "pesq": ("PESQ-wb", "higher"),
    "dnsmos_ovrl": ("DNSMOS P.835 overall", "higher"),
    "dnsmos_p808": ("DNSMOS P.808", "higher"),
    "wer": ("WER (%)", "lower"),
    "bleu": ("ASR-BLEU", "higher"),
    "speaker": ("cosine to the Spanish source", "higher"),
    "resemblyzer": ("cosine to the Spanish source", "higher"),
    "eres2net": ("cosine to the Spanish source", "higher"),
}

AGAINST_REFERENCE = ("mel_l1", "mcd", "pesq")  # of the ground truth with itself they would say nothing


@dataclass(frozen=True)
class _Scorers:
    """Models that the chosen metrics need, loaded once."""

    log_mel: LogMel
    whisper: Whisper | None
    encoders: dict[str, Encoder]  # column -> encoder


@dataclass(frozen=True)
class _Item:
    """One utterance with what all systems are compared with."""

    utterance: Utterance
    reference: np.ndarray  # (N,) the English recording
    rate: int  # Hz
    sources: dict[str, np.ndarray]  # column -> embedding of the Spanish recording


def select(utterances: list[Utterance], count: int) -> list[Utterance]:
    """``count`` utterances spread evenly over the list."""
    return [utterances[i] for i in spread(len(utterances), count)]


def systems(vocoders: dict[str, Vocoder]) -> dict[str, Callable[[np.ndarray, Voice], np.ndarray]]:
    """Name -> (English recording, voice of the Spanish one) -> what that system makes of it."""
    published = Vocoder.from_pretrained(UNIVERSAL) if models.is_cached(UNIVERSAL) else None
    found = {GROUND_TRUTH: lambda wav, voice: wav}
    if published:
        found[PUBLISHED] = lambda wav, voice: published.render(wav)
    return found | {OURS[task]: vocoder.render for task, vocoder in vocoders.items()}


def validate(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """The per-utterance table; also writes the summary, the reasons of what is missing, and samples."""
    if run.table_path("validation").exists():
        return run.load_table("validation")
    vocoders = {task: train(run, task, progress) for task in TASKS}
    manifest, embeddings = prepared(run, progress), embedded(run, progress)
    chosen = select(manifest.split("test"), run.config.validation.utterances)
    scorers, rendered = _load(run), systems(vocoders)
    rows, missing = [], []
    if PUBLISHED not in rendered:
        reason = f"its weights are not cached: run `thesis models fetch {UNIVERSAL}`"
        missing.append({"id": "all", "system": PUBLISHED, "metric": "all", "reason": reason})
    for number, utterance in enumerate(progress(chosen, len(chosen), "validate")):
        item = _item(utterance, manifest, scorers)
        voice = voice_of(utterance, manifest, embeddings, run.config.audio)
        for name, render in rendered.items():
            wav = render(item.reference, voice)
            row, reasons = _score(name, wav, item, scorers, run.config.validation)
            rows.append(row)
            missing += [{"id": utterance.id, "system": name, "metric": m, "reason": r} for m, r in reasons.items()]
            if number < SAMPLES:
                write_audio(sample_path(run, number, name), wav, item.rate)
    table = pd.DataFrame(rows)
    columns = {column: encoder.name for column, encoder in scorers.encoders.items()}
    run.save_json("validation_encoders", columns | {"condition": embeddings.speaker_encoder})
    run.save_table("validation_not_measured", pd.DataFrame(missing, columns=["id", "system", "metric", "reason"]))
    run.save_table("validation_summary", summarise(table, run.config.validation))
    run.save_table("validation", table)
    return table


def sample_path(run: Run, number: int, system: str) -> Path:
    """Where the audio of one of the first ``SAMPLES`` utterances is kept."""
    return run.path / "samples" / f"validation_{number}_{system.replace(' ', '-').replace(',', '').lower()}.mp3"


def _load(run: Run) -> _Scorers:
    wanted = run.config.validation.metrics
    encoders = {"speaker": speaker_encoder(run.config.encoders)} if "speaker" in wanted else {}
    if "judges" in wanted:
        encoders |= {judge.name: judge for judge in judge_encoders(run.config.encoders)}
    whisper = Whisper("whisper-tiny.en") if "asr" in wanted else None
    return _Scorers(LogMel(run.config.audio), whisper, encoders)


def _item(utterance: Utterance, manifest: Manifest, scorers: _Scorers) -> _Item:
    reference, rate = read_audio(manifest.target(utterance))
    source, source_rate = read_audio(manifest.source(utterance))
    sources = {column: embed(e, source, source_rate, utterance.id) for column, e in scorers.encoders.items()}
    return _Item(utterance, reference, rate, sources)


def _score(
    system: str, wav: np.ndarray, item: _Item, scorers: _Scorers, config: ValidationConfig
) -> tuple[dict, dict[str, str]]:
    """One row and, for each metric that could not be measured, why."""
    utterance, rate = item.utterance, item.rate
    row = {"id": utterance.id, "speaker_id": utterance.speaker, "system": system}
    row |= {"target_text": utterance.target_text}
    reasons: dict[str, str] = {}

    def measure(metric: str, compute: Callable[[], dict[str, float]]) -> None:
        if metric not in (*config.metrics, *scorers.encoders):
            return
        try:
            row.update(compute())
        except (metrics.MetricError, AudioError, EncoderError) as error:  # a silent output, for one
            reasons[metric] = str(error)

    if system != GROUND_TRUTH:  # AGAINST_REFERENCE
        measure("mel_l1", lambda: {"mel_l1": metrics.mel_l1(wav, item.reference, scorers.log_mel)})
        measure("mcd", lambda: {"mcd": metrics.mcd(wav, item.reference, rate)})
        measure("pesq", lambda: {"pesq": metrics.pesq(wav, item.reference, rate)})
    measure("dnsmos", lambda: metrics.dnsmos(wav, rate))
    measure("asr", lambda: _words(scorers.whisper, wav, rate, utterance.target_text))
    for column, encoder in scorers.encoders.items():
        measure(column, lambda c=column, e=encoder: {c: metrics.cosine(embed(e, wav, rate), item.sources[c])})
    return row, reasons


def _words(whisper: Whisper, wav: np.ndarray, rate: int, reference: str) -> dict:
    heard = whisper(wav, rate, language="en").text
    errors, words = metrics.word_errors(heard, reference)
    return {"heard": heard, "word_errors": errors, "words": words}


def summarise(table: pd.DataFrame, config: ValidationConfig) -> pd.DataFrame:
    """system, metric, value, low, high (95 % bootstrap over utterances), n; one row a measured cell."""
    rows = []
    for system, part in table.groupby("system", sort=False):
        statistics = {m: (part[m].dropna().to_numpy(), np.mean) for m in UNITS if m in part and part[m].notna().any()}
        if "heard" in part:
            heard = part.dropna(subset=["heard"])
            pairs = heard[["word_errors", "words"]].to_numpy()
            texts = heard[["heard", "target_text"]].to_numpy()
            statistics["wer"] = (pairs, lambda x: 100 * x[:, 0].sum() / x[:, 1].sum())
            statistics["bleu"] = (texts, lambda x: metrics.corpus_bleu(list(x[:, 0]), list(x[:, 1])))
        for metric, (values, statistic) in statistics.items():
            value, low, high = metrics.bootstrap(
                len(values), lambda i, v=values, f=statistic: float(f(v[i])), config.resamples, config.seed
            )
            rows.append(
                {"system": system, "metric": metric, "value": value, "low": low, "high": high, "n": len(values)}
            )
    return pd.DataFrame(rows)
