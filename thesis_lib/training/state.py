"""The state of a training: everything that a step changes, saved to checkpoints and restored from them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from thesis_lib import pretrained
from thesis_lib.config import Config, Recipe, Task
from thesis_lib.config.recipes import COLD
from thesis_lib.runs.provenance import commit
from thesis_lib.runs.vocoders import TARGET_SPEAKERS
from thesis_lib.training.devices import fabric_of
from thesis_lib.training.discriminators import Discriminator
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.losses import SignalLoss, consistency, signal_losses
from thesis_lib.training.schedule import ADVERSARIAL, SAMPLED, rate_factor, require_losses
from thesis_lib.training.segments import Batch, Segments
from thesis_lib.training.speaker_sampling import SpeakerSampler
from thesis_lib.utils.errors import one_line
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.conditioning import PrincipalComponents, train_condition_alone
from thesis_lib.vocoder.content import PHONETIC_MODEL
from thesis_lib.vocoder.generators import Generator, HifiganGenerator, build_generator
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder, universal_state

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule

COMPONENT_UTTERANCES = 50  # training recordings that the phonetic content's principal components are fitted to


@dataclass
class State:
    """Networks, optimizers and counters.

    It needs no scheduler and no random state: the learning rate, the data and the random draws of a step are
    functions of the seed and the step, so a resumed training repeats the uninterrupted one exactly.
    """

    fabric: "Fabric"
    recipe: Recipe
    generator: Generator
    discriminator: Discriminator
    average: AveragedModel | None  # exponential moving average of the generator's weights
    wrapped: "dict[str, _FabricModule]"  # the networks with the fabric's precision and gradient exchange
    optimizers: dict[str, AdamW]
    losses: dict[str, SignalLoss]  # losses of an estimate against a recording, by the name of their weight
    speaker_sampler: SpeakerSampler | None = None
    crop_samples: int | None = None  # of a segment, that the discriminator receives; None: all
    step: int = 0
    seconds: float = 0.0  # wall-clock time so far, all sessions together
    skipped: int = 0  # steps without an update: a loss or gradient was not finite
    best: float | None = None  # best validation score so far, lower is better
    waited: int = 0  # validations since the best one

    @classmethod
    def create(cls, config: Config, task: Task, data: Segments, fabric: "Fabric | None" = None) -> "State":
        """The state before the first step: random weights, HiFi-GAN universal's, or another vocoder's.

        Raises CheckpointError when the vocoder of the warm start has another generator or content than the recipe,
        TrainingError when a loss needs the gradient of an encoder that has none, or when the training split has too few
        frames to fit the content's principal components; a warm start from a vocoder brings its own components.
        """
        recipe = config.recipe(task)
        training = recipe.training
        fabric = fabric or fabric_of(training)
        torch.manual_seed(training.seed)
        generator = _initial_generator(config, recipe, data)
        average = None
        if training.ema_decay:
            average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay))
            average.requires_grad_(False)
            fabric.to_device(average)
        discriminator = Discriminator(recipe.discriminator)
        if training.trainable == "condition":
            train_condition_alone(generator)
        networks: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        wrapped, optimizers = {}, {}
        for name, network in networks.items():
            # The fused update cannot undo a loss scale before the gradients are clipped.
            fused = training.precision != "16-mixed"
            optimizer = AdamW(network.parameters(), training.learning_rate, training.betas, fused=fused)
            wrapped[name], optimizers[name] = fabric.setup(network, optimizer)
        signal = signal_losses(config, recipe.losses, training.encoder_augmentation)
        losses = {name: fabric.to_device(loss) for name, loss in signal.items()}
        sampler = None
        if recipe.losses.sampled_speaker:
            active = [name for name in SAMPLED if getattr(recipe.losses, name) > 0]
            sampled = {name: consistency(config, recipe.losses, name, training.encoder_augmentation) for name in active}
            for loss in sampled.values():
                fabric.to_device(loss)
            sampler = SpeakerSampler(data, sampled, fabric.device)
        frames = recipe.discriminator.crop_frames
        crop = None if frames is None else frames * config.audio.hop_length
        return cls(fabric, recipe, generator, discriminator, average, wrapped, optimizers, losses, sampler, crop)

    @property
    def result(self) -> Generator:
        """The generator that becomes the vocoder: the moving average where there is one."""
        return cast(Generator, self.average.module) if self.average else self.generator

    def check_losses(self) -> None:
        """Check that every step of the training has a loss. Raises TrainingError with the first steps without one."""
        others = [name for name in (*ADVERSARIAL, *SAMPLED) if getattr(self.recipe.losses, name) > 0]
        require_losses([*self.losses, *others], self.recipe.training)

    def estimate(self, batch: Batch) -> torch.Tensor:
        """Synthesise a batch, -> (B, 1, N)."""
        return self.wrapped["generator"](batch.content, batch.speaker, batch.emotion)

    def rate(self, name: str) -> float:
        """The learning rate of a network at this step; the discriminator's schedule begins at ``adversarial_from``."""
        training = self.recipe.training
        start = training.adversarial_from if name == "discriminator" else 0
        return training.learning_rate * rate_factor(training, self.step - start, training.steps - start)

    def record_score(self, score: float | None) -> None:
        """Record a validation score, lower is better; None, for a score that is not finite, is never the best."""
        if score is not None and (self.best is None or score < self.best):
            self.best, self.waited = score, 0
        else:
            self.waited += 1

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the last ``patience`` validations have not improved the score."""
        patience = self.recipe.training.patience
        return patience is not None and self.waited >= patience

    def save(self, folder: Path, config: Config, **more: object) -> Path:
        """Write one self-describing checkpoint atomically; ``more`` goes to its config.json. Returns its folder."""
        tensors: dict[str, Tensor] = {}
        groups = {}
        for name, network in self._networks().items():
            tensors |= checkpoints.with_prefix(name, network.state_dict())
        for name, optimizer in self.optimizers.items():
            slots, groups[name] = checkpoints.flatten_optimizer(f"optimizer_{name}", optimizer)
            tensors |= slots
        meta = {
            "step": self.step,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "best": self.best,
            "waited": self.waited,
            "optimizers": groups,
            "weights": self._pretrained(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "config": json.loads(config.model_dump_json()),
            "commit": commit(),
            **more,
        }
        checkpoints.save(folder, tensors, meta)
        return folder

    def _networks(self) -> dict[str, nn.Module]:
        """The networks of a checkpoint, by the prefix of their tensors."""
        found = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        return {name: network for name, network in found.items() if network is not None}

    def _pretrained(self) -> dict[str, str]:
        """Name and revision of the pretrained weights that this training uses."""
        warm = [UNIVERSAL] if self.recipe.training.warm_start == UNIVERSAL else []
        content = [PHONETIC_MODEL] if self.recipe.content.kind == "phonetic" else []
        sampled = [TARGET_SPEAKERS] if self.recipe.losses.sampled_speaker else []
        return {name: pretrained.get(name).revision for name in (*warm, *content, *sampled)}

    def restore(self, folder: Path) -> None:
        """Load a checkpoint. CheckpointError when it is damaged."""
        tensors, meta = checkpoints.load(folder)
        for name, network in self._networks().items():
            network.load_state_dict(checkpoints.without_prefix(name, tensors), strict=True)
        for name, optimizer in self.optimizers.items():
            checkpoints.restore_optimizer(f"optimizer_{name}", optimizer, tensors, meta["optimizers"][name])
        self.fabric.strategy.precision.load_state_dict(meta["scaler"])
        for counter in ("step", "seconds", "skipped", "best", "waited"):
            setattr(self, counter, meta[counter])
        if self.best is not None and not math.isfinite(self.best):
            self.best = None  # an earlier version took NaN for the best score


def _initial_generator(config: Config, recipe: Recipe, data: Segments) -> Generator:
    """The generator with its embedding statistics and its initial weights."""
    warm_start = recipe.training.warm_start
    generator = build_generator(
        config.audio, recipe.content, recipe.generator, data.speaker.shape[1], data.emotion.shape[1]
    )
    generator.condition.speaker_statistics.fit(data.speaker)
    generator.condition.emotion_statistics.fit(data.emotion)
    if warm_start not in (COLD, UNIVERSAL):
        _load_vocoder(generator, warm_start, data.encoders)
    elif isinstance(generator.reduce, PrincipalComponents):
        _fit_components(generator.reduce, data.phonetic_rows(COMPONENT_UTTERANCES))
    if warm_start == UNIVERSAL:
        cast(HifiganGenerator, generator).load_hifigan(universal_state())
    return generator


def _fit_components(reduce: PrincipalComponents, rows: Tensor) -> None:
    if len(rows) < len(reduce.basis):
        raise TrainingError(
            f"{len(rows)} frames of content do not give {len(reduce.basis)} components: train on more speech, start "
            "from a vocoder (training.warm_start), or set a smaller content.components"
        )
    reduce.fit(rows)


def _load_vocoder(generator: Generator, source: str, encoders: dict[str, str]) -> None:
    """Load another vocoder's weights and embedding statistics.

    A projection of an embedding by another encoder than the vocoder's keeps its random weights and its statistics.
    """
    vocoder = Vocoder.from_torch(source)
    state, own = vocoder.generator.state_dict(), generator.state_dict()
    for kind in ("speaker", "emotion"):
        if getattr(vocoder.description, f"{kind}_encoder").name != encoders[f"{kind}_encoder"].split()[0]:
            reads = (f"condition.{kind}.", f"condition.{kind}_statistics.")
            state |= {name: tensor for name, tensor in own.items() if name.startswith(reads)}
    try:
        generator.load_folded(state)
    except RuntimeError as error:
        raise checkpoints.CheckpointError(
            f"{source} cannot start this training: its generator or content differs from the recipe's "
            f"({one_line(error)})"
        ) from error
