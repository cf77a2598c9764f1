"""The listening test: what is written, a rater who completes it by keyboard in a browser, what becomes of answers."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import provenance_of, trained_beside, voiced

from thesis_lib.audio.files import read_audio
from thesis_lib.reporting.book import find_chromium
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import GROUND_TRUTH, INVERSION, OTHER, OURS, SAME, systems
from thesis_lib.validation.listening import ANCHOR, ListeningError, analyse_answers, build, build_listening_test
from thesis_lib.validation.listening.build import STIMULUS_RMS_DBFS, key_path, low_anchor
from thesis_lib.validation.metrics import MetricError

CHROMIUM = find_chromium()


@pytest.fixture(scope="module")
def built(tiny_run, tmp_path_factory):
    """A built test of two items and its run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(systems.pretrained, "is_cached", lambda name: name.startswith("jspsych"))
    home = tmp_path_factory.mktemp("listening")
    run = trained_beside(tiny_run, home / "run", listening__items=2)
    yield run, build_listening_test(run, home / "test").parent
    patch.undo()


def trials_of(folder) -> dict:
    return json.loads((folder / "trials.js").read_text().removeprefix("const TEST = ").rstrip().rstrip(";"))


pytestmark = pytest.mark.weights("jspsych", "jspsych-form")


def test_the_folder_is_whole_and_says_nothing(built):
    run, folder = built
    test, key = trials_of(folder), json.loads(key_path(run, trials_of(folder)["id"]).read_text())
    kinds = [trial["kind"] for trial in test["trials"]]
    assert sorted(set(kinds)) == ["abx", "mos", "mushra"]
    assert kinds.count("mushra") == kinds.count("mos") == 2
    text = "".join(path.read_text() for path in folder.glob("*.js") if path.name != "jspsych.js")
    for system in (GROUND_TRUTH, *OURS.values(), ANCHOR, INVERSION, OTHER):
        assert f'"{system}"' not in text, "no file that raters get tells what is what"
    named = {trial.get("reference") for trial in test["trials"]} | {trial.get("x") for trial in test["trials"]}
    for trial in test["trials"]:
        named |= {trial.get("stimulus"), *trial.get("stimuli", []), *trial.get("pair", [])}
    assert named - {None} == {path.name for path in (folder / "audio").iterdir()} == set(key["stimuli"])
    for page in (t for t in test["trials"] if t["kind"] == "mushra"):
        recognised = {key["stimuli"][name]["system"] for name in page["stimuli"]}
        assert recognised == {GROUND_TRUTH, INVERSION, ANCHOR, *OURS.values()}
        reference = read_audio(folder / "audio" / page["reference"])[0]
        hidden = next(n for n in page["stimuli"] if key["stimuli"][n]["system"] == GROUND_TRUTH)
        assert np.array_equal(reference, read_audio(folder / "audio" / hidden)[0]), "the hidden one is the reference"
    assert all(trial["pair"] == sorted(trial["pair"]) for trial in test["trials"] if trial["kind"] == "abx")


def test_an_item_without_abx_trials_is_named_with_the_reason(built, tmp_path, monkeypatch):
    run, _ = built
    monkeypatch.setattr(build, "select", lambda tests, count: tests[:1])

    def one_speaker(*given):
        raise MetricError("the split has one speaker")

    systems_of = build.systems_of
    monkeypatch.setattr(
        build,
        "systems_of",
        lambda *given: systems_of(*given) | {OTHER: SimpleNamespace(render=one_speaker, has_words=False)},
    )
    notes = []
    page = build_listening_test(run, tmp_path / "test", note=notes.append)
    key = json.loads(key_path(run, trials_of(page.parent)["id"]).read_text())
    (row,) = key["left out"]
    assert (row["kind"], row["reason"]) == ("abx", "the split has one speaker")
    assert notes == [f"{row['item']} has no ABX trial: the split has one speaker"]
    assert {trial["kind"] for trial in key["trials"]} == {"mushra", "mos"}
    assert {path.name for path in (page.parent / "audio").iterdir()} == set(key["stimuli"])


def test_loudness_is_not_what_is_rated(built):
    _, folder = built
    levels = [20 * np.log10(np.sqrt(np.mean(read_audio(path)[0] ** 2))) for path in (folder / "audio").iterdir()]
    assert max(levels) < STIMULUS_RMS_DBFS + 0.1
    assert np.mean(np.abs(np.array(levels) - STIMULUS_RMS_DBFS) < 0.1) > 0.8, "all but what would have clipped"


def test_a_folder_in_use_is_left_alone(built):
    run, folder = built
    with pytest.raises(RunError, match="not empty"):
        build_listening_test(run, folder)


def test_the_anchor_ends_at_its_edge():
    wav = voiced(1.0) + 0.05 * np.random.default_rng(0).normal(size=22_050).astype(np.float32)
    spectrum = [np.abs(np.fft.rfft(x)) for x in (wav, low_anchor(wav, 22_050))]
    gain = 20 * np.log10(spectrum[1] / spectrum[0])
    assert abs(np.median(gain[:3000])) < 0.1
    assert np.median(gain[5000:]) < -40


def answers_of(run, folder, rater="r1", hidden=100, attention="2", choose="target", score=60) -> dict:
    """What a rater's browser would save."""
    test = trials_of(folder)
    key = json.loads(key_path(run, test["id"]).read_text())
    targets = {tuple(sorted(t["pair"])): t["pair"][0] for t in key["trials"] if t["kind"] == "abx"}
    rows = [{"kind": "begin", "response": {"consent": "yes"}}]
    for trial in test["trials"]:
        row = {"kind": trial["kind"], "item": trial["item"], "rt": 1000}
        if trial["kind"] == "mushra":
            of = {name: key["stimuli"][name]["system"] for name in trial["stimuli"]}
            row["response"] = {name: str(hidden if system == GROUND_TRUTH else score) for name, system in of.items()}
        elif trial["kind"] == "mos":
            row["response"] = {trial["stimulus"]: "4"}
        else:
            target = targets[tuple(trial["pair"])]
            other = next(name for name in trial["pair"] if name != target)
            row |= {"order": trial["pair"], "response": {"voice": target if choose == "target" else other}}
        rows.append(row)
    rows.append({"kind": "attention", "expected": "2", "response": {"attention": attention}})
    return {"test": test["id"], "rater": rater, "answers": rows}


def write(folder, *given):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.json" for number in range(len(given))]
    for path, answers in zip(paths, given, strict=True):
        path.write_text(json.dumps(answers))
    return paths


def test_answers_are_summed_up(built, tmp_path):
    run, folder = built
    given = [answers_of(run, folder, f"r{n}", score=score) for n, score in enumerate((50, 60, 70))]
    table = analyse_answers(run, write(tmp_path / "a", *given)).set_index(["kind", "system"])
    ours = table.loc["mushra", OURS["conversion"]]
    assert (ours.value, ours.raters, ours.n) == (60, 3, 6)
    # The percentiles lie within 50..70; two items expand them by t(1) / z sqrt(2) = 9.2, to the ends of the scale.
    assert 0 <= ours.low < 50
    assert 70 < ours.high <= 100
    assert table.loc["mushra", GROUND_TRUTH].value == 100
    choices = table.loc["abx", OURS["conversion"]]
    assert choices.value == table.loc["abx", SAME].value == choices.high == 1
    assert choices.low < 0.9, "choices that all fall on one side have the interval of a share"
    assert (table.reason == "").all()
    assert (table.loc["mos"].value == 4).all()
    assert len(run.load_table("listening_answers")) == 3 * len(given[0]["answers"][1:]) + 3 * 2 * 4


def test_the_tables_are_stale_when_a_vocoder_has_changed_since_the_test_was_built(built, tmp_path):
    run, folder = built
    answers = write(tmp_path / "a", answers_of(run, folder))
    weights = run.path / "conversion" / "vocoder" / "model.safetensors"
    before = weights.read_bytes()
    tables = ("listening_answers", "listening_raters", "listening_summary")
    for extra, stale in ((b"", []), (b" ", ["conversion/vocoder/model.safetensors has changed since"])):
        weights.write_bytes(before + extra)  # the answers are about the earlier one, whenever they are analysed
        analyse_answers(run, answers)
        assert [run.staleness(name) for name in tables] == [stale] * 3
    weights.write_bytes(before)
    key = key_path(run, trials_of(folder)["id"])
    told = json.loads(key.read_text())
    assert f"listening/{key.name}" in provenance_of(run, "listening_summary")["inputs"]
    assert list(provenance_of(run, "listening_summary")["outside"]) == [str(answers[0])]
    # A second test, of another vocoder: no table of both can be up to date.
    other = told | {"test": "other", "inputs": told["inputs"] | {"conversion/vocoder/model.safetensors": "0" * 16}}
    key_path(run, "other").write_text(json.dumps(other))
    second = answers_of(run, folder, "r2") | {"test": "other"}
    analyse_answers(run, [*answers, *write(tmp_path / "b", second)])
    assert run.staleness("listening_summary") == ["conversion/vocoder/model.safetensors has changed since"]
    # A key of an earlier version does not say what its test was built from.
    key_path(run, "other").write_text(json.dumps({name: told[name] for name in ("test", "stimuli", "trials")}))
    analyse_answers(run, write(tmp_path / "b", second))
    assert run.staleness("listening_summary") == []
    key_path(run, "other").unlink()


def test_one_answer_has_its_value_and_the_reason_why_it_has_no_interval(built, tmp_path):
    run, folder = built
    given = answers_of(run, folder)
    (first,) = [row for row in given["answers"] if row["kind"] == "mos"][:1]
    given["answers"] = [row for row in given["answers"] if row["kind"] != "mos"] + [first]
    table = analyse_answers(run, write(tmp_path / "a", given))
    (row,) = table[table.kind == "mos"].to_dict("records")
    assert (row["value"], row["raters"], row["n"]) == (4, 1, 1)
    assert np.isnan(row["low"])
    assert row["reason"] == "1 utterances give no interval"
    assert "reason" in run.load_table("listening_summary")


def test_who_did_not_listen_is_left_out_and_named(built, tmp_path):
    run, folder = built
    given = [
        answers_of(run, folder, "good"),
        answers_of(run, folder, "deaf", hidden=40),
        answers_of(run, folder, "absent", attention="5"),
        {"test": trials_of(folder)["id"], "rater": "empty", "answers": []},
    ]
    table = analyse_answers(run, write(tmp_path / "a", *given))
    assert (table.raters == 1).all()
    reasons = run.load_table("listening_raters").set_index("rater").reason.fillna("")
    assert reasons["good"] == ""
    assert "hidden reference below 90" in reasons["deaf"]
    assert "attention" in reasons["absent"]
    assert reasons["empty"] == "no item was rated"


def spoil(answers, kind, change):
    spoilt = json.loads(json.dumps(answers))
    change(next(row for row in spoilt["answers"] if row["kind"] == kind))
    return spoilt


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("mushra", lambda row: row["response"].update({next(iter(row["response"])): "101"}), "no rating from 0 to 100"),
        ("mushra", lambda row: row["response"].update({next(iter(row["response"])): "-1"}), "no rating from 0 to 100"),
        ("mos", lambda row: row["response"].update({next(iter(row["response"])): "NaN"}), "no rating from 1 to 5"),
        ("mos", lambda row: row.update(response={"x.wav": "3"}), "not in the test"),
        ("abx", lambda row: row.update(response={"voice": "x.wav"}), "choice between voices that is not in the test"),
        ("abx", lambda row: row.update(order=None), "choice between voices that is not in the test"),
        ("abx", lambda row: row.update(kind="party"), "not a file of answers"),
    ],
)
def test_answers_that_do_not_fit_are_refused_by_name(built, tmp_path, kind, change, says):
    run, folder = built
    (path,) = write(tmp_path / "a", spoil(answers_of(run, folder), kind, change))
    with pytest.raises(ListeningError, match=says) as error:
        analyse_answers(run, [path])
    assert str(path) in str(error.value)


def test_files_that_do_not_belong_are_refused_by_name(built, tmp_path):
    run, folder = built
    good = answers_of(run, folder)
    one, twice = write(tmp_path / "a", good, good)
    with pytest.raises(ListeningError, match="also in"):
        analyse_answers(run, [one, twice])
    for name in ("0123456789ab", "../../etc/passwd", ""):
        (path,) = write(tmp_path / "b", good | {"test": name})
        with pytest.raises(ListeningError, match="the key of that test is not in"):
            analyse_answers(run, [path])
    (tmp_path / "c.json").write_bytes(b"\xff\xfe")
    for path, says in ((tmp_path / "c.json", "not a file of answers"), (tmp_path / "none.json", "no such file")):
        with pytest.raises(ListeningError, match=says):
            analyse_answers(run, [path])
    with pytest.raises(ListeningError, match="no file"):
        analyse_answers(run, [])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install one and put it on the PATH")
def test_a_rater_completes_it_by_keyboard_without_a_network(built, tmp_path):
    from playwright.sync_api import sync_playwright

    run, folder = built
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True, accept_downloads=True)
        key = json.loads(key_path(run, trials_of(folder)["id"]).read_text())["stimuli"]
        hidden = [name for name, about in key.items() if about["system"] == GROUND_TRUTH]  # raters listen to it
        context.add_init_script(f"window.HIDDEN = new Set({json.dumps(hidden)})")
        page = context.new_page()
        problems, asked = [], []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / "index.html").as_uri())
        saved = rate_all(page)
        saved.save_as(tmp_path / saved.suggested_filename)
        assert page.locator("textarea").input_value() == (tmp_path / saved.suggested_filename).read_text()
        browser.close()
    assert problems == []
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked)
    given = json.loads((tmp_path / saved.suggested_filename).read_text())
    assert all(row["plays"] for row in given["answers"] if row["kind"] in ("mushra", "mos", "abx"))
    table = analyse_answers(run, [tmp_path / saved.suggested_filename])
    assert set(table.kind) == {"abx", "mos", "mushra"}
    assert (table.raters == 1).all()
    hidden = table[(table.kind == "mushra") & (table.system == GROUND_TRUTH)]
    assert hidden.value.item() == 100


def rate_all(page):
    """Answer every page with keys alone; returns the download at the end."""
    for number in range(40):
        page.wait_for_selector("form")
        heading = page.locator("h1, h2").first.inner_text()
        if heading == "How close to the reference?":
            page.locator("input[type=submit]").focus()
            page.keyboard.press("Enter")
            assert "play every recording" in page.locator(".asks").inner_text(), "all must be played first"
        for button in page.locator(".play").all():
            page.keyboard.press(button.get_attribute("aria-keyshortcuts"))
            page.wait_for_function("file => player.sound(file).currentTime > 0", arg=button.get_attribute("data-file"))
        page.keyboard.press("Escape")
        for slider in page.locator("input[type=range]").all():
            slider.focus()
            page.keyboard.press(
                "End" if page.evaluate("n => HIDDEN.has(n)", slider.get_attribute("name")) else "PageDown"
            )
        wanted = page.locator("strong").first.inner_text() if heading == "Please read this" else ""
        for field in page.locator("fieldset").all():
            field.locator("input").first.focus()
            page.keyboard.press("Space")
            while wanted and field.locator("label:has(input:checked)").inner_text().strip() != wanted.strip("“”"):
                page.keyboard.press("ArrowDown")
        page.locator("input[type=submit]").focus()
        if number + 1 == page.evaluate("TEST.trials.length + TEST.attention.length + 1"):
            with page.expect_download() as download:
                page.keyboard.press("Enter")
            return download.value
        page.keyboard.press("Enter")
        page.wait_for_function("done => jsPsych.data.get().count() > done", arg=number)
    raise AssertionError("the test does not end")
