import warnings

import pytest

from thesis_lib.training.monitor import SYMPTOM_STEPS, TrainingMonitor, TrainingWarning

HEALTHY = {"mel": 1.0, "discriminator": 2.0, "score_real": 0.8, "score_fake": 0.3}
LOSSES = {"mel", "discriminator"}


def warnings_of(rows):
    guards = TrainingMonitor()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        said = [text for row in rows for text in guards.check_row(row, LOSSES)]
    assert [str(w.message) for w in caught] == said
    assert all(w.category is TrainingWarning for w in caught)
    return said


def moving(step):
    return HEALTHY | {"mel": 1 / (step + 1), "discriminator": 2 + 0.1 / (step + 1)}


def test_a_healthy_training_is_left_in_peace():
    assert warnings_of(moving(step) for step in range(3 * SYMPTOM_STEPS)) == []


@pytest.mark.parametrize(
    ("symptom", "says"),
    [
        ({"mel": 0.5}, "the mel loss has been exactly 0.5"),
        ({"discriminator": 0.001}, "the generator gets no gradient from it"),
        ({"score_real": 0.5, "score_fake": 0.5}, "it separates nothing"),
    ],
)
def test_each_symptom_is_said_once_and_only_when_it_lasts(symptom, says):
    def row(step):
        changed = dict(symptom)
        if "discriminator" in changed:
            changed["discriminator"] *= 1 + 0.1 / (step + 1)
        return moving(step) | changed

    assert warnings_of(row(step) for step in range(SYMPTOM_STEPS - 1)) == []
    (text,) = warnings_of(row(step) for step in range(3 * SYMPTOM_STEPS))
    assert says in text
    assert (
        warnings_of((moving if step == SYMPTOM_STEPS // 2 else row)(step) for step in range(SYMPTOM_STEPS + 10)) == []
    )
