"""Speed of the generators on one thread, as ratios to two public peers, interleaved in one process.

Weights are random: speed does not depend on them. All see the same number of frames with a hop of 256 samples.
"""

import statistics
import time
from collections.abc import Callable

import torch

from thesis_lib.config import (
    AudioConfig,
    Config,
    ContentConfig,
    GeneratorConfig,
    Recipe,
    TrainingConfig,
)
from thesis_lib.content import channels
from thesis_lib.generators import build

FRAMES = 172  # 2 s at 22.05 kHz
SPEAKER, EMOTION = 192, 88  # ECAPA-TDNN and eGeMAPS


def run(quick: bool) -> dict:
    """Times of every generator and its ratio to HiFi-GAN V1 and Vocos, with the spread over the rounds."""
    torch.set_num_threads(1)
    makers = {"speechbrain HiFi-GAN V1": _speechbrain_v1, "vocos package": _vocos}
    for name in ("v1", "v2", "v3", "istft", "istft-small", "istft-large"):
        recipe = Recipe(generator=name, training=TrainingConfig(warm_start="none"))
        makers[f"ours, {name}"] = lambda config=recipe.generator: _ours(ContentConfig(), config)
    conversion = Config.from_profile("demo").conversion
    makers["ours, conversion of the demo"] = lambda: _ours(conversion.content, conversion.generator)
    models = {name: make() for name, make in makers.items()}
    seconds = _interleaved({name: call for name, (call, _) in models.items()}, 3 if quick else 15)
    audio = FRAMES * 256 / 22_050
    rows = []
    for name, (_, size) in models.items():
        row = {"model": name, "parameters": size, "times_real_time": audio / statistics.median(seconds[name])}
        for peer in ("speechbrain HiFi-GAN V1", "vocos package"):
            ratios = sorted(theirs / own for theirs, own in zip(seconds[peer], seconds[name], strict=True))
            row[f"speed / {peer}"] = {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
        rows.append(row)
    return {"frames": FRAMES, "threads": 1, "rounds": len(next(iter(seconds.values()))), "models": rows}


def _interleaved(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    with torch.inference_mode():
        for number in range(rounds + 1):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - started)
    return seconds


def _ours(content: ContentConfig, config: GeneratorConfig) -> tuple[Callable, int]:
    audio = AudioConfig()
    generator = build(audio, content, config, SPEAKER, EMOTION).fold_weight_norm().eval()
    given = torch.randn(1, channels(audio, content), FRAMES), torch.randn(1, SPEAKER), torch.randn(1, EMOTION)
    return lambda: generator(*given), sum(p.numel() for p in generator.parameters())


def _speechbrain_v1() -> tuple[Callable, int]:
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    generator = HifiganGenerator(
        in_channels=80,
        out_channels=1,
        resblock_type="1",
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        resblock_kernel_sizes=[3, 7, 11],
        upsample_kernel_sizes=[16, 16, 4, 4],
        upsample_initial_channel=512,
        upsample_factors=[8, 8, 2, 2],
        inference_padding=0,
    ).eval()
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
