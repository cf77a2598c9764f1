"""Train the student of Kokoro's generator on Kokoro's own speech: `thesis weights tts`."""

from thesis_lib.training.tts.release import check_student, reproduce_student

__all__ = ["check_student", "reproduce_student"]
