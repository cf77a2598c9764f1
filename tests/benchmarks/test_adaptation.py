"""The benchmark of speaker adaptation on human voices."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from benchmarks.adaptation import CONTENTS, SPEAKERS, compared_outputs, contents_for, gain, quality_and_cost
from thesis_lib.validation import Results
from thesis_lib.validation.adaptation import AFTER, BEFORE


def test_every_target_has_as_many_contents_and_no_speaker_gives_most_of_them():
    names = [f"s{number:02}" for number in range(35)]
    chosen = [contents_for(n, [x for x in names if x != names[n]]) for n in range(SPEAKERS)]
    assert all(len(set(own)) == CONTENTS and names[n] not in own for n, own in enumerate(chosen))
    assert max(Counter(x for own in chosen for x in own).values()) <= 2 * SPEAKERS * CONTENTS / len(names)


def test_the_gain_is_after_minus_before_on_the_same_pairs():
    rows = [
        {"stage": stage, "target_speaker": target, "content": content, "encoder": "e", "to_target": to_target}
        | {"floor": 0.0, "ceiling": 1.0, "identified": 1.0, "accepted_1": 1.0, "accepted_5": 1.0}
        for stage, to_target in ((BEFORE, 0.5), (AFTER, 0.7))
        for target in "abc"
        for content in "xyz"
    ]
    rows.append(rows[-1] | {"content": "without its pair", "to_target": 0.0})
    found = next(row for row in gain(pd.DataFrame(rows)) if row["statistic"] == "normalised_similarity")
    assert (found["n"], found["encoder"]) == (9, "e")
    assert [found["value"], found["low"], found["high"]] == pytest.approx(np.repeat(0.2, 3))


def test_without_a_complete_pair_there_are_no_means_but_the_reasons():
    about = {"target_speaker": "a", "content": "x"}
    missing = [{"stage": AFTER, **about, "reason": "silent"}]
    found = compared_outputs(Results([{"stage": BEFORE, **about, "to_target": 0.5}], missing))
    assert found == {"rows": [], "gain": [], "not measured": missing}


def test_the_cost_is_paired_in_words_and_opinion():
    rows = [
        {"system": system, "target_speaker": target, "content": content}
        | {"dnsmos_ovrl": opinion + number, "wer": (errors, 10), "wer, base": (errors, 10)}
        for system, opinion, errors in ((BEFORE, 3.0, 1), (AFTER, 2.5, 3))
        for number, target in enumerate("abc")
        for content in "xyz"
    ]
    found = quality_and_cost(Results(rows, []))
    assert {(row["system"], row["metric"]): row["value"] for row in found["quality"]} == {
        (BEFORE, "dnsmos_ovrl"): pytest.approx(4.0),
        (AFTER, "dnsmos_ovrl"): pytest.approx(3.5),
        **{(BEFORE, name): pytest.approx(0.1) for name in ("wer", "wer, base")},
        **{(AFTER, name): pytest.approx(0.3) for name in ("wer", "wer, base")},
    }
    cost = {row["metric"]: row for row in found["cost"]}
    assert {row["against"] for row in cost.values()} == {BEFORE}
    assert [cost["dnsmos_ovrl"][key] for key in ("difference", "low", "high")] == pytest.approx([-0.5] * 3)
    assert cost["wer, base"]["difference"] == pytest.approx(0.2)
    assert quality_and_cost(Results([], [])) == {"quality": [], "cost": [], "quality not measured": []}
