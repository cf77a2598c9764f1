"""What a minute of adaptation to four seconds of a human voice adds to the released weights (THESIS_HUMAN).

The first half of a recording is what the vocoder is adapted to and conditioned on; other speakers' content is then
rendered in that voice and compared with the second half.
"""

import os
import shutil
from pathlib import Path

from benchmarks.quality import HumanTest
from thesis_lib.audio.files import write_audio
from thesis_lib.reporting import bar
from thesis_lib.training.adaptation import adapt
from thesis_lib.validation import Results
from thesis_lib.validation.adaptation import compared
from thesis_lib.validation.swap import summarise_swaps
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

SPEAKERS, CONTENTS, MINUTES = 4, 6, 1.0
SECONDS = 4.0  # of the first half of a recording
MIN_SHARE_OF_SECONDS = 0.95  # shorter ones are left out
FOLDER = Path("runs/adaptation")


def run(quick: bool) -> dict:
    """Target-preference rates and similarities before and after, with intervals over target speakers."""
    before = Vocoder.from_pretrained(DEFAULT)
    test_set = HumanTest(before.encoders.emotion, quick)
    minutes = 0.02 if quick else MINUTES
    shutil.rmtree(FOLDER, ignore_errors=True)  # a saved adaptation may be of other weights
    results, steps = Results(), []
    least = MIN_SHARE_OF_SECONDS * SECONDS * before.sample_rate
    whole = [speaker for speaker in test_set.speakers if len(speaker.content) > least]
    for number, target in enumerate(whole[:SPEAKERS]):
        recording = FOLDER / f"{number}.wav"
        write_audio(recording, target.content, before.sample_rate)
        adapted = adapt([recording], FOLDER / str(number), DEFAULT, minutes, bar)
        steps.append(adapted.meta["steps"])
        others = [speaker for speaker in test_set.speakers if speaker.name != target.name]
        contents = others[number :: max(1, len(others) // CONTENTS)][:CONTENTS]
        results += compared("human", before, adapted, target, contents, test_set.scorers)
    return {
        "voices": len(steps),
        "seconds": SECONDS,
        "minutes": minutes,
        "steps": steps,
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())),
        "rows": summarise_swaps(results.table, seed=0).drop(columns="reason").to_dict("records"),
    }
