"""Which of a source's speaking style the cloned English carries: emotion recall, prosody, words, quality and voice.

THESIS_EMOTIONS names a folder of acted recordings: with a table utterances.tsv (path, speaker, emotion; optional use),
or as SPEAKER/EMOTION_*.wav. Rows marked "train" are left out. The English text is given, because the recordings may be
in any language: the pipeline sees the sentences of ``TEXTS`` in turn.

The recall is that of a probe that is neither a condition nor a loss of any vocoder here: logistic regression on mean
and standard deviation of the states of Whisper base's encoder, loudness removed. It is trained on the recordings of
the other speakers, standardised for each speaker, and applied to the output for the speaker that was left out.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from benchmarks.acted import TABLE, acted_folder, acted_table
from thesis_lib.audio.files import AudioError, read_audio, resample
from thesis_lib.audio.loudness import at_loudness
from thesis_lib.audio.pitch import track
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build
from thesis_lib.cloning.prosody import prosody_of
from thesis_lib.config import AudioConfig, CloningConfig, CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed, evaluation_encoders
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.errors import MetricError
from thesis_lib.validation.metrics import Bounded, Recording, bootstrap, cosine, dnsmos, prosody, word_errors

TEXTS = (
    "Kids are talking by the door.",
    "She will hand it in on Wednesday.",
    "The tablecloth is lying on the fridge.",
    "I never said that you could take it away.",
)
SOURCE, TTS, OURS = "source", "TTS", "ours"
VARIANTS = {"ours, without rate and dynamics": {"follow_rate": False, "follow_dynamics": False}, OURS: {}}
# Of eGeMAPS; the others are those of ``validation.metrics.prosody``.
FUNCTIONALS = {
    "loudness": "loudness_sma3_amean",
    "loudness variation": "loudness_sma3_stddevNorm",
    "loudness peaks a second": "loudnessPeaksPerSec",
    "alpha ratio": "alphaRatioV_sma3nz_amean",
    "harmonics-to-noise ratio": "HNRdBACF_sma3nz_amean",
    "jitter": "jitterLocal_sma3nz_amean",
}
PROBE_LUFS = -23.0
PROBE_INVERSE_PENALTY = 0.01
RESAMPLES = 1000
QUICK_SPEAKERS, QUICK_EMOTIONS = 2, 3


def run(quick: bool) -> dict:
    """Recall, correlations within a speaker, WER, DNSMOS and cosines to the source's voice, a row each system."""
    warnings.filterwarnings("ignore", category=UserWarning)
    table = recordings()
    if quick:
        speakers, emotions = (
            sorted(table[name].unique())[:n] for name, n in (("speaker", QUICK_SPEAKERS), ("emotion", QUICK_EMOTIONS))
        )
        table = table[table.speaker.isin(speakers) & table.emotion.isin(emotions)]
    table = table.groupby(["speaker", "emotion"]).head(1).reset_index(drop=True)
    measured, missing = _measured(table)
    rows = [row for system, found in measured.groupby("system", sort=False) for row in _rows(system, found, measured)]
    return {
        "recordings": int(measured.number.nunique()),
        "speakers": int(measured.speaker.nunique()),
        "emotions": sorted(measured.emotion.unique()),
        "chance": {"recall": 1 / measured.emotion.nunique()},
        "bundled voices": {side: neutral(side, QUICK_SPEAKERS if quick else None) for side in ("es", "en")},
        "rows": rows,
        "not measured": missing,
    }


def recordings() -> pd.DataFrame:
    """path, speaker and emotion of each recording of the folder that may be measured."""
    folder = acted_folder(f"{TABLE}, or with SPEAKER/EMOTION_*.wav")
    if (folder / TABLE).exists():
        table = acted_table(folder)
        return table.assign(path=[folder / path for path in table.path])
    paths = sorted(folder.glob("*/*_*.wav"))
    if not paths:
        raise SystemExit(f"{folder} has neither {TABLE} nor SPEAKER/EMOTION_*.wav")
    return pd.DataFrame([{"path": p, "speaker": p.parent.name, "emotion": p.stem.split("_")[0]} for p in paths])


def _measured(table: pd.DataFrame) -> tuple[pd.DataFrame, list[dict]]:
    """A row each system and recording, and what could not be measured."""
    pipeline, rows, missing = build(config=CloningConfig()), [], []
    measure = Measures()
    for number, row in enumerate(tqdm(table.itertuples(), "clones", len(table))):
        text = TEXTS[number % len(TEXTS)]
        wav, rate = read_audio(row.path)
        try:
            for system, (output, output_rate) in systems(pipeline, wav, rate, text, row.path).items():
                found = measure(output, output_rate, wav, rate, None if system == SOURCE else text)
                names = {"system": system, "number": number, "speaker": row.speaker, "emotion": row.emotion}
                rows.append(names | found)
        except (AudioError, MetricError) as error:
            reason = str(error).replace(f"{row.path.parent}/", "")
            missing.append({"number": number, "speaker": row.speaker, "recording": row.path.name, "reason": reason})
    left_out = {entry["number"] for entry in missing}
    return pd.DataFrame([row for row in rows if row["number"] not in left_out]), missing


def systems(
    pipeline: VoiceCloningPipeline, wav: np.ndarray, rate: int, text: str, name: object
) -> dict[str, tuple[np.ndarray, int]]:
    """System -> its (N,) and sample rate; the source is its speech segments, which the others are made from."""
    segments = list(speech_segments([wav], rate))
    speaker = pipeline.analyse_speaker(segments, name)
    found = {SOURCE: (np.concatenate([segment.wav for segment in segments]), RATE)}
    for variant, changes in VARIANTS.items():
        changed = pipeline.copy_with(config=pipeline.config.model_copy(update=changes))
        (made,) = changed.synthesise(changed.from_text(text, segments, name), speaker)
        found.setdefault(TTS, (made.content, pipeline.sample_rate))
        found[variant] = (made.wav, pipeline.sample_rate)
    return found


class Measures:
    """(N,) speech -> the probe's input, prosodic statistics, word errors, DNSMOS and cosines to a source."""

    def __init__(self) -> None:
        self.recogniser, self.egemaps = Whisper("whisper-base"), Egemaps()
        self.encoders = evaluation_encoders(EncoderConfig())

    def __call__(self, wav: np.ndarray, rate: int, source: np.ndarray, source_rate: int, text: str | None) -> dict:
        """One row. MetricError, AudioError: a recording in which hardly anything is voiced or audible."""
        narrow, recording = resample(wav, rate, RATE), Recording(wav, rate)
        even = at_loudness(narrow, PROBE_LUFS, RATE)
        states = self.recogniser.encode(even, RATE)
        functionals = dict(zip(self.egemaps.feature_names, self.egemaps.encode(narrow), strict=True))
        found = prosody(recording) | {name: float(functionals[key]) for name, key in FUNCTIONALS.items()}
        found |= {"probe": np.concatenate([states.mean(0), states.std(0)]), "DNSMOS": dnsmos(recording)["dnsmos_ovrl"]}
        if text is None:
            return found
        errors, words = word_errors(self.recogniser(narrow, RATE, "en").text, text)
        cosines = {f"cosine, {e.name}": cosine(*(embed(e, *x) for x in ((wav, rate), (source, source_rate))))
                   for e in self.encoders}  # fmt: skip
        return found | {"errors": errors, "words": words} | cosines


def neutral(side: str, count: int | None = None) -> dict[str, float]:
    """Medians of the bundled recordings of a language ("es", "en"): what average prosody is."""
    found, audio = [], AudioConfig()
    for name in mini.table(CorpusConfig(name="mini")).id[:count]:
        wav, rate = read_audio(mini.bundle() / "audio" / f"{name}.{side}.opus", RATE)
        speech = np.concatenate([segment.wav for segment in speech_segments([wav], rate)])
        pitch = track(resample(speech, RATE, audio.sample_rate), audio)
        prosody = prosody_of(speech, RATE)
        found.append((pitch.range.log_f0_std, prosody.loudness_variation, prosody.syllable_rate))
    names = ("log-F0 standard deviation", "loudness variation", "syllables a second")
    return dict(zip(names, np.nanmedian(np.array(found, float), 0).tolist(), strict=True)) | {"n": len(found)}


def _rows(system: str, found: pd.DataFrame, every: pd.DataFrame) -> list[dict]:
    source = every[every.system == SOURCE]
    speakers = found.speaker.to_numpy(str)
    statistics = {"recall": Bounded(recall(source, found), 0, 1)}
    if system != SOURCE:
        for name in (*prosody_names(found),):
            pair = (_centred(side, name) for side in (source, found))
            statistics[f"correlation, {name}"] = Bounded(correlation_of_rows(*pair), -1, 1)
        errors, words = found.errors.to_numpy(), found.words.to_numpy()
        statistics["WER"] = Bounded(lambda rows: float(errors[rows].sum() / words[rows].sum()), 0)
    for name in ("DNSMOS", *(column for column in found if column.startswith("cosine, "))):
        values = found[name].to_numpy()
        if np.isfinite(values).all():
            statistics[name] = lambda rows, values=values: float(values[rows].mean())
    rows = []
    for name, statistic in statistics.items():
        value, low, high = bootstrap(len(found), statistic, RESAMPLES, 0, speakers)
        rows.append({"system": system, "statistic": name, "n": len(found), "value": value, "low": low, "high": high})
    return rows


def prosody_names(found: pd.DataFrame) -> list[str]:
    """The columns that hold prosodic statistics."""
    first, last = found.columns.get_loc("f0_median"), found.columns.get_loc("jitter")
    return list(found.columns[first : last + 1])


def _centred(side: pd.DataFrame, name: str) -> np.ndarray:
    """A statistic's distance from its speaker's mean."""
    return (side[name] - side.groupby("speaker")[name].transform("mean")).to_numpy()


def correlation_of_rows(a: np.ndarray, b: np.ndarray):
    """The statistic "Pearson correlation" of some of the rows. MetricError where one side is constant."""

    def statistic(rows: np.ndarray) -> float:
        if min(a[rows].std(), b[rows].std()) == 0:
            raise MetricError("a constant has no correlation")
        return float(np.corrcoef(a[rows], b[rows])[0, 1])

    return statistic


def recall(source: pd.DataFrame, found: pd.DataFrame):
    """The statistic "unweighted average recall" of the probe, trained on the source of the other speakers."""
    emotions, speakers = source.emotion.to_numpy(str), source.speaker.to_numpy(str)
    natural, given = (_standardised(side) for side in (source, found))
    chosen = np.empty(len(found), object)
    for speaker in np.unique(speakers):
        others = speakers != speaker
        probe = LogisticRegression(C=PROBE_INVERSE_PENALTY, max_iter=1000, class_weight="balanced")
        chosen[~others] = probe.fit(natural[others], emotions[others]).predict(given[~others])
    hits = chosen == emotions

    def statistic(rows: np.ndarray) -> float:
        return float(np.mean([hits[rows][emotions[rows] == name].mean() for name in np.unique(emotions[rows])]))

    return statistic


def _standardised(side: pd.DataFrame) -> np.ndarray:
    """The probe's inputs (n, D), with mean 0 and standard deviation 1 for each speaker."""
    vectors, speakers = np.stack(side.probe.to_numpy()), side.speaker.to_numpy(str)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        vectors[own] = (vectors[own] - vectors[own].mean(0)) / np.maximum(vectors[own].std(0), 1e-6)
    return vectors
