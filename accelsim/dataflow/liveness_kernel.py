"""The most live bits of a loop order, over chosen steps of its axes: the sums of `liveness`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def heaviest(bits, loops, counts, steps):  # type: ignore[no-untyped-def]
    """The most live bits, and at which of the steps (flat, of n, k, c, rows, columns).

    bits: of a live weight, input, psum. loops (loops, 2): axis and loop number within the axis,
    outermost first. counts: of each axis `AxisTable.stacked`. steps: of each axis those to look at.

    The bits not live are a sum of products of one factor an axis (`_factors`), summed over columns
    together. Whole numbers far below 2**53, so that floats are exact.
    """
    n_factors, k_factors, c_factors, row_factors, col_factors = (
        _factors(0, loops, counts[0], steps[0]),
        _factors(1, loops, counts[1], steps[1]),
        _factors(2, loops, counts[2], steps[2]),
        _factors(3, loops, counts[3], steps[3]),
        _factors(4, loops, counts[4], steps[4]),
    )
    terms, cols = col_factors.shape
    idle, least, place, at = np.zeros(cols), np.inf, 0, 0
    for n in range(len(steps[0])):
        for k in range(len(steps[1])):
            for c in range(len(steps[2])):
                for row in range(len(steps[3])):
                    idle[:] = 0
                    for term in range(terms):
                        factor = bits[term % 3] * n_factors[term, n] * k_factors[term, k]
                        factor *= c_factors[term, c] * row_factors[term, row]
                        if factor > 0:
                            for col in range(cols):
                                idle[col] += factor * col_factors[term, col]
                    for col in range(cols):
                        if idle[col] < least:
                            least, place = idle[col], at + col
                    at += cols
    words = 0
    for operand in range(3):
        product = bits[operand]
        for own in counts:
            product *= own[0, operand, 0]
        words += product
    return words - int(least), place


@njit(cache=True)
def _factors(axis, loops, counts, steps):  # type: ignore[no-untyped-def]
    """An axis's factor of what each loop decides: (6 · loops, steps).

    Words of its own axis that the loop decides, first uses and last uses of W, I, O; of another
    axis, those that are equal in the loops outside.
    """
    found = np.empty((6 * len(loops), len(steps)))
    outside = 0  # loops of the axis outside this one
    for place in range(len(loops)):
        row = outside
        if loops[place, 0] == axis:
            row = len(counts) // 2 + 1 + outside  # after all of `same`
            outside += 1
        for kind in range(6):
            for at in range(len(steps)):
                found[6 * place + kind, at] = counts[row, kind, steps[at]]
    return found
