"""The staircase that kernels fill, against the Pareto set of all that was offered."""

from __future__ import annotations

import random

import numpy as np
import pytest

from accelsim.dataflow import tile_kernels


@pytest.mark.parametrize("most", [20, 2000])
def test_a_staircase_keeps_the_pareto_set_and_its_rows(most):
    """Many ties, and more steps than there was room for."""
    rng = random.Random(most)
    steps, pool, size = tile_kernels._empty_stair(3)
    offered: dict[tuple[int, int], int] = {}
    for name in range(5000):
        bits = rng.randint(1, most)
        traffic = most * most // bits + rng.randint(0, most // 20)
        offered.setdefault((bits, traffic), name)  # of two alike the first stays
        row = np.array([bits, traffic, name], dtype=np.int64)
        steps, pool = tile_kernels._insert(steps, pool, size, row)
    expected, least = [], 1 << 62
    for (bits, traffic), name in sorted(offered.items()):
        if traffic < least:
            expected.append([bits, traffic, name])
            least = traffic
    assert tile_kernels._rows(steps, pool, size).tolist() == expected
    for bits in (0, most // 2, most):
        reached = [traffic for at, traffic in offered if at <= bits]
        assert tile_kernels._reached(steps, size, bits) == min(reached, default=1 << 62)
