"""The ablation grid (``thesis ablate``) of the demo profile: 24 trainings, an hour on two cores; resumes."""

import pandas as pd

from thesis_lib.config import Config
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.validation.ablation import ablate


def run(quick: bool) -> dict:
    """The table of differences, the variants that change nothing, and the budget."""
    profile = "smoke" if quick else "demo"
    grid = Run(f"runs/{profile}", Config.from_profile(profile))
    table = ablate(grid, bar)
    return {
        "budget": grid.config.ablation.model_dump(mode="json"),
        "left out": grid.load_table("ablation_not_measured").to_dict("records"),
        "rows": table.astype(object).where(pd.notna(table), None).to_dict("records"),
    }
