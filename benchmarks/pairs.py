"""Human Spanish and published English beside our conversion (``thesis validate --pairs FOLDER``).

Needs a folder in the layout of thesis_lib.validation.pairs, named by THESIS_PAIRS, and the demo's conversion vocoder
(``thesis train --task conversion --profile demo``).
"""

import pandas as pd

from benchmarks.folders import required_folder
from benchmarks.json_rows import records
from benchmarks.quality import differences_of_systems
from thesis_lib.config import Config
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.validation import validate_pairs
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.pairs import CANONICAL, OUR_SYSTEMS


def run(quick: bool) -> dict:
    """The summary, and the paired differences of our conversion and the canonical English, by the demo's vocoder."""
    folder = required_folder("THESIS_PAIRS", "human pairs")
    profile = "smoke" if quick else "demo"
    demo = Run(f"runs/{profile}", Config.from_profile(profile))
    table = validate_pairs(demo, folder, bar)
    return {
        "recordings": len(table),
        "not measured": len(demo.load_table("pairs_not_measured")),
        "rows": records(demo.load_table("pairs_summary")),
        "differences": differences_to_canonical(table),
    }


def differences_to_canonical(table: pd.DataFrame) -> list[Columns]:
    """A row for each group, system of ours and metric: its mean minus that of the English that it converts.

    The differences are of the same recordings, and the intervals over them. Without canonical English a group has no
    row; a recording without one of the metrics is left out.
    """
    found = []
    for group, part in table.drop(columns="group").groupby(table.group, sort=False):
        rows, compared = part.dropna().to_dict("records"), [(name, CANONICAL) for name in OUR_SYSTEMS]
        found += [{"group": group} | row for row in differences_of_systems(rows, ["id"], compared)]
    return found
