"""Pruned channels."""

import pytest
import torch

from thesis_lib.compression import float16_copy, prune
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig
from thesis_lib.training import train
from thesis_lib.vocoder.generators.hifigan import ResBlock
from thesis_lib.vocoder.synthesis import Vocoder


def test_pruning_takes_the_lightest_channels_between_two_convolutions(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    small = prune(vocoder, 0.5)
    assert small.parameters() < vocoder.parameters()
    pairs = [
        (v.generator.stages[0].fields[0].dilated[0], v.generator.stages[0].fields[0].plain[0]) for v in (vocoder, small)
    ]
    (first, second), (fewer, follows) = pairs
    assert fewer.out_channels == follows.in_channels == first.out_channels // 2
    assert follows.out_channels == second.out_channels
    weight = first.weight.flatten(1).norm(dim=1) * second.weight.transpose(0, 1).flatten(1).norm(dim=1)
    kept = weight >= weight.sort(descending=True).values[fewer.out_channels - 1]
    assert torch.equal(fewer.weight, first.weight[kept])
    assert torch.equal(follows.weight, second.weight[:, kept])


def test_channels_that_weigh_nothing_are_pruned_without_a_difference(tiny_run, tmp_path):
    vocoder = float16_copy(train(tiny_run, "resynthesis"))
    for module in vocoder.generator.modules():
        if isinstance(module, ResBlock):
            for second in module.plain:
                second.weight[:, ::2] = 0
    small, mel = prune(vocoder, 0.5), torch.randn(1, 80, 20)
    assert torch.allclose(small(mel), vocoder(mel), atol=1e-6)
    small.save_pretrained(tmp_path / "small")
    assert torch.equal(Vocoder.from_pretrained(tmp_path / "small")(mel), small(mel))


def test_only_hifigan_with_pairs_is_pruned():
    meta = {"audio": AudioConfig().model_dump(), "content": ContentConfig().model_dump()}
    meta |= {"generator": IstftConfig(channels=8, blocks=1).model_dump(), "speaker_dim": 5, "emotion_dim": 6}
    meta |= {"task": "resynthesis", "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
    with pytest.raises(ValueError, match="only a hifigan"):
        prune(Vocoder.untrained(meta), 0.5)
    with pytest.raises(ValueError, match="plain_convolutions"):
        HifiganConfig(plain_convolutions=False, inner=0.5)
