"""Small real inputs: synthetic signals, a tiny run on the bundled corpus, weights where they are cached."""

import contextlib
import functools
import json
import os
import shutil
import signal
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
# Last, so that a mutant's copy of the package, which lies in the working directory, comes before it.
sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
import torch

from thesis_lib import models
from thesis_lib.audio import read_audio
from thesis_lib.config import TASKS, Config, CorpusConfig
from thesis_lib.corpora import mini
from thesis_lib.runs import Run
from thesis_lib.training import train

TINY = {
    "corpus.limit": 4,
    "encoders.speaker": "tiny-test",
    **{
        f"{task}.training.{key}": value
        for task in TASKS
        for key, value in {"steps": 4, "adversarial_from": 2, "checkpoint_every": 2}.items()
    },
    "validation.metrics": ("mel_l1", "pesq", "speaker", "prosody", "style"),
}


@pytest.fixture(autouse=True)
def _deterministic():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _skip_without_weights(request):
    marker = request.node.get_closest_marker("weights")
    missing = [name for name in (marker.args if marker else ()) if not models.is_cached(name)]
    if missing:
        pytest.skip(f"run `thesis models fetch {' '.join(missing)}` first")


@pytest.fixture(autouse=True)
def _no_lazy_modules():
    """speechbrain leaves modules in sys.modules that raise ImportError at a look, and hypothesis looks at all."""
    for name, module in list(sys.modules.items()):
        if type(module).__name__ in ("LazyModule", "DeprecatedModuleRedirect"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def tiny_config() -> Config:
    return Config.from_profile("smoke").override(TINY)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_config) -> Run:
    """A run whose vocoders are trained (four steps of tiny networks)."""
    run = Run(tmp_path_factory.mktemp("runs") / "tiny", tiny_config)
    for task in TASKS:
        train(run, task)
    return run


def voiced(seconds: float = 1.0, rate: int = 22_050, f0: float = 140.0, seed: int = 0) -> np.ndarray:
    """A buzzy, syllable-shaped signal: enough like speech for what is tested with it."""
    t = np.arange(int(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    harmonics = sum(np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)
    return (0.1 * harmonics * envelope + 0.002 * rng.normal(size=len(t))).astype(np.float32)


@functools.cache
def spoken(number: int = 0, rate: int = 22_050, side: str = "es") -> np.ndarray:
    """A bundled recording: where a voice activity detector has a say, a buzz will not do."""
    row = mini.table(CorpusConfig(name="mini")).iloc[number]
    return read_audio(mini.bundle() / "audio" / f"{row.id}.{side}.opus", rate)[0]


def chords(seconds: float = 8.0, rate: int = 22_050) -> np.ndarray:
    """Plucked chords: music in which nobody sings."""
    t = np.arange(int(seconds * rate)) / rate
    wav = np.zeros_like(t)
    for number in range(int(2 * seconds)):
        here = (t >= number / 2) & (t < (number + 1) / 2)
        for f0 in ((262, 330, 392), (294, 370, 440), (220, 277, 330), (196, 247, 294))[number % 4]:
            note = sum(np.sin(2 * np.pi * f0 * k * t) / k**1.5 for k in range(1, 9))
            wav += here * note * np.exp(-3 * (t - number / 2) * here)
    return (0.05 * wav).astype(np.float32)


@pytest.fixture
def speech() -> np.ndarray:
    return voiced()


def beside(tiny_run, path, **changes) -> Run:
    """Another run on the same prepared corpus and embeddings; ``a__b=1`` changes the setting a.b."""
    run = Run(path, tiny_run.config.override({key.replace("__", "."): value for key, value in changes.items()}))
    for name in ("corpus", "embeddings"):
        shutil.copytree(tiny_run.path / name, run.path / name)
    return run


def trained_beside(tiny_run, path, **changes) -> Run:
    """The same, with the tiny run's vocoders."""
    run = beside(tiny_run, path, **changes)
    for task in TASKS:
        shutil.copytree(tiny_run.path / task, run.path / task)
    return run


def log_of(run, task) -> list[dict]:
    """The rows of a training's metrics.jsonl."""
    return [json.loads(line) for line in (run.path / task / "metrics.jsonl").read_text().splitlines()]


def train_command(folder: Path, changes: dict) -> list[str]:
    """`thesis train` of the conversion in a run folder of the tiny configuration with some changes."""
    command = [str(Path(sys.executable).with_name("thesis")), "train", "--task", "conversion", "--profile", "smoke"]
    settings = [f"--set={key}={json.dumps(value)}" for key, value in (TINY | changes).items()]
    return [*command, "--run-dir", str(folder), *settings]


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
    from funasr.models.emotion2vec.model import Emotion2vec as Network
    from omegaconf import OmegaConf

    (tmp_path / "config.yaml").write_text(EMOTION2VEC)
    settings = OmegaConf.load(tmp_path / "config.yaml")
    network = Network(model_conf=OmegaConf.to_container(settings.model_conf), vocab_size=-1)
    torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
    return tmp_path


@contextlib.contextmanager
def losing_a_worker(folder: Path, after: int):
    """The address of a Dask cluster of two processes, and a Progress that kills one of them after so many results."""
    from distributed import Client, LocalCluster

    workers = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**workers, local_directory=str(folder)) as cluster, Client(cluster) as client:
        pids = client.run(os.getpid)

        def killing(rows, total, label):
            for number, row in enumerate(rows):
                if number == after:
                    os.kill(next(iter(pids.values())), signal.SIGKILL)
                yield row

        yield cluster.scheduler_address, killing
