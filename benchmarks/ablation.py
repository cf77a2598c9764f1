"""The ablation grid (``thesis ablate``) of the demo profile: 24 trainings, an hour on two cores; resumes."""

from benchmarks.json_rows import records
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
        "left out": records(grid.load_table("ablation_not_measured")),
        "rows": records(table),
    }
