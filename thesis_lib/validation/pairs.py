"""Human speech beside what others have published of it: Spanish recordings, and English ones that belong to them.

A folder holds GROUP_es_src/NAME and, for each published system, GROUP_en_SYSTEM/NAME of the same utterance. Where
there is an English recording in some canonical voice (SYSTEM is ``ref``), our conversion renders it in the Spanish
speaker's.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import track
from thesis_lib.config import ValidationConfig
from thesis_lib.embeddings.encoders import embed, emotion_encoder, speaker_encoder
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import train
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.scoring import PREDICTORS, UNMEASURABLE, Scorers
from thesis_lib.validation.systems import OURS
from thesis_lib.vocoder.voice import Voice

CANONICAL = "ref"
OTHER_VOICE = "another Spanish speaker"
Convert = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
GUIDANCE = (1.0, 2.0)  # as trained, and as strong as the swap test's stronger system


def recordings(folder: Path) -> dict[str, dict[str, dict[str, Path]]]:
    """group -> system -> name -> file; the Spanish side is the system "source". RunError where it has none."""
    found: dict[str, dict[str, dict[str, Path]]] = {}
    for source in sorted(Path(folder).glob("*_es_src")):
        group = source.name.removesuffix("_es_src")
        prefix = f"{group}_en_"
        found[group] = {"source": _files(source)}
        found[group] |= {p.name.removeprefix(prefix): _files(p) for p in sorted(Path(folder).glob(f"{prefix}*"))}
    if not any(found[group]["source"] for group in found):
        raise RunError(f"{folder} holds no recordings in folders named GROUP_es_src: is it the right one?")
    return found


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")}


def validate_pairs(run: Run, folder: Path, progress: Progress = silent) -> pd.DataFrame:
    """Similarity to the Spanish speaker and predicted opinion of every recording; a row a recording.

    Columns: group, id, system, one an encoder, dnsmos_ovrl, dnsmos_p808, plcmos. The floor is another Spanish
    speaker of the same group. The summary and what could not be measured stand in tables of their own. Raises
    RunError for a folder that is laid out otherwise.
    """
    groups, scorers = recordings(folder), Scorers.load(run.config)
    convert, rows, missing = _converter(run, progress), [], []
    work = [(group, name) for group, systems in groups.items() for name in systems["source"]]
    for group, name in progress(work, len(work), "validate, human pairs"):
        systems, rate = groups[group], run.config.audio.sample_rate
        source = scorers.record(read_audio(systems["source"][name], rate)[0])
        wanted, _ = scorers.vectors(source)
        for system, wav in _outputs(systems, name, source.wav, convert, rate):
            about = {"group": group, "id": name, "system": system}
            try:
                output = scorers.record(wav)
                given, reasons = scorers.vectors(output)
                if reasons:
                    raise metrics.MetricError(next(iter(reasons.values())))
                cosines = {column: metrics.cosine(given[column], wanted[column]) for column in scorers.encoders}
                opinions = [PREDICTORS[name](output) for name in PREDICTORS if name in scorers.chosen]
            except UNMEASURABLE as error:
                missing.append(about | {"reason": str(error)})
                continue
            rows.append(about | cosines | {key: value for one in opinions for key, value in one.items()})
    table = pd.DataFrame(rows)
    provenance = run.provenance_of("conversion", weights=scorers.revisions)
    run.save_table("pairs_not_measured", pd.DataFrame(missing, columns=["group", "id", "system", "reason"]))
    run.save_table("pairs_summary", summarise_pairs(table, run.config.validation), provenance)
    run.save_table("pairs", table, provenance)
    return table


def _outputs(
    systems: dict[str, dict[str, Path]], name: str, source: np.ndarray, convert: Convert, rate: int
) -> Iterator[tuple[str, np.ndarray]]:
    """(system, samples) of one utterance: the floor, what is published, and ours."""
    names = list(systems["source"])
    other = names[(names.index(name) + 1) % len(names)]
    if other != name:
        yield OTHER_VOICE, read_audio(systems["source"][other], rate)[0]
    for system, files in systems.items():
        if system != "source" and name in files:
            yield system, read_audio(files[name], rate)[0]
    if name in systems.get(CANONICAL, {}):
        content = read_audio(systems[CANONICAL][name], rate)[0]
        for guidance, wav in zip(GUIDANCE, convert(content, source), strict=True):
            yield f"{OURS['conversion']}, guidance {guidance:g}", wav


def _converter(run: Run, progress: Progress) -> Convert:
    """(content, Spanish recording) -> our conversion at each strength."""
    vocoder, encoders = train(run, "conversion", progress), run.config.encoders
    rate, speaker, emotion = run.config.audio.sample_rate, speaker_encoder(encoders), emotion_encoder(encoders)

    def convert(content: np.ndarray, source: np.ndarray) -> list[np.ndarray]:
        level = track(source, run.config.audio).level
        voice = Voice(embed(speaker, source, rate), embed(emotion, source, rate), level)
        return [vocoder.render(content, voice, guidance) for guidance in GUIDANCE]

    return convert


def summarise_pairs(table: pd.DataFrame, config: ValidationConfig) -> pd.DataFrame:
    """group, system, metric, mean, 95 % interval over utterances (a speaker each), n."""
    rows = []
    for (group, system), part in table.groupby(["group", "system"], sort=False):
        for metric in part.columns.drop(["group", "id", "system"]):
            values = part[metric].dropna().to_numpy()
            if len(values) < 2:
                continue
            value, low, high = metrics.bootstrap(len(values), metrics.mean_of(values), config.resamples, config.seed)
            row = {"group": group, "system": system, "metric": metric, "value": value, "low": low, "high": high}
            rows.append(row | {"n": len(values)})
    return pd.DataFrame(rows)
