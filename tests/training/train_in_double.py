"""Trains the resynthesis of a run folder in double precision; started alone or by torchrun.

In single precision AdamW turns the rounding of vanishing gradients into differences of 1e-4 within twenty steps,
whatever is compared; in double what is left is what differs.
"""

import os
import sys

import torch

from thesis_lib.runs.history import open_run
from thesis_lib.training import State, fabric_of, loop, train
from thesis_lib.training.segments import Batch


def in_double(batch, device):
    return Batch(*(x.to(device, torch.float64) for x in (batch.wav, batch.content, batch.speaker, batch.emotion)), [])


def create(*arguments):
    torch.set_default_dtype(torch.float64)
    state = original(*arguments)
    torch.set_default_dtype(torch.float32)
    for loss in state.losses.values():
        loss.double()
    return state


Batch.to, original, State.create = in_double, State.create, create
loop.validate_on = lambda *_: {"validation_mel": 0.0}
run = open_run(sys.argv[1])
fabric = fabric_of(run.config.resynthesis.training, int(os.environ.get("WORLD_SIZE", "1")), accelerator="cpu")
fabric.launch()
train(run, "resynthesis", fabric=fabric)
