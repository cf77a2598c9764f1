"""Small real inputs: synthetic signals, a tiny run on the bundled corpus, weights where they are cached."""

import gc
import os
import sys
from pathlib import Path

# Two processes of tests on two cores: one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
# After the working directory, where a mutant's copy of the package lies, and before the installed packages: one of
# them, pysbd, brings a package "benchmarks" of its own.
sys.path.insert(
    next((place for place, path in enumerate(sys.path) if path.endswith("site-packages")), len(sys.path)),
    str(Path(__file__).parents[1]),
)

import hypothesis
import numpy as np
import pytest
import torch
from cloning_stages import HZ
from helpers import TINY, one_call_for_equal_samples, serving, spoken, voiced
from tiny_corpora import person
from xdist.scheduler import LoadFileScheduling

from thesis_lib import pretrained
from thesis_lib.audio.files import write_audio
from thesis_lib.config import TASKS, Config, EncoderConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.funasr_models import funasr_network
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.training import train
from thesis_lib.validation import systems
from thesis_lib.vocoder.sources import UNIVERSAL
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import MEAN_VOICE

gc.disable()  # until all tests are collected, which takes two thirds of the time then

# What gates a change draws the same examples every time; `make explore` draws others, and many more.
hypothesis.settings.register_profile("gate", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


class NotebooksTogether(LoadFileScheduling):
    """Keep the tests of a file in one process, and all notebooks too: they share a run folder."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "notebooks" if file.endswith(".ipynb") else file


def pytest_collection_finish():
    """The garbage collector does not look at the modules and the tests again."""
    gc.freeze()
    gc.enable()


def pytest_xdist_make_scheduler(config, log):
    return NotebooksTogether(config, log) if config.getvalue("dist") == "loadfile" else None


def _of_published(vocoder, wav, voice=MEAN_VOICE, guidance=1.0, stretch=1.0):
    """What a rendering by the published vocoder depends on, beside the recording.

    None for any other rendering, which is not cached.
    """
    return (guidance, stretch) if vocoder.name == UNIVERSAL and voice is MEAN_VOICE else None


@pytest.fixture(scope="session", autouse=True)
def _one_call_for_equal_recordings():
    """Compute once what many tests compute of the same few recordings.

    Most tests of cloning call openSMILE, some hundredths of a second for a recording. Every validation renders the same
    recordings by the published vocoder and by Griffin-Lim, which depend on no training; that takes ten seconds.
    """
    with pytest.MonkeyPatch.context() as patch:
        one_call_for_equal_samples(patch, Egemaps)
        one_call_for_equal_samples(patch, Vocoder, "render", _of_published)
        one_call_for_equal_samples(patch, systems, "griffin_lim", lambda wav, log_mel: log_mel.config)
        yield


@pytest.fixture(autouse=True)
def _deterministic():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _skip_without_weights(request):
    marker = request.node.get_closest_marker("weights")
    missing = [name for name in (marker.args if marker else ()) if not pretrained.is_cached(name)]
    if missing:
        pytest.skip(f"run `thesis models fetch {' '.join(missing)}` first")


@pytest.fixture(autouse=True)
def _no_lazy_modules():
    """speechbrain leaves modules in sys.modules that raise ImportError at a look, and hypothesis looks at all."""
    for name in list(sys.modules):  # only the names: threads of a server import meanwhile
        if type(sys.modules.get(name)).__name__ in ("LazyModule", "DeprecatedModuleRedirect"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    return Config.from_profile("smoke").override(TINY)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_config) -> Run:
    """A run with trained vocoders (four steps of tiny networks) and the embeddings of both sides."""
    run = Run(tmp_path_factory.mktemp("runs") / "tiny", tiny_config)
    embedded(run)
    for task in TASKS:
        train(run, task)
    return run


@pytest.fixture(scope="module")
def browser():
    """A Chromium; the tests that use it are skipped where there is none."""
    from playwright.sync_api import sync_playwright

    from thesis_lib.reporting.book import find_chromium

    options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=find_chromium(), args=options)
        yield launched
        launched.close()


@pytest.fixture
def speech() -> np.ndarray:
    return voiced()


EMOTION2VEC = """
model: Emotion2vec
model_conf:
  embed_dim: 32
  num_heads: 2
  depth: 1
  mlp_ratio: 2
  norm_eps: 1e-5
  norm_affine: true
  layer_norm_first: false
  encoder_dropout: 0.0
  attention_dropout: 0.0
  activation_dropout: 0.0
  post_mlp_drop: 0.0
  dropout_input: 0.0
  start_drop_path_rate: 0.0
  end_drop_path_rate: 0.0
  end_of_block_targets: false
  average_top_k_layers: 1
  loss_beta: 0
  clone_batch: 1
  layerdrop: 0
  normalize: true
  modalities:
    audio:
      extractor_mode: layer_norm
      feature_encoder_spec: "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16, 2, 2)] * 2"
      conv_pos_width: 15
      conv_pos_groups: 2
      conv_pos_depth: 1
      conv_pos_pre_ln: false
      type: AUDIO
      prenet_depth: 1
      prenet_layerdrop: 0
      prenet_dropout: 0.0
      start_drop_path_rate: 0.0
      end_drop_path_rate: 0.0
      num_extra_tokens: 2
      init_extra_token_zero: true
      mask_noise_std: 0.01
      mask_prob_min: null
      mask_prob: 0.5
      inverse_mask: false
      mask_prob_adjust: 0.05
      keep_masked_pct: 0.0
      mask_length: 5
      add_masks: false
      remove_masks: false
      mask_dropout: 0.0
      encoder_zero_mask: true
      mask_channel_prob: 0.0
      mask_channel_length: 64
      ema_local_encoder: false
      local_grad_mult: 1.0
      use_alibi_encoder: true
      alibi_scale: 1.0
      learned_alibi: false
      alibi_max_pos: null
      learned_alibi_scale: true
      learned_alibi_scale_per_head: true
      learned_alibi_scale_per_layer: false
      num_alibi_heads: 2
      model_depth: 1
      decoder: null
"""


@pytest.fixture
def emotion2vec_folder(tmp_path):
    """A folder in the published layout with random weights of a tiny network."""
    from omegaconf import OmegaConf

    (tmp_path / "config.yaml").write_text(EMOTION2VEC)
    settings = OmegaConf.load(tmp_path / "config.yaml")
    network = funasr_network("emotion2vec.model", "Emotion2vec")(
        model_conf=OmegaConf.to_container(settings.model_conf), vocab_size=-1
    )
    torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
    return tmp_path


@pytest.fixture(scope="module")
def stages(tiny_run):
    config = EncoderConfig(speaker="tiny-test", emotion="egemaps")
    return speaker_encoder(config), emotion_encoder(config), train(tiny_run, "conversion")


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two utterances with three seconds between them."""
    gap = np.zeros(3 * HZ, np.float32)
    return np.concatenate([gap[:HZ], spoken(0), gap, spoken(1), gap[:HZ]])


@pytest.fixture(scope="module")
def recording(talk, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "voz.wav"
    write_audio(path, talk, HZ)
    return path


@pytest.fixture
def people(tmp_path) -> Path:
    """A folder of four speakers."""
    for number, name in enumerate(("ana", "eva", "luis", "rosa")):
        person(tmp_path / "people", name, 2 + number % 2)
    return tmp_path / "people"


@pytest.fixture
def served(tmp_path):
    """A folder, and the address at which this machine serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    with serving(folder) as address:
        yield folder, address


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """Path that exists only if code of a file was executed; the folder around it must stay as it is."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    yield tmp_path / "executed"
    assert not (tmp_path / "executed").exists(), "code of the file was executed"
    assert {path.name for path in tmp_path.iterdir()} <= {"home", "case", "config.yaml", "model.pt"}
