"""Every value of a saved result in the prose of notebooks 03 to 08 belongs to a claim."""

import json
import re
from pathlib import Path

import pytest

from thesis_lib.reporting.claims import load_claims

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("0[3-8]_*.ipynb"))
CLAIMS = load_claims(ROOT / "book" / "claims.toml")
VALUE = re.compile(r"\{glue:text\}`(\w+)`")
# No results: numbers of items, steps and seconds, names, what the run itself measured, and counts of a table's rows.
SETTINGS = {
    "03_model.ipynb": {"leak_speakers", "leak_made", "human_made", "human_n"},
    "04_training.ipynb": {
        *("train_threads", "train_rounds", "kills", "budget_seeds", "budget_n", "recipe_minutes", "released_n"),
    },
    "05_validation.ipynb": {
        *("s_targets", "s_contents", "s_speakers", "s_impostor_pairs", "s_enrolment"),
        *("s_targets_that_a_choice_between_systems_may_have_used", "a_steps", "a_late", "a_seeds", "a_left"),
        *("a_changed", "a_rows"),
    },
    "06_compression.ipynb": {"released_targets", "released_contents", "released_conversions", "released_rounds"},
    "07_voice_cloning.ipynb": {
        *("context_n", "memory_minutes", "memory_speakers", "speed_n", "human_voices", "human_steps", "human_seconds"),
        *("human_adapt", "acted_outputs", "acted_speakers", "acted_emotions", "mark_altered", "live_sentences"),
    },
    "08_results.ipynb": {
        *("r_human_n", "r_gain_n", "r_gain_steps", "r_emotion_n", "r_adapt_minutes"),
        *(f"r_{kind}_{x}" for kind in ("adapted", "unadapted") for x in ("normalised", "identified", "accepted")),
        *("r_adapted_preference", "r_unadapted_preference"),
    },
}


def saved_values(cells: list[dict]) -> set[str]:
    """Names of the values that cells with a saved result make, as far as the prose shows them."""
    made = {
        output["metadata"]["scrapbook"]["name"]
        for cell in cells
        if cell["cell_type"] == "code" and "reporting.benchmark(" in "".join(cell["source"])
        for output in cell["outputs"]
        if "scrapbook" in output.get("metadata", {})
    }
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return made & set(VALUE.findall(prose))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_saved_value_in_the_prose_belongs_to_a_claim(name):
    page = f"notebooks/{name}"
    phrases = [phrase for claim in CLAIMS for phrase in claim.phrases.get(page, ())]
    claimed = set(VALUE.findall("\n".join(phrases)))
    found = saved_values(json.loads((ROOT / page).read_text(encoding="utf-8"))["cells"])
    assert found, "no cell reads a saved result"
    assert found - claimed == SETTINGS[name]
