import html
import json
import shutil
import sys

import numpy as np
import pytest
from cloning_stages import Synthesizer
from helpers import provenance_of, spoken, trained_beside

from thesis_lib import cloning, reporting
from thesis_lib.audio.files import read_audio, resample, write_audio
from thesis_lib.cloning import CloningError, VoiceCloningPipeline
from thesis_lib.cloning.translation import Translated
from thesis_lib.config import CloningConfig, Config, EncoderConfig
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.pretrained.whisper import Recognised
from thesis_lib.reporting.sample_matrix import OWN_STYLE, sample_matrix
from thesis_lib.runs.folder import RunError
from thesis_lib.utils.files import fingerprint
from thesis_lib.validation import cloning_report
from thesis_lib.validation.cloning_recordings import OWN
from thesis_lib.validation.cloning_report import (
    ADAPTATION_STEPS,
    KOKORO,
    KOKORO_NEAREST,
    OURS,
    OURS_ADAPTED,
    OURS_FIXED,
    SEVERAL,
    clone_report,
    clone_sample,
)
from thesis_lib.validation.cloning_summary import calibrate_sources
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.synthesis import Vocoder, vocoder_key


class Recogniser:
    """A substitute for Whisper base that recognises the same words in everything."""

    name, revision = "recogniser", "1"

    def __call__(self, wav, sample_rate, language=None):
        return Recognised("hello my friend", "en", 1.0)


class Ecapa(TinyTestEncoder):
    """Stands for ECAPA, which the nearest voice is chosen by."""

    name = "ecapa"


@pytest.fixture
def faked(monkeypatch):
    """The report's own code, with stages that need no weights; the encoder settings and device of each pipeline."""
    found = []

    def translate(wav, rate, context="", transcribe=True):
        return Translated("hola amigo", "hello my dear friend")

    def build(vocoder, config, encoders, device):
        found.append((encoders, device))
        loaded = Vocoder.from_pretrained(vocoder)
        loaded.description = loaded.description.with_changes(speaker_encoder=f"ecapa ({Ecapa.revision})")
        return VoiceCloningPipeline(translate, Synthesizer(), Ecapa(), Egemaps(), loaded, config)

    monkeypatch.setattr(cloning_report, "build", build)
    monkeypatch.setattr(cloning_report, "Whisper", lambda no_repeat: Recogniser())
    monkeypatch.setattr(cloning.pipeline, "nearest_voice", lambda vector: "am_adam")
    return found


@pytest.fixture
def pairs(tmp_path):
    """Two human pairs with a published system, one of them without speech."""
    root = tmp_path / "pairs"
    for number, name in enumerate(("a", "b")):
        write_audio(root / "g_es_src" / f"{name}.wav", spoken(number + 6), 22_050)
        write_audio(root / "g_en_ref" / f"{name}.wav", spoken(number + 6, side="en"), 22_050)
    write_audio(root / "g_es_src" / "c.wav", 0.1 * np.random.default_rng(0).normal(size=44_100), 22_050)
    return root


def test_the_rows_of_kokoro_are_of_its_own_generator(tiny_run, tmp_path, faked, monkeypatch):
    class Student(Synthesizer):
        graph = "student"

        def __call__(self, *given, **more):
            return 0.1 * super().__call__(*given, **more)

    asked, before = [], cloning_report.build

    def build(*given, **more):
        made = before(*given, **more)
        made.synthesizer = Student()
        return made

    monkeypatch.setattr(cloning_report, "build", build)
    monkeypatch.setattr(
        sys.modules["thesis_lib.cloning.build"], "_kokoro", lambda: asked.append("own") or Synthesizer()
    )
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="af_heart", cloning__examples=1)
    clone_report(run)
    assert asked == ["own"]
    kokoro = read_audio(clone_sample(run, 0, KOKORO), 22_050)[0]
    own = resample(Synthesizer()("hello my dear friend", "af_heart"), Synthesizer.sample_rate, 22_050)
    assert np.abs(kokoro).max() == pytest.approx(np.abs(own).max(), rel=0.2)


def test_every_part_is_measured_beside_references(tiny_run, tmp_path, faked, pairs, monkeypatch):
    sources = {}

    def calibrated(found, names):
        sources.update({source.speaker: source.several for source in found})
        return calibrate_sources(found, names)

    monkeypatch.setattr(cloning_report, "calibrate_sources", calibrated)
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="nearest", cloning__examples=2)
    table = clone_report(run, pairs=pairs)
    assert set(table.system) == {KOKORO, KOKORO_NEAREST, OURS_FIXED, OURS, OWN, "ref"}
    assert set(table.test_set) <= {"mini", "g", "mini" + SEVERAL, "g" + SEVERAL}
    assert sources == {row.speaker: row.test_set.endswith(SEVERAL) for row in table.itertuples()}
    missing = run.load_table("cloning_not_measured")
    assert list(missing.id) == ["g/c"]
    assert "no speech" in missing.reason[0]
    own = table[table.system == OWN].iloc[0]
    assert own.words > 4  # of its own text, not of the translation
    ours = table[table.system == OURS].iloc[0]
    # "hello my dear friend" said, "hello my friend" recognised.
    assert (ours.word_errors, ours.words) == (1, 4)
    assert table[table.system == "ref"].words.isna().all()  # there is no transcript
    cosine = next(name.removesuffix("_normalised") for name in table if name.endswith("_normalised"))
    assert np.isfinite(table[f"{cosine}_normalised"]).all()
    summary = run.load_table("cloning_summary")
    assert summary[(summary.system == OURS) & (summary.metric == "wer")].value.iloc[0] == pytest.approx(25)
    assert clone_sample(run, 0, OURS).exists()
    (provenance,) = {
        json.dumps(provenance_of(run, f"cloning{part}")) for part in ("", "_summary", "_seconds", "_not_measured")
    }
    assert str(pairs / "g_es_src" / "c.wav") in json.loads(provenance)["outside"]
    seconds = run.load_table("cloning_seconds")
    assert (seconds[["translate", "speak", "render", "finish"]] >= 0).all(axis=None)
    assert table.speaker.nunique() == table.id.nunique() == 4
    assert table[cosine].between(-1, 1).all()
    unvoiced = table.prosody_reason != ""
    assert set(table.system[unvoiced]) == {OURS, OURS_FIXED}, "a vocoder of two steps makes noise"
    assert table[unvoiced].output_f0_median.isna().all()
    assert table[~unvoiced].output_f0_median.notna().all()
    # It stands until it is asked for something else.
    assert clone_report(run, pairs=pairs).equals(run.load_table("cloning"))
    assert set(clone_report(run).test_set) == {m for m in table.test_set if m.startswith("mini")}


def test_a_report_is_made_again_for_another_recording_or_vocoder_under_the_same_name(
    tiny_run, tmp_path, faked, monkeypatch
):
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="af_heart", cloning__examples=1)
    vocoder = shutil.copytree(run.path / "conversion" / "vocoder", tmp_path / "v")
    spanish = tmp_path / "ana"
    write_audio(spanish / "one.wav", spoken(6), 22_050)
    asked = {"vocoder": str(vocoder), "spanish": [spanish]}
    first = clone_report(run, **asked)
    built = []
    monkeypatch.setattr(cloning_report, "build", recorded(cloning_report.build, built))
    assert clone_report(run, **asked).equals(run.load_table("cloning"))
    assert built == []
    write_audio(spanish / "one.wav", spoken(8), 22_050)
    second = clone_report(run, **asked)
    medians = [table[table.id == "ana/one"].source_f0_median.iloc[0] for table in (first, second)]
    assert medians[0] != medians[1]
    tensors, meta = checkpoints.load(vocoder)
    checkpoints.save(vocoder, {name: 1.1 * x for name, x in tensors.items()}, meta)
    clone_report(run, **asked)
    assert built == [str(vocoder)] * 2
    assert provenance_of(run, "cloning")["outside"] == {
        str(vocoder): vocoder_key(vocoder),
        str(spanish / "one.wav"): fingerprint(spanish / "one.wav"),
    }


def recorded(build, built):
    def recording(vocoder, *given, **named):
        built.append(vocoder)
        return build(vocoder, *given, **named)

    return recording


def test_a_report_of_an_earlier_version_stands_for_the_run_s_own_vocoder_only(tiny_run, tmp_path, faked, monkeypatch):
    own = {"cloning__voice": "af_heart", "cloning__examples": 1, "cloning__tts": "int8"}
    run = trained_beside(tiny_run, tmp_path / "run", **own)
    clone_report(run)
    built = []
    monkeypatch.setattr(cloning_report, "build", recorded(cloning_report.build, built))
    inputs = run.path / "tables" / "cloning_inputs.json"
    first = run.load_json("cloning_inputs")
    inputs.unlink()
    without_tts = {name: value for name, value in first.items() if name != "tts"}
    for earlier in (first, without_tts, [None, "None", [], 0.0]):
        run.save_json("cloning_asked", earlier)
        clone_report(run)
        assert built == []
    vocoder = str(run.path / "conversion" / "vocoder")
    run.save_json("cloning_asked", [vocoder, "None", [], 0.0])
    clone_report(run, vocoder=vocoder)
    assert built == [vocoder]
    assert list(run.load_json("cloning_inputs")["outside"]) == [vocoder]
    clone_report(run, vocoder=vocoder)
    assert built == [vocoder], "the new file is read before the earlier one"


@pytest.mark.parametrize("earlier", ["no TTS", "another student", "the first version"])
def test_a_report_of_another_tts_is_made_again(tiny_run, tmp_path, faked, monkeypatch, earlier):
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="af_heart", cloning__examples=1)
    clone_report(run)
    built, inputs = [], run.load_json("cloning_inputs")
    assert inputs["tts"].startswith("student-")
    monkeypatch.setattr(cloning_report, "build", recorded(cloning_report.build, built))
    clone_report(run)
    assert built == []
    before = {
        "no TTS": {name: value for name, value in inputs.items() if name != "tts"},
        "another student": inputs | {"tts": "student-1"},
        "the first version": [None, "None", [], 0.0],
    }[earlier]
    run.save_json("cloning_inputs", before)
    clone_report(run)
    assert len(built) == 1


def test_a_similarity_without_floor_is_named_as_not_measured(tiny_run, tmp_path, faked):
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="af_heart", cloning__examples=1)
    table = clone_report(run)
    assert not [name for name in table if name.endswith("_normalised")], "one speaker has no floor"
    (reason,) = run.load_table("cloning_not_measured").reason
    assert reason == "normalised tiny-test-encoder: a calibration needs pairs of one speaker and of two"


def test_an_adapted_vocoder_is_one_more_system(tiny_run, tmp_path, faked, pairs, monkeypatch):
    adapted = []
    monkeypatch.setattr(cloning_report, "adapted_to", lambda *given: adapted.append(given) or given[0])
    settings = {"cloning__voice": "af_heart", "cloning__examples": 2, "encoders__emotion_folder": str(tmp_path)}
    run = trained_beside(tiny_run, tmp_path / "run", **settings)
    table = clone_report(run, pairs=pairs, minutes=1.5)
    assert set(table[table.system == OURS_ADAPTED].test_set.str.removesuffix(SEVERAL)) == {"g"}
    assert [(paths[0].name, minutes) for _, paths, minutes, _ in adapted] == [("a.wav", 1.5), ("b.wav", 1.5)]
    assert {adapter.keywords["encoders"].emotion_folder for *_, adapter in adapted} == {str(tmp_path)}
    ((encoders, device),) = faked
    assert (encoders.emotion_folder, device) == (str(tmp_path), "cpu")
    assert set(table.system) == {KOKORO, OURS, OWN, OURS_ADAPTED, "ref"}
    steps = run.load_table("cloning_seconds").set_index("id")[ADAPTATION_STEPS]
    assert steps.dropna().eq(run.config.conversion.training.steps).all(), "the vocoder stands for the adapted one"
    assert set(steps.dropna().index) == {"g/a", "g/b"}


def test_the_encoders_are_computed_as_the_run_says_and_are_those_of_the_vocoder(tiny_run, tmp_path, faked, monkeypatch):
    settings = {"encoders__device": "cuda:1", "encoders__precision": "float32", "encoders__emotion_folder": "e2v"}
    run = trained_beside(tiny_run, tmp_path / "run", **settings)
    monkeypatch.setattr(cloning_report, "corpus_recordings", lambda run: [])
    for named in (None, str(run.path / "conversion" / "vocoder")):
        with pytest.raises(RunError, match="no recording could be measured"):
            clone_report(run, vocoder=named)
    computed = {"device": "cuda:1", "precision": "float32"}
    assert faked == [
        (EncoderConfig(**computed, emotion_folder="e2v"), "cpu"),
        (EncoderConfig(**computed), "cpu"),  # this vocoder has egeMAPS, which no folder is of
    ]
    assert {"speaker", "emotion"}.isdisjoint(faked[0][0].model_fields_set)


def test_a_folder_without_recordings_is_refused(tiny_run, tmp_path, faked):
    run = trained_beside(tiny_run, tmp_path / "run", cloning__voice="af_heart")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CloningError, match="empty holds no recordings"):
        clone_report(run, spanish=[tmp_path / "empty"])


def test_the_matrix_is_content_by_voice_by_style(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run")
    table = sample_matrix(run)
    assert table.content.nunique() == table.voice.nunique() == 2
    assert OWN_STYLE in set(table["style"])
    assert len(table) == 4 * table["style"].nunique()
    assert all((run.path / sample).exists() for sample in table["sample"])
    assert table["sample"].is_unique
    shown = reporting.matrix_players(table, run)
    assert shown.count("<audio") == len(table)
    assert all(shown.count(html.escape(content)) == 1 for content in table.content.unique())
    assert sample_matrix(run).equals(run.load_table("matrix"))


def test_nearest_is_what_people_get_and_a_fixed_voice_what_bundled_tests_get():
    assert CloningConfig().voice == "nearest"
    assert Config.from_profile("demo").cloning.voice == Config.from_profile("smoke").cloning.voice == "af_heart"
