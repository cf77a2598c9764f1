"""The style swap: test content in its own voice, with the second embedding of another recording in another style."""

from functools import partial

import numpy as np
import pandas as pd
import torch

from thesis_lib.audio.files import AudioError, read_audio
from thesis_lib.audio.pitch import PitchError, track
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed, emotion_encoder
from thesis_lib.runs.embed import embedded, voice_of
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.swap.speakers import opening
from thesis_lib.vocoder.voice import Voice


def style_swap(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """The same with the second embedding: test content in its own voice, but another recording's style.

    Two conditions of each trial: the embedding alone, and with the pitch range of the style's recording. One row a
    trial and condition: each statistic of content, style and output, and the emotion encoder's standardised
    cosines of the output to style and content.
    """
    if run.has("style_swap"):
        return run.load_table("style_swap")
    vocoder = train(run, "conversion", progress)
    manifest, embeddings = prepared(run), embedded(run, sides=("source",))
    encoder = emotion_encoder(run.config.encoders)
    statistics = vocoder.generator.condition.emotion_statistics

    def style(wav: np.ndarray) -> dict[str, float]:
        return metrics.prosody(metrics.Recording(wav, vocoder.sample_rate, vocoder.audio))

    def standardised(wav: np.ndarray) -> np.ndarray:
        return statistics(torch.tensor(embed(encoder, wav, vocoder.sample_rate))).numpy()

    tests = manifest.split("test")
    contents = [tests[i] for i in spread(len(tests), max(2, int(run.config.swap.trials**0.5)))]
    pairs = [(c, m) for c in contents for m in contents if c.style != m.style and c.speaker != m.speaker]
    rows, missing = [], []
    for content, other in progress(pairs, len(pairs), "swap, style"):
        own, lent = (voice_of(u, manifest, embeddings, run.config.audio) for u in (content, other))
        wav = opening(read_audio(manifest.target(content))[0], run.config)
        lent_wav = opening(read_audio(manifest.target(other))[0], run.config)
        for condition in ("embedding", "embedding and pitch range"):
            about = {"content": content.id, "style": other.id, "condition": condition}
            about |= {"content_style": content.style, "manner_style": other.style}
            try:
                width = None if condition == "embedding" else track(lent_wav, run.config.audio).range.spread
                output = vocoder.render(wav, Voice(own.speaker, lent.emotion, own.pitch_level, width))
                three = {"content": wav, "style": lent_wav, "output": output}
                measured = {f"{k}_{who}": v for who, x in three.items() for k, v in style(x).items()}
                vectors = [standardised(x) for x in three.values()]
            except (AudioError, PitchError, metrics.MetricError) as error:
                missing.append(about | {"reason": str(error)})
                continue
            cosines = {"to_content": vectors[0], "to_style": vectors[1]}
            measured |= {name: metrics.cosine(vectors[2], vector) for name, vector in cosines.items()}
            rows.append(about | measured)
    table = pd.DataFrame(rows)
    run.save_table("manner_swap_not_measured", pd.DataFrame(missing, columns=[*about, "reason"]))
    run.save_table("style_swap", table, run.provenance_of("conversion"))
    return table


def style_summary(table: pd.DataFrame, seed: int, resamples: int = 1000) -> pd.DataFrame:
    """How much of the wished change the output makes: the slope of (output - content) on (style - content).

    Columns: condition, statistic, slope through the provenance with its 95 % bootstrap over trials, n.
    """
    rows = []
    for condition, part in table.groupby("condition", sort=False):
        # The vocoder keeps the content's timing, so rate and pauses cannot follow.
        for name, label in metrics.PROSODY.items():
            wished = (part[f"{name}_style"] - part[f"{name}_content"]).to_numpy()
            made = (part[f"{name}_output"] - part[f"{name}_content"]).to_numpy()
            slope, low, high = metrics.bootstrap(
                len(part),
                partial(_slope, wished, made),
                resamples,
                seed,
            )
            row = {"condition": condition, "statistic": label, "slope": slope, "low": low, "high": high}
            rows.append(row | {"n": len(part)})
    return pd.DataFrame(rows)


def _slope(wished: np.ndarray, made: np.ndarray, i: np.ndarray) -> float:
    return float((wished[i] * made[i]).sum() / max((wished[i] ** 2).sum(), 1e-9))
