"""Facts of the code and counts of saved results that sentences of notebooks state: no claims, and true."""

import re

import pandas as pd
from helpers import notebook_prose

from thesis_lib import reporting
from thesis_lib.config import AudioConfig, Config, ContentConfig, Recipe
from thesis_lib.vocoder.generators import build_generator
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder


def size(recipe: Recipe, content: ContentConfig) -> tuple[pd.DataFrame, str]:
    """The table of a generator's parts, and the sentence about its size."""
    generator = build_generator(AudioConfig(), content, recipe.generator, 192, 768).fold_weight_norm()
    table = reporting.parameter_table(generator).set_index("part")
    return table, f"{table.parameters['all'] / 1e6:.0f} million parameters, {table['float32 MB']['all']:.0f} MB"


def test_the_answer_has_the_sizes_of_the_vocoders():
    """The demo's conversion vocoder is that of the speaker swap in the answer."""
    prose, demo = notebook_prose("03_model.ipynb"), Config.from_profile("demo").conversion
    table, first = size(Recipe(generator="v1", training={"warm_start": "none"}), ContentConfig())
    assert f"Resynthesis, HiFi-GAN with FiLM on the full mel ({first})," in prose
    released = reporting.parameter_table(Vocoder.from_torch(DEFAULT).generator)
    millions, size_mb = released.parameters.max() / 1e6, released["float32 MB"].max()
    whole = f"{millions:.0f} million parameters, {size_mb:.0f} MB in float32"
    assert f"({whole}; in the demo {size(demo, demo.content)[1]}), uses it" in prose
    own = round(table.parameters["generator"] / 1e6)
    assert f"The generator of HiFi-GAN V1 has {own} million parameters" in prose
    assert f"the whole is {table['float32 MB']['all']:.0f} MB in float32" in prose


def test_the_number_of_components_is_that_of_the_configuration():
    assert f"the {ContentConfig().components} that are kept" in notebook_prose("03_model.ipynb")


def test_the_counts_of_the_ablation_are_those_of_its_result():
    saved, prose = reporting.benchmark("ablation"), notebook_prose("05_validation.ipynb")
    rows = pd.DataFrame(saved["rows"])
    differences = rows[rows.variant != "full recipe"]
    excluded = int((differences.low * differences.high > 0).sum())
    assert f"the {excluded} of {len(differences)} differences with an interval that excludes 0" in prose
    without_mel = differences[(differences.low * differences.high > 0) & (differences.variant == "no mel loss")]
    assert f"Of these, {len(without_mel)} are of the variant without the mel loss." in prose
    assert not differences.significant.any(), "the prose says: none of them is tested"
    assert set(rows.seeds) == {3}
    steps, late = saved["budget"]["steps"], saved["budget"]["late"]
    assert f"The budget is {steps} steps, the last {late} of them with adversarial and encoder losses." in prose
    absent = {row["variant"].removeprefix("no ") for row in saved["left out"] if "changes nothing" in row["reason"]}
    (named,) = re.findall(r"this recipe does not have them: (.+)\.", prose)
    assert set(re.split(", | and ", named)) == absent


def test_the_encoders_take_most_of_the_time_of_scoring():
    saved = reporting.benchmark("validate")
    alone = saved["cpu_seconds_of_ours_by_metric_alone"]
    networks = sum(alone[name] for name in ("dnsmos", "plcmos", "asr", "speaker", "evaluation"))
    assert networks > saved["cpu_seconds_an_utterance"]["ours"] / 2
    said = "DNSMOS, PLCMOS, Whisper and the speaker encoders take most of this time."
    assert said in notebook_prose("05_validation.ipynb")


def test_noise_along_the_gradient_moves_one_encoder_by_more_than_the_limit():
    moved = pd.DataFrame(reporting.benchmark("artefacts")["rows"]).groupby("encoder").moved.max()
    assert moved["eres2net"] > 0.1 > moved["resemblyzer"]
    assert "It moves ERes2Net." in notebook_prose("05_validation.ipynb")
