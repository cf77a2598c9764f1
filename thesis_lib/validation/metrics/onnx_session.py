"""ONNX Runtime sessions of the opinion predictors."""


def session(model: str | bytes):
    """A session of one thread, for a file or a serialised model.

    The packages' own sessions take every core, and their threads spin while they wait, so that a second of speech
    costs up to seven times the processor time. The values agree to 1e-5.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
