"""A substitute for a CUDA graph on the CPU: operations are recorded with their tensors and computed again in place."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

HOST_READS = (torch.ops.aten._local_scalar_dense, torch.ops.aten.equal, torch.ops.aten.nonzero)


class RecordedOperations:
    """The operations of a computation, with the tensors that they read and write, as a CUDA graph keeps them.

    Python runs once, during the recording, so a Python number that it read then is a constant of every replay. As with
    a CUDA graph, the recording leaves no result: what it wrote to older tensors is taken back. Reading a tensor's value
    on the host raises RuntimeError.
    """

    def __init__(self, compute: Callable[[], Any]) -> None:
        recorder = _Recorder()
        with torch.random.fork_rng(devices=[]), recorder:  # a recording draws no random numbers either
            self.log = compute()
        self._operations = recorder.operations
        with torch.no_grad():
            for tensor, value in reversed(recorder.overwritten):
                tensor.copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        """Compute the recorded operations with what is now in their memory."""
        for function, given, named, results in self._operations:
            for result, target in zip(tree_leaves(function(*given, **named)), results, strict=True):
                if target is not None:
                    target.copy_(result)


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        # Function, arguments, named arguments, and the results that a replay fills: None where the function itself
        # writes them.
        self.operations: list[tuple[Callable, tuple, dict, list[Tensor | None]]] = []
        self.overwritten: list[tuple[Tensor, Tensor]] = []  # tensors that an operation changes, and copies from before
        # Tensors made of Python numbers, and of those: on a machine with a GPU they are in the host's memory.
        self._constants: dict[int, Tensor] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        named = kwargs or {}
        inputs = _storages((args, named))
        is_fresh = function is torch.ops.aten.lift_fresh.default
        is_constant = is_fresh or (inputs and inputs.keys() <= self._constants.keys())
        if function.overloadpacket in HOST_READS and not is_constant:
            raise RuntimeError(f"{function} reads a tensor on the host, which a CUDA graph does not record")
        # Detached: a tensor that gets a gradient later, or changes its shape, is another one than the operation's.
        given, kept = tree_map(_kept, (args, named))
        for argument, value in zip(function._schema.arguments, (*args, *_after(function, args, named)), strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                written = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
                self.overwritten += [(_kept(tensor), tensor.detach().clone()) for tensor in written]
        found = function(*args, **named)
        if is_constant:
            self._constants |= _storages(found)
        results = [_target(leaf, inputs) for leaf in tree_leaves(found)]
        is_view = not any(result is not None for result in results) and not function._schema.is_mutable
        if not is_view:
            self.operations.append((function, given, kept, results))
        return found


def _storages(tree: Any) -> dict[int, Tensor]:
    """The tensors of a tree by the address of their memory."""
    return {leaf.untyped_storage().data_ptr(): leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}


def _after(function, args: tuple, named: dict) -> list:
    """The values of the arguments that are not given by their position, in the order of the schema."""
    return [named.get(argument.name) for argument in function._schema.arguments[len(args) :]]


def _kept(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _target(result: Any, inputs: dict[int, Tensor]) -> Tensor | None:
    """The result as the memory that a replay writes; None where it lies in the memory of an argument."""
    if not isinstance(result, Tensor) or result.untyped_storage().data_ptr() in inputs:
        return None
    return result.detach()
