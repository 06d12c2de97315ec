"""What makes counting fast: few steps, tight first guesses, nothing computed twice."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError

import numba  # noqa: F401
import numpy as np
import pytest
from cases import random_block, random_layer

from accelsim.dataflow import axis_counts, liveness
from accelsim.dataflow.axis_counts import pure_table, window_table
from accelsim.dataflow.liveness import Peak, covered, peak, peak_at_least, separate_peaks
from accelsim.dataflow.residency import (
    OnceOnly,
    _least_kept_bits,
    candidates,
    once_only,
)
from accelsim.dataflow.schedule import (
    BUFFERINGS,
    ONE_MAC,
    Block,
    Cut,
    Schedule,
    Tiling,
    loop_extent,
)
from accelsim.workload.layer import Axis, Conv, Widths


def square(K, C, P, R, stride=1, pad=0, H=None, dilation=1) -> Conv:
    reach = (R - 1) * dilation + 1
    axis = Axis(P, R, (P - 1) * stride + reach - 2 * pad if H is None else H, stride, dilation, pad)
    return Conv("", "conv", 1, K, C, 1, axis, axis)


LAYERS = {
    "3x3": square(64, 48, 56, 3, pad=1),
    "3x3 stride 2": square(128, 64, 28, 3, 2, 1, 56),
    "5x5": square(256, 48, 27, 5, pad=2),
    "1x1": square(64, 256, 56, 1),
    "dilated": square(32, 32, 40, 3, pad=2, dilation=2),
}


@pytest.mark.parametrize("loops", [("P", "R"), ("R", "P"), ("H", "P"), ("H", "R"), ("P",)])
@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (7, 2)])
def test_steps_kept_do_not_grow_with_the_image(loops, prefetch, taps, stride):
    if loops == ("P",):
        taps = 1

    def kept(outputs):
        axis = Axis(outputs, taps, (outputs - 1) * stride + taps - 2, stride, 1, 1)
        return window_table(3, axis, loops, 1, 1, prefetch).same[-1].shape[4]

    assert kept(40) == kept(200) < 12 * taps


@pytest.mark.parametrize("loops", [("P", "R"), ("R", "P"), ("H", "P"), ("H", "R")])
@pytest.mark.parametrize("kind", ["deconv", "bilinear", "adaptive"])
def test_steps_kept_do_not_grow_where_windows_recur(loops, kind):
    """A deconv of stride 8, bilinear upsampling by 8, pooling of 5 inputs into 2."""

    def kept(inputs):
        axis = {
            "deconv": Axis(8 * inputs, 16, inputs, 8, 1, 4, "deconv"),
            "bilinear": Axis(8 * inputs, 2, inputs, kind="bilinear"),
            "adaptive": Axis(2 * inputs, 3, 5 * inputs, kind="adaptive"),
        }[kind]
        return window_table(3, axis, loops, 1, 1, True).same[-1].shape[4]

    assert kept(32) == kept(128) < 120


@pytest.mark.parametrize(
    ("prefetch", "steps"), [(False, [0, 1, 98, 99]), (True, [0, 1, 97, 98, 99])]
)
def test_a_plain_dim_keeps_its_ends(prefetch, steps):
    """K = 995 in blocks of 10: outputs dead before step t are 10 t, live ones 10, at last 5."""
    table = pure_table(1, 995, 10, True, prefetch)
    assert table.decided[0][5].ravel().tolist() == [10 * t for t in steps]
    assert table.decided[0][2].ravel().tolist() == [max(985 - 10 * t, 0) for t in steps]
    assert table.same[1][5].ravel().tolist() == [10 if t < 99 else 5 for t in steps]
    assert table.same[1][1].ravel().tolist() == [int(t == 0) for t in steps]  # inputs have no k
    assert table.same[1][4].ravel().tolist() == [int(t == 99) for t in steps]
    if prefetch:  # weights of the next block, inputs never, outputs of the block before
        follow, more, reset = table.follow[0], table.more[0], table.reset[0]
        assert follow[0].ravel().tolist() == [10, 10, 10, 5, 0]
        assert follow[1].ravel().tolist() == [0] * 5
        assert follow[2].ravel().tolist() == [0, 10, 10, 10, 10]
        assert more[0].ravel().tolist() == [1, 1, 1, 1, 0]
        assert more[2].ravel().tolist() == [0, 1, 1, 1, 1]
        assert [row.ravel().tolist() for row in reset] == [[10] * 5, [1] * 5, [5] * 5]
    assert pure_table(1, 3, 1, True, prefetch).same[1].shape[2] == 3
    assert pure_table(1, 3, 3, False, prefetch).decided == ()


@pytest.mark.parametrize(
    ("loops", "stride", "dilation"),
    [
        (("R%", "R", "P"), 2, 1),
        (("R%", "H", "R"), 2, 1),
        (("R%", "H", "R"), 3, 1),
        (("P%", "P", "R"), 1, 2),
        (("P%", "H", "P"), 1, 3),
        (("P%", "R", "P"), 2, 3),
    ],
)
@pytest.mark.parametrize("prefetch", [False, True])
def test_steps_kept_do_not_grow_inside_phases(loops, stride, dilation, prefetch):
    def kept(outputs):
        axis = Axis(outputs, 3, (outputs - 1) * stride + 2 * dilation - 1, stride, dilation, 1)
        return window_table(3, axis, loops, 1, 1, prefetch).same[-1].shape[4]

    assert kept(60) == kept(240) < 70


def test_parts_are_cut_only_when_they_must_be(monkeypatch):
    """Steps kept: 4 of k, 4 of c and those of rows and columns; a part holds at most `_PART`."""
    layer = square(64, 48, 56, 3, pad=1)
    nest = liveness._Nest(layer, tuple("PQKCRS"), ONE_MAC, False)
    n, k, c, rows, cols = (steps.size for steps in nest.all_steps)
    assert (n, k, c) == (1, 4, 4)
    for limit, parts in ((16 * rows * cols, 1), (16 * rows * cols - 1, 16)):
        monkeypatch.setattr(liveness, "_PART", limit)
        assert len(list(nest.parts())) == parts


@pytest.mark.parametrize("seed", range(50))
def test_compiled_or_not_the_same_block_is_heaviest(seed, monkeypatch):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    for _, _, order in candidates(layer, block):
        nest = liveness._Nest(layer, order, block, False)
        compiled = nest.heaviest(nest.all_steps)  # as Numba is imported
        with monkeypatch.context() as without:
            without.delitem(liveness.sys.modules, "numba")
            assert nest.heaviest(nest.all_steps) == compiled


def test_tables_are_computed_once():
    axis = Axis(9, 3, 9, pad=1)
    tables = [window_table(3, axis, ("P", "R"), 1, 1, False) for _ in range(2)]
    assert tables[0] is tables[1]
    assert pure_table(0, 9, 2, True, True) is pure_table(0, 9, 2, True, True)
    assert liveness._spread(9) is liveness._spread(9)
    assert liveness._spread(9).tolist() == [0, 1, 3, 4, 6, 8]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("buffering", ["single", "double"])
def test_the_first_guess_is_nearly_the_peak(name, buffering):
    """It may be below (row sweeps peak at an image's edge) but not by half a percent."""
    for _, _, order in candidates(LAYERS[name], ONE_MAC):
        exact = peak(LAYERS[name], order, ONE_MAC, buffering).bits
        guess = peak_at_least(LAYERS[name], order, ONE_MAC, buffering)
        assert 0.995 * exact <= guess <= exact


def test_most_first_guesses_are_exact():
    exact = total = 0
    for layer in LAYERS.values():
        for _, _, order in candidates(layer, ONE_MAC):
            guess = peak_at_least(layer, order, ONE_MAC, "single")
            exact += guess == peak(layer, order, ONE_MAC, "single").bits
            total += 1
    assert exact >= 0.8 * total


@pytest.mark.parametrize("seed", range(40))
def test_parts_make_no_difference(seed, monkeypatch):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    order = rng.choice(list(candidates(layer, block)))[2]
    whole = [find(layer, order, block, "prefetch") for find in (peak, separate_peaks)]
    monkeypatch.setattr(liveness, "_PART", 1)
    assert [find(layer, order, block, "prefetch") for find in (peak, separate_peaks)] == whole


@pytest.mark.parametrize("seed", range(20))
def test_a_loop_that_runs_once_changes_nothing(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    order = rng.choice(list(candidates(layer, block)))[2]
    idle = [loop for loop in "NKC" if loop_extent(layer, block, loop) == 1]
    for buffering in BUFFERINGS:
        longer = peak(layer, (*idle, *order), block, buffering)
        assert longer == peak(layer, order, block, buffering)


@pytest.mark.parametrize("name", LAYERS)
def test_kept_bits_by_hand(name):
    layer = LAYERS[name]
    weights, inputs, outputs = layer.words
    assert _least_kept_bits(layer, ONE_MAC, "inputs") == 8 * inputs
    assert _least_kept_bits(layer, ONE_MAC, "outputs") == 8 * outputs
    expected = 0 if name == "dilated" else 8 * weights
    assert _least_kept_bits(layer, ONE_MAC, "weights") == expected


def test_kept_bits_where_nothing_must_stay():
    layer = square(1, 1, 5, 3)
    assert _least_kept_bits(layer, ONE_MAC, "inputs") == 0
    assert _least_kept_bits(layer, ONE_MAC, "outputs") == 0
    assert _least_kept_bits(square(8, 8, 5, 3), Block(K=8, C=8), "inputs") == 0
    assert _least_kept_bits(square(8, 8, 5, 3), Block(K=8, C=8), "outputs") == 0
    assert _least_kept_bits(square(8, 8, 1, 3), ONE_MAC, "weights") == 0  # one pixel
    # 2 x 2 taps on 3 x 3 inputs: tap 0 alone meets inputs on both sides of the middle row
    assert _least_kept_bits(square(8, 8, 2, 2), ONE_MAC, "weights") == 8 * 64 * (1 * 2)
    # one block holds all rows, or all columns: no boundary between two of them
    assert _least_kept_bits(square(8, 8, 4, 3), Block(P=4, Q=4), "weights") == 0
    # 3 x 3 taps padded by one on 2 x 2: only the middle tap has outputs on both sides
    assert _least_kept_bits(square(8, 8, 2, 3, pad=1), ONE_MAC, "weights") == 8 * 64 * (1 * 3)
    wide = Conv("", "conv", 2, 3, 4, 1, Axis(5), Axis(6), Widths(1, 2, 4, 16))
    assert _least_kept_bits(wide, ONE_MAC, "outputs") == 2 * 3 * 1 * 1 * 16


@pytest.mark.parametrize("seed", range(60))
def test_kept_bits_are_below_every_order_of_their_family(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    for resident, _, order in candidates(layer, block):
        kept = _least_kept_bits(layer, block, resident)
        # strictly: beside the operand that stays a MAC holds a word of another one
        assert kept < peak(layer, order, block, "single").bits, order


def test_a_single_mac_holds_its_three_words():
    layer = Conv("", "fc", 1, 1, 1, 1, Axis(1), Axis(1))
    for buffering, copies in (("single", 1), ("prefetch", 1), ("double", 2)):
        assert peak(layer, (), ONE_MAC, buffering).words_by_operand == (copies,) * 3


@pytest.mark.parametrize("seed", range(60))
def test_the_least_wins_and_ties_go_to_the_first(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    found = once_only(layer, block=block)
    schedule = found.schedule
    named = (schedule.resident, schedule.family, schedule.order)
    assert named in list(candidates(layer, block))
    least = min(
        (peak(layer, order, block, "single").bits, place, order)
        for place, (_, _, order) in enumerate(candidates(layer, block))
    )
    assert (found.peak.bits, found.schedule.order) == (least[0], least[2])


def test_padding_alone_runs_the_first_order_on_nothing():
    axis = Axis(1, 2, 1, 1, 2, 1)
    layer = Conv("", "conv", 1, 2, 2, 1, axis, axis)
    found = once_only(layer)
    assert found.schedule.family == "gather"
    assert found.schedule.order == next(order for _, _, order in candidates(layer, ONE_MAC))


def test_orders_of_a_strided_square_layer():
    """Section 4's table: no transposed twins where rows and columns are alike."""
    found = list(candidates(square(8, 8, 5, 3, 2, 1, 10), ONE_MAC))
    text = [(resident, " ".join(order)) for resident, _, order in found]
    assert text[:2] == [("weights", "P Q K C R S"), ("weights", "P Q C R S K")]
    sweeps = {"K C S", "K S C", "C K S", "C S K", "S K C", "S C K"}
    assert {order[6:] for _, order in text[2:8]} == sweeps
    assert text[8:10] == [("weights", "H W C K P Q"), ("weights", "H W K P Q C")]
    assert [order for resident, order in text if resident == "inputs"] == [
        "K P Q C R S", "K P Q R S C", "K C R S P Q", "K R S C P Q",
    ]  # fmt: skip
    assert [order for resident, order in text if resident == "outputs"] == [
        f"C {phases}{inner}" for phases in ("", "R% S% ")
        for inner in ("R S K P Q", "R S P Q K", "H W K R S", "H W R S K")
    ]  # fmt: skip
    families = [family for _, family, _ in found]
    assert families[:10] == ["gather"] * 2 + ["row sweep"] * 6 + ["scatter"] * 2
    assert families[10:] == ["inputs resident"] * 4 + ["outputs resident"] * 8


def test_orders_drop_idle_loops_and_add_transposed_twins():
    fc = Conv("", "fc", 1, 8, 8, 1, Axis(1), Axis(1))
    assert [order for _, _, order in candidates(fc, ONE_MAC)] == [
        ("K", "C"), ("C", "K"), ("K", "C"), ("C", "K"),
    ]  # fmt: skip
    wide = Conv("", "conv", 1, 2, 2, 1, Axis(4), Axis(6))
    orders = [order for resident, _, order in candidates(wide, ONE_MAC) if resident == "weights"]
    assert orders == [tuple("PQKC"), tuple("QPKC"), tuple("PQCK"), tuple("QPCK")]
    dilated = square(2, 2, 6, 3, dilation=2)
    phased = [order for _, _, order in candidates(dilated, ONE_MAC) if "P%" in order]
    assert len(phased) == 10
    # of one output row each input row meets one tap: H would only be R by another name
    flat = Conv("", "conv", 1, 2, 2, 1, Axis(1, 3, 3), Axis(4))
    assert not any("H" in order for _, _, order in candidates(flat, ONE_MAC))
    assert ("outputs", "outputs resident", tuple("CRQK")) in list(candidates(flat, ONE_MAC))
    blocked = list(candidates(square(4, 4, 6, 3), Block(P=2)))
    assert all("H" not in order for _, _, order in blocked)
    assert any(order == tuple("CPQKRS") for _, _, order in blocked)


def test_deconv_takes_stride_phases_with_inputs_resident():
    axis = Axis(8, 4, 4, 2, 1, 1, "deconv")
    layer = Conv("", "deconv", 1, 4, 4, 1, axis, axis)
    phased = [(resident, order) for resident, _, order in candidates(layer, ONE_MAC)
              if "R%" in order]  # fmt: skip
    assert {resident for resident, _ in phased} == {"inputs"}
    assert len(phased) == 4


def test_loop_extents():
    layer = Conv("", "conv", 3, 20, 7, 1, Axis(5, 3, 11, 2, 3, 2), Axis(6, 1, 6))
    assert [loop_extent(layer, Block(K=8, Q=4), loop) for loop in "NKCPQRS"] == [
        3, 3, 7, 5, 2, 3, 1,
    ]  # fmt: skip
    assert loop_extent(layer, ONE_MAC, "H") == layer.rows.used_inputs
    assert loop_extent(layer, ONE_MAC, "W") == 6
    assert [loop_extent(layer, ONE_MAC, loop) for loop in ("R%", "P%", "S%", "Q%")] == [2, 3, 1, 1]


@pytest.mark.parametrize(
    "value",
    [Peak((1, 2, 3), (8, 16, 24)), ONE_MAC, Cut("P", (0,)), Tiling(), Schedule(
        square(1, 1, 1, 1), "weights", "gather", ()), OnceOnly(None, None),
        axis_counts.AxisTable(1, (), ())],
)  # fmt: skip
def test_values_are_frozen(value):
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(vars(value))), 0)


@pytest.mark.parametrize("buffering", ["single", "prefetch", "double"])
def test_separate_peaks_have_the_words_of_their_bits(buffering):
    layer = LAYERS["3x3"]
    for _, _, order in candidates(layer, ONE_MAC):
        found = separate_peaks(layer, order, ONE_MAC, buffering)
        assert found.bits_by_operand == tuple(8 * words for words in found.words_by_operand)


@pytest.mark.parametrize("seed", range(40))
def test_loops_cover_all_macs_and_words(seed):
    rng = random.Random(seed)
    layer, block = random_layer(rng).group(), random_block(rng)
    fed = np.unique(layer.rows.pairs()[0]).size * np.unique(layer.cols.pairs()[0]).size
    for _, _, order in candidates(layer, block):
        macs, (weights, inputs, outputs) = covered(layer, order, block)
        assert macs == layer.useful_macs
        assert (weights, inputs) == layer.words[:2]
        assert outputs == layer.N * layer.K * fed


def test_peak_adds_up_and_rounds_each_operand():
    found = Peak((1, 2, 3), (4, 10, 24))
    assert (found.words, found.bits, found.bytes) == (6, 38, 1 + 2 + 3)
    assert found.times(2) == Peak((2, 4, 6), (8, 20, 48))
