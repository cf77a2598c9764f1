"""Human Spanish and published English beside our conversion (``thesis validate --pairs FOLDER``).

Needs a folder in the layout of thesis_lib.validation.pairs, named by THESIS_PAIRS, and the demo's conversion vocoder
(``thesis train --task conversion --profile demo``).
"""

from benchmarks.folders import required_folder
from benchmarks.json_rows import records
from thesis_lib.config import Config
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.validation import validate_pairs


def run(quick: bool) -> dict:
    """The summary, by the demo's vocoder."""
    folder = required_folder("THESIS_PAIRS", "human pairs")
    profile = "smoke" if quick else "demo"
    demo = Run(f"runs/{profile}", Config.from_profile(profile))
    table = validate_pairs(demo, folder, bar)
    return {
        "recordings": len(table),
        "not measured": len(demo.load_table("pairs_not_measured")),
        "rows": records(demo.load_table("pairs_summary")),
    }
