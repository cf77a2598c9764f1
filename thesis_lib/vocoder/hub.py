"""Download and upload of vocoders on the model hub: config.json, model.safetensors and README.md, the model card."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thesis_lib import pretrained
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.description import VocoderDescription

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # owner/name
FILES = (checkpoints.WEIGHTS, checkpoints.META, "README.md")


def card(description: VocoderDescription | Mapping[str, Any]) -> str:
    """The model card of a vocoder: what it is, how it was trained, and how it is used. Markdown."""
    about = VocoderDescription.of(description)
    stamp = about.stamp or {}
    steps, minutes = ("unknown" if x is None else x for x in (about.steps, about.minutes))
    rows = {
        "task": about.task,
        "content": about.content.kind,
        "generator": about.generator.kind,
        "sample rate": f"{about.audio.sample_rate} Hz",
        "speaker embedding": f"{about.speaker_encoder}, {about.speaker_dim}-d",
        "emotion embedding": f"{about.emotion_encoder}, {about.emotion_dim}-d",
        "trained": f"{steps} steps, {minutes} minutes",
        "device": about.device or "unknown",
        "made by": f"profile {stamp.get('profile')}, configuration {stamp.get('config')}, commit {stamp.get('commit')}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""---
library_name: thesis-lib
pipeline_tag: audio-to-audio
tags: [vocoder, voice-conversion, speech, safetensors]
---

# A vocoder conditioned on speaker and emotion embeddings

| | |
|---|---|
{table}

```python
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

vocoder = Vocoder.from_pretrained("OWNER/NAME")  # this repository, or a folder
english = vocoder.render(wav, Voice(speaker, emotion))  # (N,) at the sample rate above
```

Weights are safetensors and the rest is JSON: nothing in here is executed. Use a person's voice only with their
consent, and say that the speech is synthetic.
"""


def is_repository(source: str) -> bool:
    """Whether a source is not a path here and has the form of a hub repository, owner/name."""
    return bool(REPOSITORY.fullmatch(source)) and not Path(source).exists()


def download_vocoder(repository: str, revision: str | None = None) -> Path:
    """Download a vocoder's files to the hub's cache. CheckpointError when that fails."""
    return snapshot(repository, revision, FILES)


def snapshot(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    """Download the files of a repository that match ``files``, patterns. CheckpointError when that fails."""
    if pretrained.offline() or not pretrained.hub_reachable():
        raise CheckpointError(f"{repository} is no folder here, and the model hub is out of reach: name a folder")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # the client raises errors of three libraries
        raise CheckpointError(
            f"{repository} is no folder here, and the hub did not give it ({error}); check the name"
        ) from error


def upload(folder: Path, repository: str, private: bool = False) -> str:
    """Upload a vocoder's folder; returns its address.

    Raises CheckpointError when the hub refuses, and for a public repository where ``private`` is asked for.
    """
    missing = [name for name in FILES if not (Path(folder) / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder}: {', '.join(missing)} is missing: not a vocoder's folder; `thesis train` writes one"
        )
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = str(api.create_repo(repository, private=private, exist_ok=True))
        is_exposed = private and not api.repo_info(repository).private  # it existed before
        if not is_exposed:
            api.upload_folder(repo_id=repository, folder_path=str(folder), allow_patterns=list(FILES))
    except Exception as error:
        raise CheckpointError(f"{repository}: the hub refused ({error}); `hf auth login` gives it a token") from error
    if is_exposed:
        raise CheckpointError(f"{repository} exists and is public: make it private on the hub, or choose another name")
    return address
