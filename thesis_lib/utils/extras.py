"""Which extra of the package brings a module that the core does without."""

EXTRAS = {  # module -> extra of pyproject.toml
    "IPython": "book",
    "anywidget": "book",
    "c2pa": "credentials",
    "cryptography": "credentials",
    "distributed": "cluster",
    "fastdtw": "train",
    "funasr": "train",
    "ipywidgets": "book",
    "jiwer": "train",
    "joblib": "train",
    "librosa": "train",
    "lightning_fabric": "train",
    "matplotlib": "train",
    "myst_nb": "book",
    "num2words": "train",
    "onnxscript": "compress",
    "opensmile": "egemaps",
    "openvino": "compress",
    "papermill": "book",
    "pesq": "train",
    "pyarrow": "train",
    "pymcd": "train",
    "pysptk": "train",
    "pystoi": "train",
    "pyworld": "train",
    "resemblyzer": "train",
    "sacrebleu": "train",
    "sklearn": "train",
    "speechbrain": "train",
    "speechmos": "train",
    "sphinx": "book",
    "tensorboard": "train",
    "threadpoolctl": "train",
    "tornado": "serve",
    "torch": "train",
    "torchaudio": "train",
    "traitlets": "book",
    "transformers": "train",
}


def remedy(error: ImportError) -> str | None:
    """One line that names the extra to install; None for a module that no extra brings."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    extra = EXTRAS[module]
    return f"this needs the package {module}: pip install 'thesis-lib[{extra}]'"
