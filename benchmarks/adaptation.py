"""What speaker adaptation to four seconds of a human voice adds to the released weights, and its cost (THESIS_HUMAN).

The first half of a recording is what the vocoder is adapted to and conditioned on; other speakers' content is then
rendered in that voice and compared with the second half. The cost is in word errors and predicted opinion. The
training has a number of steps instead of minutes, so that the result does not depend on the speed of the machine.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.json_rows import records
from benchmarks.quality import CONVERSION, HumanTest, differences_of_systems, summarise_systems
from benchmarks.together import complete_rows
from thesis_lib.audio.files import write_audio
from thesis_lib.reporting import bar
from thesis_lib.training.adaptation import adapt
from thesis_lib.validation import Results
from thesis_lib.validation.adaptation import AFTER, BEFORE, compared
from thesis_lib.validation.speaker_test.summary import ALL_PAIRS, gains
from thesis_lib.validation.swap import SwapSpeaker, SwapSystem, Trial, summarise_swaps
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

SPEAKERS, QUICK_SPEAKERS, CONTENTS = 24, 4, 6
STEPS, QUICK_STEPS = 150, 2  # 150: about a minute on one quiet core
MAX_MINUTES = 30.0
SECONDS = 4.0  # of the first half of a recording
MIN_SHARE_OF_SECONDS = 0.95  # shorter ones are left out
FOLDER = Path("runs/adaptation")
RESAMPLES = 1000


def run(quick: bool) -> dict:
    """Similarity, identification, acceptance before and after, and the gain; intervals over targets and contents.

    "quality" has word error rates and DNSMOS before and after, and "cost" their paired differences.
    """
    before = Vocoder.from_pretrained(DEFAULT)
    test_set = HumanTest(before.encoders.emotion, quick)
    steps = QUICK_STEPS if quick else STEPS
    shutil.rmtree(FOLDER, ignore_errors=True)  # a saved adaptation may be of other weights
    results, quality, minutes = Results(), Results(), []
    least = MIN_SHARE_OF_SECONDS * SECONDS * before.sample_rate
    whole = [speaker for speaker in test_set.speakers if len(speaker.content) > least]
    for number, target in enumerate(whole[: QUICK_SPEAKERS if quick else SPEAKERS]):
        recording = FOLDER / f"{number}.wav"
        write_audio(recording, target.content, before.sample_rate)
        adapted = adapt([recording], FOLDER / str(number), DEFAULT, MAX_MINUTES, bar, steps=steps)
        minutes.append(adapted.meta["minutes"])
        contents = contents_for(number, [speaker for speaker in test_set.speakers if speaker.name != target.name])
        results += compared("human", before, adapted, target, contents, test_set.scorers)
        pair = [SwapSystem("conversion", BEFORE, before), SwapSystem("conversion", AFTER, adapted)]
        quality += test_set.quality(pair, [Trial(content, target, i) for i, content in enumerate(contents)])
    about = {"voices": len(minutes), "seconds": SECONDS, "steps": steps, "minutes": minutes}
    about["speakers that a choice may have used"] = len(test_set.used)
    about["enrolled voices"] = len(test_set.speakers)
    return about | compared_outputs(results) | quality_and_cost(quality)


def quality_and_cost(results: Results) -> dict:
    """Word error rates and DNSMOS before and after adaptation, their paired differences, what was not measured."""
    rows, missing = summarise_systems(results, CONVERSION)
    cost = differences_of_systems(complete_rows(results, CONVERSION), CONVERSION, [(AFTER, BEFORE)])
    return {"quality": rows, "cost": cost, "quality not measured": missing}


def compared_outputs(results: Results) -> dict:
    """The means and the gain over the outputs that were measured before and after, and what was not measured."""
    kept = pd.DataFrame(complete_rows(results, ("target_speaker", "content")))
    means, differences = ([], []) if kept.empty else (records(summarise_swaps(kept, seed=0)), gain(kept))
    return {"rows": means, "gain": differences, "not measured": results.missing}


def contents_for(number: int, others: Sequence[SwapSpeaker]) -> list[SwapSpeaker]:
    """``CONTENTS`` of the other speakers, spread over their list, from another place for each target."""
    turned = [*others[number:], *others[:number]]
    return turned[:: max(1, len(turned) // CONTENTS)][:CONTENTS]


def gain(table: pd.DataFrame) -> list[dict]:
    """After minus before on the same pairs of target and content, by each encoder and statistic."""
    of_pairs = {"content_sex": "", "target_sex": "", "semitones": float("nan")}
    found = gains(table.assign(system=table.stage, **of_pairs), AFTER, RESAMPLES, 0, trivial=(BEFORE,))
    found = found[found.pairs == ALL_PAIRS]
    return records(found[["encoder", "statistic", "value", "low", "high", "n", "reason"]])
