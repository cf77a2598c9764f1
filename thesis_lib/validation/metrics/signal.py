"""Signal metrics of an estimate against its reference recording; estimate first, reference second.

All but ``mcd_dtw`` need aligned signals of equal length.
"""

import math

import numpy as np
import torch

from thesis_lib.losses import multi_resolution_stft_loss
from thesis_lib.validation.metrics.errors import MetricError, PartlyMeasured, measured
from thesis_lib.validation.metrics.recording import WIDEBAND, Recording, pymcd


def _require_aligned(estimate: Recording, reference: Recording) -> None:
    if len(estimate.wav) != len(reference.wav):
        raise MetricError(f"{len(estimate.wav)} samples against {len(reference.wav)}: the signals are not aligned")
    _require_audible(reference)


def _require_audible(reference: Recording) -> None:
    # A silent estimate is measured as a bad one; a silent reference cannot be compared with.
    if reference.is_silent:
        raise MetricError("the reference is silent")


def mel_l1(estimate: Recording, reference: Recording) -> float:
    """Mean absolute difference of the project's log-mels, in nepers."""
    _require_aligned(estimate, reference)
    return measured(np.abs(estimate.mel - reference.mel).mean(), "mel L1")


@torch.inference_mode()
def multi_resolution_stft(estimate: Recording, reference: Recording) -> float:
    """Spectral convergence + L1 of log magnitudes, mean of FFT sizes 512, 1024, 2048 (arXiv:1910.11480, eq. 7)."""
    _require_aligned(estimate, reference)
    if len(reference.wav) < reference.audio.n_fft * 2:
        raise MetricError(f"{len(reference.wav)} samples are less than one window")
    pair = (torch.from_numpy(x.wav)[None] for x in (estimate, reference))
    return measured(float(multi_resolution_stft_loss(*pair)), "multi-resolution STFT")


def mcd(estimate: Recording, reference: Recording) -> float:
    """Mel-cepstral distortion in dB, pymcd's plain mode (WORLD envelope, order 13, no time warping)."""
    _require_aligned(estimate, reference)
    frames = np.arange(len(reference.cepstra))
    return _distortion(estimate, reference, np.stack([frames, frames], axis=1))


def mcd_dtw(estimate: Recording, reference: Recording) -> float:
    """Mel-cepstral distortion in dB along pymcd's dtw path: for the same words at another pace."""
    from fastdtw import fastdtw

    _require_audible(reference)
    _, path = fastdtw(reference.cepstra[:, 1:], estimate.cepstra[:, 1:], dist=_euclidean)
    return _distortion(estimate, reference, np.array(path))


def _euclidean(a: np.ndarray, b: np.ndarray) -> float:
    """Euclidean distance of two vectors; SciPy's takes twice as long, and a path needs a hundred thousand of them."""
    difference = a - b
    return math.sqrt(difference.dot(difference))


def _distortion(estimate: Recording, reference: Recording, path: np.ndarray) -> float:
    frames, cost = pymcd().calculate_mcd_distance(reference.cepstra, estimate.cepstra, path.tolist())
    return measured(pymcd().log_spec_dB_const * cost / frames, "MCD")


def pesq(estimate: Recording, reference: Recording) -> float:
    """PESQ wideband (ITU-T P.862.2) at 16 kHz, MOS-LQO. MetricError where PESQ finds no speech."""
    from pesq import PesqError
    from pesq import pesq as score

    _require_aligned(estimate, reference)
    try:
        return measured(score(WIDEBAND, reference.wideband, estimate.wideband, "wb"), "PESQ")
    except (PesqError, ValueError) as error:
        raise MetricError(f"PESQ: {error}") from error


def stoi(estimate: Recording, reference: Recording) -> float:
    """Short-time objective intelligibility, 0..1 (Taal et al. 2011, doi:10.1109/TASL.2011.2114881), from 16 kHz.

    MetricError for less than the 30 frames that it compares at a time: there pystoi would return 1e-5.
    """
    import warnings

    from pystoi import stoi as score

    _require_aligned(estimate, reference)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return measured(score(reference.wideband, estimate.wideband, WIDEBAND), "STOI")
        except (RuntimeWarning, ValueError) as error:
            raise MetricError(f"STOI: {str(error).strip().splitlines()[0]}") from error


def pitch_errors(estimate: Recording, reference: Recording) -> dict[str, float]:
    """Errors of voicing and F0 between two signals.

    ``voicing_f1``: F1 of pYIN's voiced/unvoiced decision. ``f0_cents``: RMSE of pYIN's F0 in cents over the frames
    that are voiced in both. ``periodicity``: RMSE of SwiftF0's confidence, 0..1, on the mel's frames (as CARGAN,
    arXiv:2110.10139, with its tracker). PartlyMeasured, without ``f0_cents``, where no frame is voiced in both, and
    without ``voicing_f1`` where none is voiced in either.
    """
    _require_aligned(estimate, reference)
    voiced, expected = estimate.f0 > 0, reference.f0 > 0
    both = voiced & expected
    confidence = estimate.pitch.voicing - reference.pitch.voicing
    found = {"periodicity": measured(np.sqrt(np.mean(confidence**2)), "periodicity error")}
    if not (voiced | expected).any():
        raise PartlyMeasured("V/UV F1 and F0 RMSE: no frame is voiced in either signal", found)
    found["voicing_f1"] = measured(2 * both.sum() / (voiced.sum() + expected.sum()), "V/UV F1")
    if not both.any():
        raise PartlyMeasured("F0 RMSE: no frame is voiced in both signals", found)
    cents = 1200 * np.log2(estimate.f0[both] / reference.f0[both])
    return found | {"f0_cents": measured(np.sqrt(np.mean(cents**2)), "F0 RMSE")}
