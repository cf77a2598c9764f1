"""The stage "analyse": pitch and content features of every English recording, measured once and kept."""

from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import Pitch
from thesis_lib.config import ContentConfig
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.runs.folder import Run
from thesis_lib.utils.files import replacing
from thesis_lib.vocoder.content import Analysis, analyse


def analysis_path(run: Run, utterance: Utterance, config: ContentConfig) -> Path:
    """Where ``stored_analysis`` keeps it."""
    return run.path / "analyses" / config.kind / f"{utterance.id}.npz"


def stored_analysis(
    run: Run, manifest: Manifest, utterance: Utterance, log_mel: LogMel, config: ContentConfig
) -> Analysis:
    """The English recording's analysis, from the run's folder or computed and stored."""
    path = analysis_path(run, utterance, config)
    if not path.exists():
        found = analyse(read_audio(manifest.target(utterance))[0], log_mel, config)
        with replacing(path) as partial, open(partial, "wb") as stream:
            half = found.phonetic.astype(np.float16)
            own = found.pitch
            np.savez(stream, mel_mean=found.mel_mean, phonetic=half, log_f0=own.log_f0, voicing=own.voicing)
    with np.load(path, allow_pickle=False) as stored:
        pitch = Pitch(stored["log_f0"], stored["voicing"])
        return Analysis(pitch, stored["mel_mean"], stored["phonetic"].astype(np.float32))
