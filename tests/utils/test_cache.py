import numpy as np
import pytest

from thesis_lib.utils.cache import ResultCache


@pytest.mark.parametrize("count", [1, 3])
def test_the_results_of_the_last_arrays_are_cached(count):
    cache, computed = ResultCache[float](count), []

    def result(value: int) -> float:
        def function() -> float:
            computed.append(value)
            return 2.0 * value

        return cache.of(np.full(8, value, np.float32), function)

    assert [result(n) for n in range(4)] == [0.0, 2.0, 4.0, 6.0]
    assert [result(n) for n in range(4 - count, 4)] == [2.0 * n for n in range(4 - count, 4)]
    assert computed == [0, 1, 2, 3], "those of the last arrays are not computed again"
    result(0)
    assert computed == [0, 1, 2, 3, 0], "earlier ones are"


def test_an_error_is_not_cached():
    cache, wav = ResultCache[float](), np.zeros(4, np.float32)

    def failing() -> float:
        raise ValueError("not computed")

    with pytest.raises(ValueError, match="not computed"):
        cache.of(wav, failing)
    assert cache.of(wav, lambda: 1.0) == 1.0
