"""Files that run code where they are opened without care: the fixture `canary` finds whether it ran."""

from pathlib import Path


class Bomb:
    """Object that creates the canary when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def case(canary) -> Path:
    folder = canary.with_name("case")
    folder.mkdir(exist_ok=True)
    return folder
