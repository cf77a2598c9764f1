"""Speed of the generators on one thread, as ratios to two public peers, interleaved in one process.

Weights are random, in the sizes of the released ones too: speed does not depend on them. All see the same number of
frames with a hop of 256 samples.
"""

import statistics
from collections.abc import Callable

import torch

from benchmarks.peers import speechbrain_v1
from thesis_lib.config import AudioConfig, ContentConfig, GeneratorConfig, Recipe, TrainingConfig
from thesis_lib.utils.timing import interleaved, ratio
from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.generators import build_generator
from thesis_lib.vocoder.sources import RELEASED, weights

FRAMES = 172  # 2 s at 22.05 kHz
SPEECHBRAIN, VOCOS = "speechbrain HiFi-GAN V1", "vocos package"
SPEAKER, EMOTION = 192, 88  # ECAPA-TDNN and eGeMAPS


def run(quick: bool) -> dict:
    """Times of every generator and its ratio to HiFi-GAN V1 and Vocos, with the spread over the rounds."""
    makers = peers()
    for name in ("v1", "v2", "v3", "istft", "istft-small", "istft-large"):
        recipe = Recipe(generator=name, training=TrainingConfig(warm_start="none"))
        makers[f"ours, {name}"] = lambda config=recipe.generator: _ours(ContentConfig(), config)
    for name in RELEASED:
        made, _ = weights(name)
        makers[f"ours, {name} weights"] = lambda made=made: _ours(made.content, made.generator)
    models = {name: make() for name, make in makers.items()}
    with torch.inference_mode():
        seconds = interleaved({name: call for name, (call, _) in models.items()}, 3 if quick else 15)
    audio = FRAMES * 256 / 22_050
    rows = []
    for name, (_, size) in models.items():
        row = {"model": name, "parameters": size, "times_real_time": audio / statistics.median(seconds[name])}
        for peer in (SPEECHBRAIN, VOCOS):
            row[f"speed / {peer}"] = ratio(seconds[peer], seconds[name])
        rows.append(row)
    return {"frames": FRAMES, "threads": 1, "rounds": len(next(iter(seconds.values()))), "models": rows}


def peers() -> dict[str, Callable[[], tuple[Callable, int]]]:
    """Name -> maker of a call that renders ``FRAMES``, and the number of its parameters."""
    return {SPEECHBRAIN: _speechbrain_v1, VOCOS: _vocos}


def _ours(content: ContentConfig, config: GeneratorConfig) -> tuple[Callable, int]:
    audio = AudioConfig()
    generator = build_generator(audio, content, config, SPEAKER, EMOTION).fold_weight_norm().eval()
    given = torch.randn(1, channels(audio, content), FRAMES), torch.randn(1, SPEAKER), torch.randn(1, EMOTION)
    return lambda: generator(*given), sum(p.numel() for p in generator.parameters())


def _speechbrain_v1() -> tuple[Callable, int]:
    generator = speechbrain_v1().eval()
    generator.remove_weight_norm()
    mel = torch.randn(1, 80, FRAMES)
    return lambda: generator(mel), sum(p.numel() for p in generator.parameters())


def _vocos() -> tuple[Callable, int]:
    """The published 24 kHz mel model's sizes (its config.yaml)."""
    from vocos.heads import ISTFTHead
    from vocos.models import VocosBackbone

    backbone = VocosBackbone(input_channels=100, dim=512, intermediate_dim=1536, num_layers=8).eval()
    head = ISTFTHead(dim=512, n_fft=1024, hop_length=256, padding="center").eval()
    mel = torch.randn(1, 100, FRAMES)
    size = sum(p.numel() for module in (backbone, head) for p in module.parameters())
    return lambda: head(backbone(mel)), size
