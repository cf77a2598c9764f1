"""ECAPA-TDNN as two ONNX graphs, built from the published weights (Desplanques et al. 2020, arXiv:2005.07143).

The layers are those of ``speechbrain.lobes.models.ECAPA_TDNN`` with the published sizes, for one signal. The first
graph computes the frames, the second pools those of the signal, or of a part of it, to a vector.

Shapes: T frames, C channels.
"""

from pathlib import Path

import numpy as np

from thesis_lib.utils.onnx_graph import Network

BANDS, SCALE = 80, 8  # mel bands, and parts into which a Res2Net block divides the channels
CHANNELS = 3072  # of the frames that are pooled
FRAMES, POOLING = "frames", "pooling"  # the two graphs
DILATIONS = {1: 2, 2: 3, 3: 4}  # of the SE-Res2Net blocks
MIN_FRAMES = max(DILATIONS.values()) + 1  # an end is reflected over as many frames as the widest dilation
NORM_EPSILON, MIN_VARIANCE = 1e-5, 1e-12


class _Ecapa(Network):
    """The layers of ECAPA-TDNN; each takes its weights by speechbrain's names."""

    def conv(self, prefix: str, x: str, dilation: int = 1) -> str:
        """(1, C, T) -> (1, C', T), each end reflected."""
        weight, bias = self.take(f"{prefix}.conv.weight"), self.take(f"{prefix}.conv.bias")
        around = dilation * (weight.shape[2] - 1) // 2
        if around:
            x = self.add("Pad", x, np.array([0, 0, around, 0, 0, around]), mode="reflect")
        return self.add("Conv", x, weight, bias, dilations=[dilation])

    def norm(self, prefix: str, x: str) -> str:
        """Batch normalisation with the statistics of training."""
        names = ("weight", "bias", "running_mean", "running_var")
        tensors = [self.take(f"{prefix}.norm.{name}") for name in names]
        return self.add("BatchNormalization", x, *tensors, epsilon=NORM_EPSILON)

    def tdnn(self, prefix: str, x: str, dilation: int = 1) -> str:
        """Convolution, ReLU, norm."""
        return self.norm(f"{prefix}.norm", self.add("Relu", self.conv(f"{prefix}.conv", x, dilation)))

    def res2net(self, prefix: str, x: str, dilation: int) -> str:
        """A chain of convolutions, each over one part of the channels and the result of the part before."""
        parts = self.add("Split", x, outputs=SCALE, axis=1, num_outputs=SCALE)
        found = [parts[0]]
        for number, part in enumerate(parts[1:]):
            given = self.add("Add", part, found[-1]) if number else part
            found.append(self.tdnn(f"{prefix}.blocks.{number}", given, dilation))
        return self.add("Concat", *found, axis=1)

    def squeeze_excite(self, prefix: str, x: str) -> str:
        """Scale each channel by a function of the means of all."""
        mean = self.add("ReduceMean", x, np.array([2]))
        hidden = self.add("Relu", self.conv(f"{prefix}.conv1", mean))
        return self.add("Mul", self.add("Sigmoid", self.conv(f"{prefix}.conv2", hidden)), x)

    def block(self, prefix: str, x: str, dilation: int) -> str:
        """An SE-Res2Net block with a residual."""
        y = self.tdnn(f"{prefix}.tdnn1", x)
        y = self.tdnn(f"{prefix}.tdnn2", self.res2net(f"{prefix}.res2net_block", y, dilation))
        return self.add("Add", self.squeeze_excite(f"{prefix}.se_block", y), x)

    def statistics(self, x: str, weights: str | None = None) -> str:
        """(1, C, T) -> (1, 2 C, 1): weighted mean and standard deviation over the frames."""

        def mean_of(value: str) -> str:
            if weights is None:
                return self.add("ReduceMean", value, np.array([2]))
            return self.add("ReduceSum", self.add("Mul", weights, value), np.array([2]))

        mean = mean_of(x)
        away = self.add("Sub", x, mean)
        variance = self.add("Max", mean_of(self.add("Mul", away, away)), np.float32(MIN_VARIANCE))
        return self.add("Concat", mean, self.add("Sqrt", variance), axis=1)

    def pooled(self, x: str) -> str:
        """Attentive statistics pooling (1, C, T) -> (1, 2 C, 1).

        The attention receives each frame beside the mean and the standard deviation of all frames. Its convolution is
        computed in two parts, of which the one over the statistics is the same in every frame.
        """
        weight, bias = self.take("asp.tdnn.conv.conv.weight"), self.take("asp.tdnn.conv.conv.bias")
        channels = weight.shape[1] // 3
        own = self.add("Conv", x, weight[:, :channels])
        context = self.add("Conv", self.statistics(x), weight[:, channels:], bias)
        hidden = self.norm("asp.tdnn.norm", self.add("Relu", self.add("Add", own, context)))
        attention = self.conv("asp.conv", self.add("Tanh", hidden))
        return self.statistics(x, self.add("Softmax", attention, axis=2))


def write_ecapa(tensors: dict[str, np.ndarray], part: str, path: Path) -> None:
    """Write the graph "frames", (1, 80, T) normalised features -> (1, 3072, T), or "pooling", of these -> (1, 192, 1).

    Raises GraphError where a tensor is missing or left over.
    """
    used = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    own = {name: x for name, x in used.items() if name.startswith(("asp", "fc.")) == (part == POOLING)}
    if part == POOLING:
        network = _Ecapa({FRAMES: (np.float32, [1, CHANNELS, "count"])}, own)
        network.write(path, network.conv("fc", network.norm("asp_bn", network.pooled(FRAMES))), "embedding")
        return
    network, outputs = _Ecapa({"features": (np.float32, [1, BANDS, "count"])}, own), []
    x = network.tdnn("blocks.0", "features")
    for number, dilation in DILATIONS.items():
        x = network.block(f"blocks.{number}", x, dilation)
        outputs.append(x)
    network.write(path, network.tdnn("mfa", network.add("Concat", *outputs, axis=1)), FRAMES)
