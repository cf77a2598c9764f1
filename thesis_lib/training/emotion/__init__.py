"""Train the released emotion encoder from folders of recordings: `thesis weights emotion`."""

from thesis_lib.training.emotion.release import reproduce

__all__ = ["reproduce"]
