"""What every generator has in common: the condition, and plain weights after training.

Shapes: B batch, C content channels, T frames, S and E embedding sizes, D condition size.
"""

from torch import Tensor, nn
from torch.nn.utils.parametrize import remove_parametrizations

from thesis_lib.conditioning import ConditionFusion, PrincipalComponents
from thesis_lib.config import AudioConfig, ConditionConfig, ContentConfig
from thesis_lib.content import PHONETIC, channels


class Generator(nn.Module):
    """Content and two embeddings -> waveform of exactly T * hop_length samples."""

    def __init__(self, content: ContentConfig, config: ConditionConfig, speaker_dim: int, emotion_dim: int) -> None:
        super().__init__()
        self.condition = ConditionFusion(speaker_dim, emotion_dim, config)
        phonetic = content.kind == "phonetic"
        self.reduce = PrincipalComponents(PHONETIC, content.components) if phonetic else nn.Identity()

    def forward(self, content: Tensor, speaker: Tensor, emotion: Tensor, guidance: float = 1.0) -> Tensor:
        """(B, C, T), (B, S), (B, E) -> (B, 1, T * hop_length); ``guidance`` as ``ConditionFusion`` has it."""
        return self.synthesise(self.reduce(content), self.condition(speaker, emotion, guidance))

    def synthesise(self, content: Tensor, c: Tensor) -> Tensor:
        """(B, C, T), (B, D) -> (B, 1, T * hop_length)."""
        raise NotImplementedError

    def fold_weight_norm(self) -> "Generator":
        """Replace each weight's norm and direction by the weight itself, for use after training."""
        for module in self.modules():
            if hasattr(module, "parametrizations"):
                remove_parametrizations(module, "weight")
        return self


def reduced_channels(audio: AudioConfig, content: ContentConfig) -> int:
    """What ``synthesise`` is given."""
    reduction = PHONETIC - content.components if content.kind == "phonetic" else 0
    return channels(audio, content) - reduction
