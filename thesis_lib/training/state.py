"""All that a training step changes, and its way to disk and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from thesis_lib import pretrained
from thesis_lib.config import Config, Recipe, Task
from thesis_lib.runs.provenance import commit
from thesis_lib.training.devices import fabric_of
from thesis_lib.training.discriminators import Discriminator
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.losses import SignalLoss, consistency, signal_losses
from thesis_lib.training.schedule import rate_factor
from thesis_lib.training.segments import Batch, Segments
from thesis_lib.training.speaker_sampling import SpeakerSampler
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.conditioning import PrincipalComponents
from thesis_lib.vocoder.content import PHONETIC_MODEL
from thesis_lib.vocoder.generators import Generator, HifiganGenerator, build
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder, universal_state

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule

COLD = "none"  # the warm start that there is none
COMPONENT_UTTERANCES = 50  # of the training split, whose frames give the phonetic content's principal components


@dataclass
class State:
    """Networks, optimizers, counters.

    There is no scheduler and no random state among them: the learning rate, the data and the draws of a step are
    functions of the seed and the step, so a resumed training cannot get out of step with itself.
    """

    fabric: "Fabric"
    recipe: Recipe
    generator: Generator
    discriminator: Discriminator
    average: AveragedModel | None  # of the generator's weights, exponential
    wrapped: "dict[str, _FabricModule]"  # the networks as the fabric runs them: precision, gradients of all devices
    optimizers: dict[str, AdamW]
    losses: dict[str, SignalLoss]  # those of a waveform against another, by the name of their weight
    speaker_sampler: SpeakerSampler | None = None
    step: int = 0
    seconds: float = 0.0  # of training so far, all sessions together
    skipped: int = 0  # steps without an update, because something was not finite
    best: float | None = None  # held-out score so far, lower is better
    waited: int = 0  # evaluations since then

    @classmethod
    def create(cls, config: Config, task: Task, data: Segments, fabric: "Fabric | None" = None) -> "State":
        """Seeded weights, the published ones under an identity condition, or another vocoder's.

        Raises CheckpointError when the warm start's vocoder is not one of the recipe's, and TrainingError where there
        is too little speech for the content's components: going on from a vocoder, some seconds do, for it has its own.
        """
        recipe = config.recipe(task)
        training = recipe.training
        fabric = fabric or fabric_of(training)
        torch.manual_seed(training.seed)
        dims = data.speaker.shape[1], data.emotion.shape[1]
        generator = build(config.audio, recipe.content, recipe.generator, *dims)
        generator.condition.speaker_statistics.fit(data.speaker)
        generator.condition.emotion_statistics.fit(data.emotion)
        if training.warm_start not in (COLD, UNIVERSAL):
            _go_on_from(generator, training.warm_start, data.encoders)
        elif isinstance(generator.reduce, PrincipalComponents):
            _fit_components(generator.reduce, data.phonetic_rows(COMPONENT_UTTERANCES))
        if training.warm_start == UNIVERSAL:
            cast(HifiganGenerator, generator).load_hifigan(universal_state())
        average = None
        if training.ema_decay:
            average = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(training.ema_decay))
            average.requires_grad_(False)
            fabric.to_device(average)
        discriminator = Discriminator(recipe.discriminator)
        networks: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator}
        wrapped, optimizers = {}, {}
        for name, network in networks.items():
            # The fused update cannot be told of a loss scale before the clipping.
            fused = training.precision != "16-mixed"
            optimizer = AdamW(network.parameters(), training.learning_rate, training.betas, fused=fused)
            wrapped[name], optimizers[name] = fabric.setup(network, optimizer)
        losses = {name: fabric.to_device(loss) for name, loss in signal_losses(config, recipe.losses).items()}
        sampler = None
        if recipe.losses.sampled_speaker:
            loss = consistency(config, recipe.losses, "sampled_speaker")
            fabric.to_device(loss)
            sampler = SpeakerSampler(data, loss)
        return cls(fabric, recipe, generator, discriminator, average, wrapped, optimizers, losses, sampler)

    @property
    def result(self) -> Generator:
        """The generator that is kept: the average where there is one."""
        return cast(Generator, self.average.module) if self.average else self.generator

    def estimate(self, batch: Batch) -> torch.Tensor:
        """The generator's (B, 1, N) for a batch."""
        return self.wrapped["generator"](batch.content, batch.speaker, batch.emotion)

    def rate(self, name: str) -> float:
        """The learning rate of a network at this step; a discriminator's time begins with its first step."""
        training = self.recipe.training
        start = training.adversarial_from if name == "discriminator" else 0
        return training.learning_rate * rate_factor(training, self.step - start, training.steps - start)

    def see(self, score: float) -> None:
        """Take note of a held-out score, lower is better."""
        if self.best is None or score < self.best:
            self.best, self.waited = score, 0
        else:
            self.waited += 1

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the held-out score has not improved for as long as the recipe waits."""
        patience = self.recipe.training.patience
        return patience is not None and self.waited >= patience

    def save(self, folder: Path, config: Config, **more: object) -> Path:
        """One self-describing checkpoint, whole or not at all."""
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
        """What a checkpoint holds, by the prefix of its tensors."""
        found = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        return {name: network for name, network in found.items() if network is not None}

    def _pretrained(self) -> dict[str, str]:
        """The revisions of the published weights that this training rests on."""
        warm = [UNIVERSAL] if self.recipe.training.warm_start == UNIVERSAL else []
        content = [PHONETIC_MODEL] if self.recipe.content.kind == "phonetic" else []
        sampled = ["ecapa-speakers"] if self.recipe.losses.sampled_speaker else []
        return {name: pretrained.get(name).revision for name in (*warm, *content, *sampled)}

    def restore(self, folder: Path) -> None:
        """Continue from one checkpoint. CheckpointError when it is damaged."""
        tensors, meta = checkpoints.load(folder)
        for name, network in self._networks().items():
            network.load_state_dict(checkpoints.without_prefix(name, tensors), strict=True)
        for name, optimizer in self.optimizers.items():
            checkpoints.restore_optimizer(f"optimizer_{name}", optimizer, tensors, meta["optimizers"][name])
        self.fabric.strategy.precision.load_state_dict(meta["scaler"])
        for counter in ("step", "seconds", "skipped", "best", "waited"):
            setattr(self, counter, meta[counter])


def _fit_components(reduce: PrincipalComponents, rows: Tensor) -> None:
    if len(rows) < len(reduce.basis):
        raise TrainingError(
            f"{len(rows)} frames of content do not give {len(reduce.basis)} components: train on more speech, go on "
            "from a vocoder (training.warm_start), or set a smaller content.components"
        )
    reduce.fit(rows)


def _go_on_from(generator: Generator, source: str, encoders: dict[str, str]) -> None:
    """Another vocoder's weights, with the statistics that they were trained under.

    What reads an embedding of another encoder than the vocoder's stays as it is: seeded, with statistics of its own.
    """
    vocoder = Vocoder.from_torch(source)
    state, own = vocoder.generator.state_dict(), generator.state_dict()
    for kind in ("speaker", "emotion"):
        if vocoder.meta[f"{kind}_encoder"].split()[0] != encoders[f"{kind}_encoder"].split()[0]:
            reads = (f"condition.{kind}.", f"condition.{kind}_statistics.")
            state |= {name: tensor for name, tensor in own.items() if name.startswith(reads)}
    try:
        generator.load_folded(state)
    except RuntimeError as error:
        raise checkpoints.CheckpointError(
            f"{source} cannot start this training: it is another generator or content than the recipe's ({error})"
        ) from error
