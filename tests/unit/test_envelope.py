"""The lower envelope of lines of steps, against the least of all of them at every size."""

from __future__ import annotations

import random

import numpy as np
import pytest

from accelsim.dataflow.envelope import envelope
from accelsim.dataflow.spare import BITS, GAIN, LINE_FIELDS, STEP, STEPS, TRAFFIC

END_BITS = 400


def random_lines(rng: random.Random) -> np.ndarray:
    """Lines as `spare` makes them: those without spare words have no step, others one word's."""
    lines = np.zeros((rng.randint(1, 30), LINE_FIELDS), dtype=np.int64)
    words = rng.choice(((8,), (8, 32), (4, 8, 16, 32), (3, 5, 7)))
    for line in lines:
        line[BITS], line[TRAFFIC] = rng.randint(0, 250), rng.randint(2000, 3000)
        if rng.random() < 0.8:
            line[STEP], line[GAIN], line[STEPS] = (
                rng.choice(words), rng.randint(1, 40), rng.randint(1, 25),
            )  # fmt: skip
    lines[:, TRAFFIC] -= lines[:, BITS] * rng.choice((0, 3))
    return lines


def traffic(line: np.ndarray, bits: int) -> int:
    taken = min((bits - line[BITS]) // line[STEP], line[STEPS]) if line[STEP] else 0
    return int(line[TRAFFIC] - taken * line[GAIN])


@pytest.mark.parametrize("seed", range(200))
def test_the_least_at_every_size(seed):
    """A row goes on until the next begins; it says how many steps its line has taken by then."""
    lines = random_lines(random.Random(seed))
    rows = {}
    for place, taken in envelope(lines, END_BITS).tolist():
        line = lines[place]
        rows[int(line[BITS] + taken * line[STEP])] = line
    now = None
    for bits in range(END_BITS):
        now = rows.get(bits, now)
        begun = [traffic(line, bits) for line in lines if line[BITS] <= bits]
        assert (now is None) == (not begun)
        if now is not None:
            assert traffic(now, bits) == min(begun)
