"""The method page prints the recipe of the default weights as their run.json has it."""

import functools
import json
import math
import re
from pathlib import Path

import pytest

from thesis_lib.losses.spectral import MEL_SCALES
from thesis_lib.training.speaker_sampling import SESSION_OFFSET

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "method.md").read_text(encoding="utf-8")
RECIPE = PAGE.split("## The recipe of the default weights")[1].split("\n## ")[0]
RUN = json.loads((ROOT / "thesis_lib" / "data" / "default" / "run.json").read_text(encoding="utf-8"))
SETTINGS = re.findall(r"^\| [^|]+ \| `([\w.]+)` \| ([^|]+) \|$", RECIPE, re.M)
FIELDS = RUN["conversion"] | {"encoders": RUN["encoders"]}
SYMBOLS = {
    "msmel": "multi_scale_mel",
    "content": "content",
    "sampled": "sampled_speaker",
    "adv": "adversarial",
    "fm": "feature_matching",
}


def printed(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(printed, value))
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def test_the_table_has_the_settings_that_a_reader_looks_for():
    fields = [field for field, _ in SETTINGS]
    assert len(fields) == len(set(fields)) > 40
    assert {f"losses.{name}" for name in SYMBOLS.values()} <= set(fields)


@pytest.mark.parametrize(("field", "value"), SETTINGS)
def test_a_printed_setting_is_that_of_the_run(field, value):
    assert value == printed(functools.reduce(lambda part, name: part[name], field.split("."), FIELDS))


def test_the_equation_has_every_loss_with_its_weight():
    (equation,) = re.findall(r"\\mathcal\{L\} = \{\}.*?\\end\{aligned\}", RECIPE, re.S)
    terms = {SYMBOLS[name]: float(n) for n, name in re.findall(r"(\d+)\\,\\mathcal\{L\}_\\text\{(\w+)\}", equation)}
    weights = {name: weight for name, weight in RUN["conversion"]["losses"].items() if name != "embedding_distance"}
    assert terms == {name: weight for name, weight in weights.items() if weight}
    (absent,) = re.findall(r"The weights of (.*?) are 0\.", RECIPE)
    assert set(re.findall(r"`(\w+)`", absent)) == {name for name, weight in weights.items() if not weight}
    first = {RUN["conversion"]["training"][name] for name in ("adversarial_from", "auxiliary_from")}
    assert {int(step) for step in re.findall(r"the sampled speakers from step (\d+)", RECIPE)} == first
    sizes, bands = zip(*MEL_SCALES, strict=True)
    assert "the FFT sizes {}, {} and {}, with {}, {} and {} bands".format(*sizes, *bands) in RECIPE


def test_the_algorithm_has_the_constants_of_speaker_sampling():
    (box,) = re.findall(r"```text\n(for each segment.*?)```", PAGE, re.S)
    assert f"with probability {RUN['conversion']['training']['recorded_share']:g} (training.recorded_share)" in box
    assert f"p + {SESSION_OFFSET:g} * random unit vector" in box
    assert f"cosine {1 / math.hypot(1, SESSION_OFFSET):g} to p" in box
