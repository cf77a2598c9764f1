"""The swap test on human speech, by the vocoders of the demo's run (trained first where they are not).

Needs a folder of human recordings, one speaker a file: THESIS_HUMAN names it.
"""

import os
from pathlib import Path

import pandas as pd

from thesis_lib import swap
from thesis_lib.config import TASKS, Config
from thesis_lib.reporting import bar
from thesis_lib.runs import Run
from thesis_lib.training import train


def run(quick: bool) -> dict:
    """The summary of the trials among human voices."""
    folder = os.environ.get("THESIS_HUMAN")
    if not folder:
        raise SystemExit("THESIS_HUMAN must name a folder of human recordings, one speaker a file")
    demo = Run("runs/demo", Config.from_profile("demo"))
    systems = [system for task in TASKS for system in swap.systems_of(demo, task, bar)]
    speakers = swap.human_speakers(Path(folder), demo.config)
    rows, missing = swap.score(demo, "human", speakers[:4] if quick else speakers, systems, bar)
    summary = swap.summarise(pd.DataFrame(rows), demo.config.swap.seed)
    minutes = train(demo, "conversion").meta["minutes"]
    found = {"speakers": len(speakers), "minutes": minutes, "not measured": len(missing)}
    return found | {"rows": summary.to_dict("records")}
