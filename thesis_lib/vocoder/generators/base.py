"""Base class of the generators: conditioning, receptive field, and folding of weight norm.

Shapes: B batch, C content channels, T frames, S and E embedding sizes, D condition size.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from thesis_lib.audio.pitch import PITCH_CHANNEL
from thesis_lib.config import AudioConfig, ConditionConfig, ContentConfig
from thesis_lib.utils.errors import ThesisError
from thesis_lib.vocoder.conditioning import ConditionFusion, PrincipalComponents
from thesis_lib.vocoder.content import PHONETIC, channels
from thesis_lib.vocoder.streaming import ReceptiveField

WEIGHT_NORM_TENSORS = ("original0", "original1")  # of a weight under weight norm: its norm and its direction
MIN_PROBE_FRAMES = 32  # input length at which the search for the receptive field begins; it doubles
MAX_RECEPTIVE_FIELD_FRAMES = 1024  # to one side; 12 s at a hop of 256 samples and 22,050 Hz


class GeneratorError(ThesisError):
    """A generator that cannot do what it is asked for."""


class Generator(nn.Module):
    """Content features and two embeddings -> waveform of exactly T * hop_length samples."""

    excited = False  # whether it has a harmonic excitation, which sums the content's F0 to a phase

    def __init__(self, content: ContentConfig, config: ConditionConfig, speaker_dim: int, emotion_dim: int) -> None:
        super().__init__()
        self.condition = ConditionFusion(speaker_dim, emotion_dim, config)
        phonetic = content.kind == "phonetic"
        self.reduce = PrincipalComponents(PHONETIC, content.components) if phonetic else nn.Identity()

    def forward(self, content: Tensor, speaker: Tensor, emotion: Tensor, guidance: float = 1.0) -> Tensor:
        """(B, C, T), (B, S), (B, E) -> (B, 1, T * hop_length); ``guidance`` as in ``ConditionFusion``."""
        return self.synthesise(self.reduce(content), self.condition(speaker, emotion, guidance))

    def synthesise(self, content: Tensor, c: Tensor, origin: Tensor | None = None) -> Tensor:
        """(B, C, T), (B, D) -> (B, 1, T * hop_length).

        For a piece of a stream, ``origin`` (2,), float64, is the excitation's phase in cycles at the first frame's
        centre, and the number of samples before the piece.
        """
        raise NotImplementedError

    @torch.inference_mode()
    def receptive_field(self) -> ReceptiveField:
        """Measure the input frames before and after an output frame that it depends on.

        One input frame is set to NaN; the output frames that become NaN have it in their receptive field. Raises
        GeneratorError for a generator with a global operation (attention or a mean over all frames), in which the
        receptive field grows with the input: the search ends at ``MAX_RECEPTIVE_FIELD_FRAMES``.
        """
        width, frames = cast(nn.Conv1d, self.pre).in_channels, MIN_PROBE_FRAMES
        while frames <= 2 * MAX_RECEPTIVE_FIELD_FRAMES:
            neutral = self.condition.neutral.detach()[None]
            content = torch.zeros(1, width, frames, device=neutral.device, dtype=neutral.dtype)
            content[:, :, frames // 2] = torch.nan
            content[:, PITCH_CHANNEL] = 0.0  # the excitation sums F0 to a phase: NaN would fill all frames after it
            wav = self.synthesise(content, neutral)
            affected = wav.view(frames, -1).isnan().any(1).nonzero().flatten().tolist()
            if affected[0] > 0 and affected[-1] < frames - 1:
                return ReceptiveField(left=affected[-1] - frames // 2, right=frames // 2 - affected[0])
            frames *= 2
        raise GeneratorError(
            f"{type(self).__name__}: an output frame depends on more than {MAX_RECEPTIVE_FIELD_FRAMES} input frames to "
            "one side: it cannot be streamed or exported; replace the operation over all frames, or override "
            "receptive_field()"
        )

    def fold_weight_norm(self) -> "Generator":
        """Replace each weight's norm and direction by the weight itself, for use after training."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")
        return self

    def load_folded(self, state: dict[str, Tensor]) -> None:
        """Load the state of the same generator after ``fold_weight_norm`` into one with weight norm, for training.

        Raises RuntimeError when a key is missing, left over or mis-shaped.
        """
        plain = dict(state)
        for name, module in self.named_modules():
            if is_parametrized(module, "weight"):
                prefix = f"{name}.parametrizations.weight"
                weight = plain.pop(f"{name}.weight", None)
                if weight is None or weight.shape != module.weight.shape:
                    raise RuntimeError(f"{name}.weight is missing or of another shape")
                module.weight = weight  # the parametrization's inverse: norm and direction
                plain |= {
                    f"{prefix}.{part}": getattr(module.parametrizations.weight, part) for part in WEIGHT_NORM_TENSORS
                }
        self.load_state_dict(plain, strict=True)


def reduced_channels(audio: AudioConfig, content: ContentConfig) -> int:
    """Number of content channels after the reduction: the input size of ``synthesise``."""
    reduction = PHONETIC - content.components if content.kind == "phonetic" else 0
    return channels(audio, content) - reduction
