"""The constants of the traffic bound against exhaustive search on tiny sets of words."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest

from accelsim.dataflow import touched
from accelsim.dataflow.bounds import least_sram, once_only_bound, traffic_bound
from accelsim.workload.layer import Axis, Conv, Widths

EQUAL = Widths()


def most_macs(outputs, taps) -> list[int]:
    """Of so many inputs, the most MACs with these outputs and taps: the inputs that meet most."""
    meets = Counter((x + a, y + b) for x, y in outputs for a, b in taps)
    return [0, *np.cumsum(sorted(meets.values(), reverse=True)).tolist()]


def subsets(grid: tuple[int, int], least: int = 1):
    cells = list(product(range(grid[0]), range(grid[1])))
    for size in range(least, len(cells) + 1):
        yield from combinations(cells, size)


@pytest.mark.parametrize(
    ("box", "least_taps", "grid"),
    [
        ((1, 1), 1, (3, 3)),
        ((1, 3), 1, (2, 4)),
        ((2, 2), 1, (3, 3)),
        ((3, 2), 1, (3, 3)),
        ((3, 3), 7, (3, 3)),
        ((3, 3), 1, (2, 2)),
        ((2, 4), 7, (3, 3)),
        ((4, 3), 11, (3, 3)),
        ((5, 5), 25, (3, 4)),
    ],
)
def test_no_set_of_taps_outputs_inputs_has_more_macs(box, least_taps, grid):
    """Steps 1 to 3: h <= A·t + B(A)·o·i, whatever the sets."""
    slopes = np.geomspace(0.25, 60, 40)
    areas = touched._area(box, 1.0, slopes)
    most: dict[tuple[int, int, int], int] = {}
    outputs_sets = list(subsets(grid))
    for taps in subsets(box, least_taps):
        for outputs in outputs_sets:
            for inputs, macs in enumerate(most_macs(outputs, taps)):
                key = (len(taps), len(outputs), inputs)
                most[key] = max(most.get(key, 0), macs)
    for (taps_, outputs_, inputs), macs in most.items():
        assert np.all(macs <= slopes * taps_ + areas * outputs_ * inputs + 1e-9)


def test_halo_counts():
    """Full 3 x 3 taps: nine outputs and nine inputs have 49 MACs, not the 81 of no halo."""
    square = list(product(range(3), range(3)))
    assert most_macs(square, square)[9] == 49
    slopes = np.geomspace(0.25, 60, 400)
    assert (9 * slopes + 81 * touched._area((3, 3), 1.0, slopes)).min() < 73


@pytest.mark.parametrize("root", [1.0, 1.3, 1.618, 2.5, 7.0, 30.0, 1000.0])
def test_a_pair_of_taps_in_the_geometric_mean(root):
    """Step 2: min(2·lo, lo + hi - sqrt(hi)) <= 2m - sqrt(m) + 0.036, for any real lo >= 1."""
    mean = root**2
    hi = mean * np.geomspace(1, mean, 100_000)
    lo = mean**2 / hi
    pair = np.minimum(2 * lo, lo + hi - np.sqrt(hi))
    assert np.all(pair <= 2 * mean - root + 0.0361)


def matmul(k: int, c: int, p: int, widths: Widths = EQUAL) -> Conv:
    return Conv("matmul", "matmul", 1, k, c, 1, Axis(p, inputs=p), Axis(1), widths)


def mac_words(layer: Conv) -> np.ndarray:
    """(MACs, 3): the weight, input and output of each useful MAC."""
    dims, found = layer.dims, []
    rows, cols = (list(zip(*axis.pairs(), strict=True)) for axis in (layer.rows, layer.cols))
    for n, k, c in product(range(dims["N"]), range(dims["K"]), range(dims["C"])):
        for (p, r, h), (q, s, w) in product(rows, cols):
            found.append(((k, c, r, s), (n, c, h, w), (n, k, p, q)))
    columns = []
    for operand in range(3):
        words = {word: at for at, word in enumerate(sorted({mac[operand] for mac in found}))}
        columns.append([words[mac[operand]] for mac in found])
    return np.array(columns).T


SETS = [
    matmul(2, 2, 2),
    matmul(2, 3, 1),
    matmul(2, 2, 2, Widths(4, 8, 16, 32)),
    Conv("row", "conv", 1, 1, 1, 1, Axis(5, 3, 7), Axis(1)),
    Conv("padded", "conv", 1, 1, 1, 1, Axis(4, 3, 4, pad=1), Axis(1), Widths(8, 16, 8, 8)),
    Conv("strided", "conv", 1, 1, 1, 1, Axis(4, 3, 9, 2), Axis(1)),
    Conv("dilated", "conv", 1, 2, 1, 1, Axis(3, 2, 5, 1, 2), Axis(1)),
    Conv("square", "conv", 1, 1, 1, 1, Axis(2, 2, 3), Axis(2, 2, 3)),
    Conv("channels", "conv", 1, 2, 2, 1, Axis(2, 2, 3), Axis(1)),
    Conv("images", "conv", 2, 1, 1, 1, Axis(3, 2, 4), Axis(1)),
    Conv("up", "deconv", 1, 1, 1, 1, Axis(7, 3, 3, 2, kind="deconv"), Axis(1, kind="deconv")),
    Conv("filter", "conv", 1, 1, 1, 1, Axis(1, 3, 3), Axis(2, 2, 3)),
]


@pytest.mark.parametrize("layer", SETS, ids=lambda layer: f"{layer.name}-{layer.widths.psums}")
@pytest.mark.parametrize("weighted", [False, True])
def test_no_set_of_words_holds_so_many_macs_in_less(layer, weighted):
    """Step 4 against all sets of words: the least bits that hold F (weighted) MACs."""
    macs = mac_words(layer)
    counts = macs.max(axis=0) + 1
    total = int(counts.sum())
    assert total <= 19
    sets = np.arange(2**total)
    offsets = np.r_[0, np.cumsum(counts)[:-1]]
    has = [(sets >> bit) & 1 for bit in range(total)]
    bits = (layer.widths.weights, layer.widths.inputs, layer.widths.psums)
    taken = sum(
        has[offsets[operand] + word] * bits[operand]
        for operand in range(3)
        for word in range(counts[operand])
    )
    weights = _weights(layer) if weighted else np.ones(len(macs))
    held = np.zeros(len(sets))
    for (w, i, o), weight in zip(macs, weights, strict=True):
        held += weight * (has[w] & has[offsets[1] + i] & has[offsets[2] + o])
    planes = touched.planes_of(layer, weighted)
    assert planes.macs == pytest.approx(held.max())
    shares = np.linspace(planes.macs / 40, planes.macs, 40)
    proven = touched.touched(planes, bits, shares)
    for share, least in zip(shares, proven, strict=True):
        assert least <= taken[held >= share - 1e-9].min() + 1e-6


def _weights(layer: Conv) -> np.ndarray:
    """1/sqrt(taps of the phase) of each MAC, in the order of `mac_words`."""
    each = []
    for axis in (layer.rows, layer.cols):
        phases = Counter(tap * axis.dilation % axis.stride for tap in range(axis.taps))
        each.append([phases[tap * axis.dilation % axis.stride] for tap in axis.pairs()[1]])
    planes = layer.dims["N"] * layer.dims["K"] * layer.dims["C"]
    return np.tile(1 / np.sqrt(np.outer(*each).ravel()), planes)


@pytest.mark.parametrize(("sram", "searched"), [(8, 68), (12, 58), (16, 54), (19, 50)])
def test_never_above_a_searched_optimum(sram, searched):
    """4 x 4 x 4, exhaustive search over all orders (THEORY.md)."""
    assert 48 <= traffic_bound(matmul(4, 4, 4)).words(sram) <= searched


def test_a_large_matmul_is_near_the_classical_bound():
    """2·MACs / sqrt(S) + S, as THEORY.md has it, up to the grid of segments."""
    bound = traffic_bound(matmul(1024, 1024, 1024))
    sizes = np.array([64, 1024, 16384])
    classical = 2 * 1024**3 / np.sqrt(sizes) + sizes
    assert np.all(np.abs(bound.words(sizes) / classical - 1) < 1e-3)


def test_once_only_in_too_little_sram():
    """Every reload is a bit less SRAM at most: compulsory + what the SRAM lacks."""
    layer = matmul(8, 8, 8)
    least, _ = least_sram(layer)
    bound = traffic_bound(layer)
    assert bound.bits(least) == bound.least_bits == 8 * 3 * 64
    assert bound.bits(least - 8) >= bound.least_bits + 8


def test_doubled_capacity_and_pools():
    layer = matmul(8, 8, 8, Widths(8, 8, 8, 32))
    single, double = traffic_bound(layer), traffic_bound(layer, "double")
    sizes = np.arange(100, 4000, 37)
    assert np.array_equal(double.bits(2 * sizes), single.bits(sizes))
    pool = Conv("pool", "pool", 1, 4, 4, 4, Axis(3, 3, 7, 2), Axis(3, 3, 7, 2), has_weights=False)
    assert traffic_bound(pool).bits(64) == 8 * (49 + 9)


def test_bits_fall_with_sram_and_words_ignore_widths():
    layer = Conv("c", "conv", 1, 16, 16, 1, Axis(14, 3, 14, pad=1), Axis(14, 3, 14, pad=1))
    bound = traffic_bound(layer)
    sizes = np.arange(3, 6000)
    assert np.all(np.diff(bound.words(sizes)) <= 0)
    assert np.array_equal(-(-bound.bits(8 * sizes) // 8), bound.words(sizes))
    assert bound.words(sizes).shape == sizes.shape and bound.words(64).shape == ()


def test_a_conv_of_many_channels_needs_most_of_its_weights():
    """VGG's conv3_2 is known to run in 619,008 words; the matmul inside it says 200,704."""
    axis = Axis(56, 3, 56, pad=1)
    layer = Conv("conv3_2", "conv", 1, 256, 256, 1, axis, axis)
    assert least_sram(layer)[1] == 200_704
    bits, words = once_only_bound(layer)
    assert bits == 8 * words and 510_000 <= words <= 619_008
    assert once_only_bound(layer, "double") == (2 * bits, 2 * words)


def test_traffic_is_above_compulsory_where_segments_say_so():
    layer = Conv("c", "conv", 1, 256, 256, 1, Axis(56, 3, 56, pad=1), Axis(56, 3, 56, pad=1))
    least, bound = once_only_bound(layer)[0], traffic_bound(layer)
    assert bound.bits(least) >= bound.least_bits
    assert bound.bits(least * 99 // 100) > bound.least_bits
