"""The speaker swap of the demo profile: does a vocoder use its speaker embedding? Trains both vocoders first.

The targets are bundled voices, seen in training and unseen. A quarter of an hour on two cores.
"""

from benchmarks.json_rows import records
from thesis_lib.config import TASKS, Config
from thesis_lib.reporting import swap_rows
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training import train
from thesis_lib.utils.progress import bar
from thesis_lib.validation.swap import swap_test


def run(quick: bool) -> dict:
    """Steps and minutes of each training; a row for each system, kind of target, encoder and statistic, with chance."""
    profile = "smoke" if quick else "demo"
    demo = Run(f"runs/{profile}", Config.from_profile(profile))
    embedded(demo, bar)
    for task in TASKS:
        train(demo, task, bar)
    vocoders = {task: load_trained_vocoder(demo, task) for task in TASKS}
    voices = int(swap_test(demo, bar).voices.max())
    return {
        "profile": profile,
        "trials": demo.config.swap.trials,
        "voices": voices,
        "trained": {
            task: {name: vocoder.meta[name] for name in ("steps", "minutes")} for task, vocoder in vocoders.items()
        },
        "rows": records(swap_rows(demo.load_table("swap_summary"), voices)),
    }
