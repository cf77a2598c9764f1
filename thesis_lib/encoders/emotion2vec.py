"""emotion2vec (Ma et al. 2023, arXiv:2312.15185), funasr's network.

The network is built directly, not through funasr's AutoModel, which resets the global seed, the thread
count and logging, and only prints about a missing key. The size of the embedding is read from the model.
"""

import ast
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib import models
from thesis_lib.encoders.base import EncoderError

REPOSITORY = "emotion2vec/emotion2vec_base"
LARGEST = 4096  # channels, kernel, stride or repetition of a layer


class Emotion2vec(nn.Module):
    """Utterance embedding, 768-d for the base models; mean over frames of the last layer."""

    name = "emotion2vec"
    sample_rate = 16_000  # Hz

    def __init__(self, folder: str | Path | None = None) -> None:
        """``folder`` holds config.yaml and model.pt; without it the hub is asked. EncoderError otherwise."""
        super().__init__()
        folder = Path(folder) if folder else download()
        config, weights = folder / "config.yaml", folder / "model.pt"
        for path in (config, weights):
            if not path.is_file():
                raise EncoderError(f"{path} is missing: an emotion2vec folder holds config.yaml and model.pt")
        try:
            settings, network = _network(config, weights)
        except EncoderError:
            raise
        except Exception as error:  # a damaged or hostile file fails in as many ways as there are files
            raise EncoderError(f"{folder}: not a folder of emotion2vec ({type(error).__name__}: {error})") from error
        self.network = network
        self.eval().requires_grad_(False)
        self._normalise = bool(settings.get("normalize", False))
        self.dim = int(settings["embed_dim"])
        self.revision = models.sha256(weights)[:12]

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, D); differentiable."""
        if self._normalise:
            wav = F.layer_norm(wav, wav.shape[1:])
        return self.network.extract_features(wav)["x"].mean(1)

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (D,)."""
        return self(torch.from_numpy(wav).unsqueeze(0))[0].numpy()


def _network(config: Path, weights: Path) -> tuple[dict, nn.Module]:
    """The model's settings and funasr's network with the weights, every key of it."""
    from funasr.models.emotion2vec.model import Emotion2vec as Network
    from omegaconf import OmegaConf

    state = torch.load(weights, map_location="cpu", weights_only=True)
    state = state.get("model", state)
    # A safe loader, and no interpolation: it constructs no objects and reads no environment.
    settings = OmegaConf.to_container(OmegaConf.load(config), resolve=False)["model_conf"]
    _demand_plain_layers(settings["modalities"]["audio"]["feature_encoder_spec"])
    labels = len(state["proj.weight"]) if "proj.weight" in state else -1
    network = Network(model_conf=settings, vocab_size=labels)
    # A published checkpoint may carry pre-training parts that the encoder lacks; the reverse is an error.
    wrong = [key for key, own in network.state_dict().items() if key not in state or state[key].shape != own.shape]
    if wrong:
        raise EncoderError(f"{weights}: {len(wrong)} weights missing or mis-shaped, the first is {wrong[0]}")
    network.load_state_dict({key: state[key] for key in network.state_dict()}, strict=True)
    return settings, network


def _demand_plain_layers(text: str) -> None:
    """funasr runs this text as Python: let through lists of integers, their sums and repetitions, nothing else."""
    plain = (ast.Expression, ast.BinOp, ast.Add, ast.Mult, ast.List, ast.Tuple, ast.Load)
    for node in ast.walk(ast.parse(text, mode="eval")):
        number = isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value <= LARGEST
        if not (number or isinstance(node, plain)):
            raise EncoderError(f"feature_encoder_spec is {text!r}: a list of (channels, kernel, stride) is expected")


def download() -> Path:
    """The published folder from the hub; EncoderError when it cannot be reached."""
    if models.offline() or not models.hub_reachable():
        raise EncoderError(
            f"emotion2vec: the hub is out of reach and no mirror is known. Download {REPOSITORY} elsewhere and "
            "give its folder with --set encoders.emotion_folder=PATH, or use --set encoders.emotion=egemaps."
        )
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(REPOSITORY, local_dir=models.models_dir() / "emotion2vec"))
