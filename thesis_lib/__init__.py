"""Spanish speech in, English speech out: towards the same voice and the same emotion.

``import thesis_lib`` is fast and light: every submodule is imported by name
(``from thesis_lib.training import train``), and pretrained models only when they are built.
"""

from thesis_lib.utils.torchaudio_cpu import install_finder

__version__ = "0.1.0"

# Must be in place before anything (speechbrain, funasr) imports torchaudio.
install_finder()
