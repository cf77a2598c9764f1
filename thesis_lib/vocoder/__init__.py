"""The vocoder: content features, conditioning, generators, streaming, checkpoints, the ONNX vocoder."""
