"""emotion2vec (Ma et al. 2023, arXiv:2312.15185), funasr's network.

The network is built directly, not through funasr's AutoModel, which resets the global seed, the thread count and
logging, and does not fail for a missing key. The size of the embedding is read from the model.
"""

import ast
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib import pretrained
from thesis_lib.embeddings.encoders.base import EncoderError
from thesis_lib.embeddings.encoders.funasr_models import funasr_network
from thesis_lib.embeddings.encoders.safe_checkpoint import tensors
from thesis_lib.utils.files import cached_fingerprint, sha256

REPOSITORY, REVISION = "emotion2vec/emotion2vec_base", "0c9a3152734f9d7a7a05b4ee6bfb3c109d288664"
CONFIG, BASE, PLUS = "config.yaml", "emotion2vec_base.pt", "model.pt"  # the published names
SHA256 = "4f14ddf7ba394bcafdd4bff6ae0f24ab2e4134260d4dd42c58ea791a201b02dd"  # of BASE
REVISION_DIGITS = 12  # of the weights' sha256, in hex
MAX_LAYER_NUMBER = 4096  # channels, kernel, stride or repetition of a layer


class Emotion2vec(nn.Module):
    """Utterance embedding, 768-d for the base models; mean over frames of the last layer."""

    name = "emotion2vec"
    sample_rate = 16_000  # Hz

    def __init__(self, folder: str | Path | None = None) -> None:
        """Load ``folder``, a published one of any variant; without it the base model is downloaded from the hub.

        EncoderError where there is none, or where the hub's file does not have the known sha256.
        """
        super().__init__()
        named = folder is not None
        folder = _download() if folder is None else Path(folder)
        config = folder / CONFIG
        weights = _weights(folder)
        if not config.is_file() or weights is None:
            raise EncoderError(f"{folder}: an emotion2vec folder holds {CONFIG} and {PLUS} or {BASE}")
        digest = sha256(weights)
        if not named and digest != SHA256:
            raise EncoderError(
                f"{weights}: sha256 {digest[:12]}… is not the known {SHA256[:12]}…; if you trust it, name its folder: "
                f"--set encoders.emotion_folder={folder}"
            )
        try:
            settings, network = _network(config, weights)
        except EncoderError:
            raise
        except Exception as error:  # a damaged or hostile file can raise any error
            raise EncoderError(f"{folder}: not a folder of emotion2vec ({type(error).__name__}: {error})") from error
        self.network: Any = network  # funasr's
        self.eval().requires_grad_(False)
        self._normalise = bool(settings.get("normalize", False))
        self.dim = int(settings["embed_dim"])
        self.revision = digest[:REVISION_DIGITS]

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, D); differentiable."""
        if self._normalise:
            wav = F.layer_norm(wav, wav.shape[1:])
        return self.network.extract_features(wav)["x"].mean(1)

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (D,)."""
        device = next(self.parameters()).device
        return self(torch.from_numpy(wav).to(device).unsqueeze(0))[0].cpu().numpy()


def emotion2vec_revision(folder: str | Path | None = None) -> str | None:
    """The revision of the encoder in a folder, or of the one on the hub; None where the folder has no weights."""
    if folder is None:
        return SHA256[:REVISION_DIGITS]
    weights = _weights(Path(folder))
    return cached_fingerprint(weights)[:REVISION_DIGITS] if weights else None


def _weights(folder: Path) -> Path | None:
    return next((folder / name for name in (PLUS, BASE) if (folder / name).is_file()), None)


def _network(config: Path, weights: Path) -> tuple[dict, nn.Module]:
    """Load the model's settings and funasr's network with all of its weights."""
    from omegaconf import OmegaConf

    # A safe loader, and no interpolation: it constructs no objects and reads no environment.
    published: Any = OmegaConf.to_container(OmegaConf.load(config), resolve=False)
    settings, prefixes = published["model_conf"], published.get("scope_map") or []
    state = tensors(weights)
    state = state.get("model", state)
    # As funasr does: "scope_map: [d2v_model., none]" says that a fine-tuned model's keys have that prefix.
    for prefix in prefixes[::2]:
        state |= {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    _require_plain_layers(settings["modalities"]["audio"]["feature_encoder_spec"])
    labels = len(state["proj.weight"]) if "proj.weight" in state else -1
    network = funasr_network("emotion2vec.model", "Emotion2vec")(model_conf=settings, vocab_size=labels)
    # A published checkpoint may carry pre-training parts that the encoder lacks; the reverse is an error.
    wrong = [key for key, own in network.state_dict().items() if key not in state or state[key].shape != own.shape]
    if wrong:
        raise EncoderError(f"{weights}: {len(wrong)} weights missing or mis-shaped, the first is {wrong[0]}")
    network.load_state_dict({key: state[key] for key in network.state_dict()}, strict=True)
    return settings, network


def _require_plain_layers(text: str) -> None:
    """Refuse text that is not lists of integers, their sums and repetitions: funasr evaluates it as Python."""
    plain = (ast.Expression, ast.BinOp, ast.Add, ast.Mult, ast.List, ast.Tuple, ast.Load)
    for node in ast.walk(ast.parse(text, mode="eval")):
        number = isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value <= MAX_LAYER_NUMBER
        if not (number or isinstance(node, plain)):
            raise EncoderError(f"feature_encoder_spec is {text!r}: a list of (channels, kernel, stride) is expected")


def _download() -> Path:
    """Download the published folder from the hub. EncoderError when it cannot be reached."""
    if pretrained.offline() or not pretrained.hub_reachable():
        raise EncoderError(
            f"emotion2vec: the hub is out of reach and no mirror is known: download {REPOSITORY} elsewhere and "
            "give its folder with --set encoders.emotion_folder=PATH, or use --set encoders.emotion=egemaps."
        )
    from huggingface_hub import snapshot_download

    folder = pretrained.models_dir() / "emotion2vec"
    return Path(snapshot_download(REPOSITORY, revision=REVISION, allow_patterns=[CONFIG, BASE], local_dir=folder))
