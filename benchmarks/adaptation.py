"""What a minute on four seconds of a human voice adds to the released weights (THESIS_HUMAN).

Each of some speakers lends the first half of a recording to adapt to and to condition on; other speakers' words are
then rendered in that voice and compared with the second half.
"""

import os
import shutil
from pathlib import Path

import pandas as pd

from benchmarks.quality import Material
from thesis_lib.audio.files import write_audio
from thesis_lib.reporting import bar
from thesis_lib.training.adaptation import adapt
from thesis_lib.validation.adaptation import AFTER, BEFORE, scored_row
from thesis_lib.validation.swap import System, summarise
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

VOICES, CONTENTS, MINUTES = 4, 6, 1.0
SECONDS = 4.0  # of the first half of a recording; shorter ones are passed over
FOLDER = Path("runs/adaptation")


def run(quick: bool) -> dict:
    """Shares target_preference and ways with intervals over voices, before and after."""
    before = Vocoder.from_pretrained(DEFAULT)
    test_set = Material(before.encoders.emotion, quick)
    minutes = 0.02 if quick else MINUTES
    shutil.rmtree(FOLDER, ignore_errors=True)  # a saved adaptation would not be of these weights
    rows, steps = [], []
    whole = [s for s in test_set.speakers if len(s.content) > 0.95 * SECONDS * before.sample_rate]
    for number, target in enumerate(whole[:VOICES]):
        recording = FOLDER / f"{number}.wav"
        write_audio(recording, target.content, before.sample_rate)
        adapted = adapt([recording], FOLDER / str(number), DEFAULT, minutes, bar)
        steps.append(adapted.meta["steps"])
        contents = [speaker for speaker in test_set.speakers if speaker.name != target.name]
        for stage, vocoder in ((BEFORE, before), (AFTER, adapted)):
            system = System("conversion", stage, vocoder)
            for content in contents[number :: max(1, len(contents) // CONTENTS)][:CONTENTS]:
                wav = system.render(content.content, target.voice)
                rows += [scored_row("human", stage, wav, target, content, encoder) for encoder in test_set.encoders]
    return {
        "voices": len(steps),
        "seconds": SECONDS,
        "minutes": minutes,
        "steps": steps,
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
        "rows": summarise(pd.DataFrame(rows), seed=0).to_dict("records"),
    }
