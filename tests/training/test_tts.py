"""Training of the student of Kokoro's generator: what it is trained on, the training, what is written."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from helpers import voiced
from safetensors.numpy import save_file
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.cloning.tts import KokoroSynthesizer, SpeechError
from thesis_lib.cloning.tts_graph import kokoro_graph
from thesis_lib.cloning.tts_student import AUDIO, FOLDER, STATES, WEIGHTS, StudentError, read_student
from thesis_lib.cloning.voices import english_voices
from thesis_lib.config import IstftConfig
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.tts import check_student, release, reproduce_student, speech, student
from thesis_lib.training.tts.release import multi_scale_l1, student_card
from thesis_lib.training.tts.speech import TeacherUtterance, random_utterance, teacher_utterances
from thesis_lib.training.tts.student import StudentRecipe, content_scale, fit_student, fold_scale, synthesised

TINY = StudentRecipe(
    generator=IstftConfig(channels=16, blocks=1, expansion=1, excitation="harmonic", condition_dim=8, fusion_dim=8),
    steps=40,
    warmup_steps=4,
    batch_size=4,
    frames=24,
    learning_rate=1e-2,
)


def utterance(number: int, frames: int = 40) -> TeacherUtterance:
    """A vowel whose states are large where it is loud."""
    rng, f0 = np.random.default_rng(number), 120.0 + 20 * number
    level = np.linspace(0.2, 1.0, frames)
    wav = voiced(frames * AUDIO.hop_length / AUDIO.sample_rate, AUDIO.sample_rate, f0)[: frames * AUDIO.hop_length]
    content = np.concatenate(
        [
            50 * level * rng.normal(size=(STATES, 1)),
            level[None],
            np.full((1, frames), np.log(f0 / 150) / 0.35),
            np.ones((1, frames)),
        ]
    )
    style = rng.normal(size=256).astype(np.float32)
    return TeacherUtterance(
        content.astype(np.float16), style, (wav * level.repeat(AUDIO.hop_length)).astype(np.float32)
    )


@pytest.fixture(scope="module")
def spoken() -> list[TeacherUtterance]:
    return [utterance(number) for number in range(5)]


def mean_l1(net, spoken):
    made = (
        synthesised(net, torch.from_numpy(one.content.astype(np.float32))[None], torch.from_numpy(one.style)[None])
        for one in spoken
    )
    return np.mean([multi_scale_l1(wav[0].numpy(), one.wav) for wav, one in zip(made, spoken, strict=True)])


def test_training_lowers_the_mel_l1(spoken):
    before, _ = fit_student(spoken, dataclasses.replace(TINY, steps=1))
    after, loss = fit_student(spoken, TINY)
    assert mean_l1(after, spoken) < 0.6 * mean_l1(before, spoken)
    assert mean_l1(after, spoken) < 1.5 * loss


def test_the_scale_of_the_content_becomes_part_of_the_weights(spoken, monkeypatch):
    folded = []
    monkeypatch.setattr(student, "fold_scale", lambda net, scale: folded.append(scale))
    net, scale = fit_student(spoken, dataclasses.replace(TINY, steps=1))[0], content_scale(spoken)
    assert len(folded) == 1
    assert torch.equal(folded[0], scale)
    content = torch.from_numpy(spoken[0].content.astype(np.float32))[None]
    before = net.pre(content * scale)
    fold_scale(net, scale)
    assert torch.allclose(net.pre(content), before, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(net.pre(content * scale), before, rtol=1e-2)


def test_a_loss_that_is_not_finite_ends_the_training(spoken):
    broken = dataclasses.replace(spoken[0], wav=np.full_like(spoken[0].wav, np.nan))
    with pytest.raises(TrainingError, match="step 0: the loss is not finite"):
        fit_student([broken], TINY)


def test_a_training_gives_the_same_weights_again(spoken):
    nets = [fit_student(spoken, dataclasses.replace(TINY, steps=3))[0] for _ in range(2)]
    assert all(bool((a == b).all()) for a, b in zip(*(net.state_dict().values() for net in nets), strict=True))


def test_the_content_has_unit_size_after_the_scale(spoken):
    rows = np.concatenate([one.content.astype(np.float32) for one in spoken], axis=1) * content_scale(spoken).numpy()
    assert rows[:STATES].std() == pytest.approx(1, rel=1e-3)
    assert rows[STATES].std() == pytest.approx(1, rel=1e-3)
    assert np.array_equal(content_scale(spoken)[STATES + 1 :], np.ones((2, 1)))


def test_utterances_shorter_than_a_segment_are_left_out(spoken):
    with pytest.raises(TrainingError, match="no utterance has the 41 frames"):
        fit_student(spoken, dataclasses.replace(TINY, frames=41))


@pytest.fixture
def without_kokoro(monkeypatch, spoken):
    """The numbers of utterances that are asked for. The student is louder by its head's bias, int8 by a quarter."""
    asked = []

    def made(numbers, cache, progress):
        asked.append((numbers, cache))
        return spoken[numbers.start : numbers.stop]

    def samples(graph, numbers):
        gain = 1.25 if graph == "int8" else 1.5 + float(read_student(graph)[1]["head.bias"].mean())
        return [gain * spoken[number].wav for number in numbers]

    monkeypatch.setattr(release, "teacher_utterances", made)
    monkeypatch.setattr(release, "kokoro_graph", lambda kind, folder=None: folder or kind)
    monkeypatch.setattr(release, "samples_of", samples)
    return asked


def test_what_is_written_is_read_again(tmp_path, without_kokoro):
    said = []
    cache, folder = tmp_path / "cache", tmp_path / "student"
    reproduce_student(folder, cache, trained=3, tested=2, recipe=TINY, say=said.append)
    assert without_kokoro == [(range(3), cache), (range(3, 5), cache)]
    assert said == [f"the weights: {folder}"]
    description, tensors = read_student(folder)
    assert description.generator == TINY.generator
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}
    about = json.loads((folder / "config.json").read_text())
    assert (about["utterances"], about["test"]["utterances"], about["steps"]) == (3, 2, TINY.steps)
    assert (folder / "README.md").read_text() == student_card(about)


def test_the_check_measures_the_weights_that_are_there(tmp_path, without_kokoro, spoken):
    cache, folder = tmp_path / "cache", tmp_path / "student"
    reproduce_student(folder, cache, trained=3, tested=2, recipe=TINY, say=lambda text: None)
    before = json.loads((folder / "config.json").read_text())
    assert before["test"]["mel_l1_int8"]["mean"] == pytest.approx(np.log(1.25), abs=0.02)
    tensors = read_student(folder)[1]
    save_file(tensors | {"head.bias": tensors["head.bias"] + np.float16(10)}, folder / WEIGHTS)
    check_student(folder, cache, tested=2, say=lambda text: None)
    after = json.loads((folder / "config.json").read_text())
    assert after["test"]["mel_l1"]["mean"] > before["test"]["mel_l1"]["mean"]
    assert {**after, "test": 0} == {**before, "test": 0}
    assert (folder / "README.md").read_text() == student_card(after)


def test_a_student_without_its_training_record_is_a_clear_error(tmp_path, without_kokoro):
    reproduce_student(tmp_path, tmp_path, trained=3, tested=2, recipe=TINY, say=lambda text: None)
    about = json.loads((tmp_path / "config.json").read_text())
    del about["utterances"]
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(StudentError, match="no utterances: make one with `thesis weights tts --out"):
        check_student(tmp_path, tmp_path)


@pytest.mark.weights("kokoro", "kokoro-voices")
def test_the_samples_of_a_graph_are_those_of_the_utterances(tmp_path, monkeypatch):
    def short(rng):
        return rng.choice(["Good morning.", "It is late."]), "af_heart", rng.uniform(0.8, 1.2)

    monkeypatch.setattr(speech, "random_utterance", short)
    numbers = range(3, 5)
    wavs = [one.wav for one in teacher_utterances(numbers, tmp_path)]
    exact, fast = (speech.samples_of(kokoro_graph(kind), numbers) for kind in ("float32", "int8"))
    for wav, same, similar in zip(wavs, exact, fast, strict=True):
        assert multi_scale_l1(same, wav) < 1e-3
        assert 1e-3 < multi_scale_l1(similar, wav) < 0.3


def test_utterances_are_spoken_once_and_again_after_a_change(tmp_path, monkeypatch, spoken):
    plans = []
    monkeypatch.setattr(speech, "random_utterance", lambda rng: (f"text {rng.random()}", "voice", 1.0))
    monkeypatch.setattr(speech, "_teacher", lambda: lambda *plan: plans.append(plan) or spoken[len(plans) - 1])
    first, again = (teacher_utterances(range(3), tmp_path / "cache") for _ in range(2))
    assert len({text for text, *_ in plans}) == len(plans) == 3
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("content", "style", "wav"))
    monkeypatch.setattr(speech, "random_utterance", lambda rng: ("another text", "voice", 1.0))
    teacher_utterances(range(1), tmp_path / "cache")
    assert len(plans) == 4


def test_texts_voices_and_speeds_are_drawn(monkeypatch):
    monkeypatch.setattr(speech, "voice_files", lambda: {"a": "", "b": "", "c": ""})
    drawn = [random_utterance(random.Random(number)) for number in range(400)]
    assert drawn == [random_utterance(random.Random(number)) for number in range(400)]
    mixtures = [voice for _, voice, _ in drawn if "+" in voice]
    assert 0.25 < len(mixtures) / len(drawn) < 0.45
    assert {voice for _, voice, _ in drawn if "+" not in voice} == set(english_voices())
    short = [text for text, *_ in drawn if len(text.split()) <= speech.MAX_SHORT_WORDS]
    assert 0.08 < len(short) / len(drawn) < 0.22
    assert all(speech.MIN_SPEED <= speed <= speech.MAX_SPEED for *_, speed in drawn)


def test_numbers_that_are_not_finite_are_refused(monkeypatch):
    class Network:
        def network_input(self, *given, speed):
            return {"style": np.zeros((1, 256), np.float32)}

        def run(self, names, given):
            return np.full((1, 2, 3), 1e5, np.float32), np.zeros((1, 4), np.float32)  # float16 ends at 65,504

    teacher = speech.Teacher.__new__(speech.Teacher)
    teacher._synthesizer = teacher._session = Network()
    with pytest.raises(SpeechError, match="'Hello' by af_heart at speed 1.00 gives numbers that are not finite"):
        teacher("Hello", "af_heart", 1.0)


@pytest.mark.weights("kokoro", "kokoro-voices")
def test_the_teacher_speaks_as_kokoro_does():
    teacher, synthesizer = speech.Teacher(), KokoroSynthesizer(1, "float32")
    found = teacher("We walked along the river.", "af_sarah", 1.0)
    wav = synthesizer("We walked along the river.", "af_sarah")
    assert found.content.shape[1] * AUDIO.hop_length == len(found.wav)
    place = int(np.argmax(np.correlate(found.wav, wav[2000:6000], "valid"))) - 2000  # the client trims silence
    assert np.abs(found.wav[place : place + len(wav)] - wav).max() < 1e-3


@pytest.mark.parametrize(("option", "function"), [([], "reproduce_student"), (["--check"], "check_student")])
def test_the_command_trains_or_measures_the_released_student(monkeypatch, tmp_path, option, function):
    given = {}
    for name in ("reproduce_student", "check_student"):
        monkeypatch.setattr(
            f"thesis_lib.training.tts.{name}", lambda *paths, name=name, **more: given.update({name: paths})
        )
    assert CliRunner().invoke(app, ["weights", "tts", "--cache", str(tmp_path), *option]).exit_code == 0
    assert given == {function: (FOLDER, tmp_path)}


def test_the_shipped_card_is_that_of_the_shipped_weights():
    about = json.loads((FOLDER / "config.json").read_text())
    assert student_card(about) == (FOLDER / "README.md").read_text()
    assert read_student(FOLDER)[0].generator == StudentRecipe().generator
    assert about["steps"] == StudentRecipe().steps
    assert (FOLDER / WEIGHTS).stat().st_size < 5e6
