"""The ablation of the released recipe (``thesis ablate --profile released``): 36 trainings, three hours on one GPU.

Needs the corpora of that command, which names each that is missing. Interrupted, it resumes.
"""

from benchmarks.json_rows import records
from thesis_lib.config import Config
from thesis_lib.runs.folder import Run
from thesis_lib.utils.progress import bar
from thesis_lib.validation.ablation import ablate

QUICK = {"ablation.steps": 20, "ablation.late": 10, "ablation.seeds": 2, "ablation.targets": 3, "ablation.contents": 2}


def run(quick: bool) -> dict:
    """The table of differences, each training's means, the verdicts on the losses of the first plan, and the budget."""
    config = Config.from_profile("released").override(QUICK if quick else {})
    grid = Run("runs/released-quick" if quick else "runs/released", config)
    table = ablate(grid, bar)
    saved = {name: records(grid.load_table(f"ablation_{name}")) for name in ("seeds", "verdicts", "not_measured")}
    return {
        "budget": config.ablation.model_dump(mode="json"),
        "rows": records(table),
        "seeds": saved["seeds"],
        "verdicts": saved["verdicts"],
        "left out": saved["not_measured"],
    }
