"""The sentences of README and introduction on the speaker test are those of the saved result, word for word."""

from pathlib import Path

import pytest

from thesis_lib import reporting

ROOT = Path(__file__).parents[1]
HEADLINE = "resemblyzer"
GAINS = {
    "normalised_similarity": "normalised similarity",
    "identified": "identification",
    "accepted_5": "acceptance at 5 %",
    "accepted_1": "acceptance at 1 %",
    "accepted_5_same_sex": "acceptance at 5 % of same-sex impostors",
}


def of_headline(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["encoder"] == HEADLINE and row["pairs"] == "all"]


def sentences(saved: dict) -> list[str]:
    """What the prose says of the speaker test, from its saved result."""
    rows = {(row["system"], row["statistic"]): row for row in of_headline(saved["rows"])}
    gains = {row["statistic"]: row for row in of_headline(saved["gains"])}
    ours = saved["system"]

    def share(system, statistic):
        row = rows[system, statistic]
        return f"{100 * row['value']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"

    def level(statistic, column):
        return f"{100 * rows[ours, statistic][column]:.2g} %"

    def gain(statistic):
        row = gains[statistic]
        number = f"{row['value']:+.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        return f"{GAINS[statistic]} {number} ({row['best trivial']})"

    natural = rows["natural recording", "identified"]
    positive = [GAINS[name] for name in GAINS if gains[name]["low"] > 0]
    others = [GAINS[name] for name in GAINS if not gains[name]["low"] > 0]
    found = [
        f"{saved['targets']} human target speakers, {saved['targets that a choice between systems may have used']} of "
        f"whom were used to compare recipes, crossed with {saved['contents']} sentences: "
        f"{rows[ours, 'identified']['n']} outputs, same session",
        f"identifies the target among {saved['enrolled voices']} voices in {share(ours, 'identified')} of the outputs "
        f"(chance {level('identified', 'chance')}, among voices of the target's sex "
        f"{level('identified', 'chance_same_sex')}; natural recordings {share('natural recording', 'identified')}, "
        f"n = {natural['n']})",
        *(
            f"accepts {share(ours, f'accepted_{percent}')} at the threshold that {percent} % of natural impostors "
            f"reach (impostors of the target's sex: {level(f'accepted_{percent}', 'chance_same_sex')})"
            for percent in (5, 1)
        ),
        f"At the threshold that 5 % of impostors of the target's sex reach, it accepts "
        f"{share(ours, 'accepted_5_same_sex')}",
        "Paired gains over the best trivial system (its name in brackets): " + "; ".join(map(gain, GAINS)),
    ]
    if others:
        found.append(f"The interval includes 0 for {', '.join(others)}")
    if positive:
        found.append(f"The interval excludes 0 for {', '.join(positive)}")
    return found


@pytest.mark.parametrize("page", ["README.md", "book/introduction.md"])
def test_the_prose_has_the_saved_numbers_of_the_speaker_test(page):
    text = (ROOT / page).read_text()
    for sentence in sentences(reporting.benchmark("speakers")):
        assert sentence in text, sentence


def test_no_reported_target_was_used_to_compare_recipes():
    saved = reporting.benchmark("speakers")
    assert saved["targets that a choice between systems may have used"] == 0
    assert saved["enrolment"] == "other half of one recording", "the prose says: same session"
