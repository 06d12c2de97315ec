"""Schedules say everything: to YAML and back, and a fault where they do not cover their layer."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cases import random_block, random_layer

from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import Block, Cut, Schedule, Tiling, output_phases, transposed
from accelsim.dataflow.schedule_file import from_yaml, to_yaml
from accelsim.spec import InputError
from accelsim.workload.layer import Axis, Conv, Widths

LAYER = Conv("x", "conv", 1, 8, 6, 2, Axis(5, 3, 5, pad=1), Axis(7, 3, 7, pad=1))
SCHEDULE = Schedule(LAYER, "weights", "gather", tuple("PQKCRS"))


@pytest.mark.parametrize("seed", range(100))
def test_yaml_there_and_back(seed, tmp_path):
    rng = random.Random(seed)
    layer, block = random_layer(rng), random_block(rng)
    for resident, family, order in candidates(layer.group(), block):
        schedule = Schedule(layer, resident, family, order, block, "prefetch")
        assert schedule.fault() is None, order
        path = tmp_path / "schedule.yaml"
        path.write_text(to_yaml(schedule))
        assert from_yaml(path) == schedule


def test_tiles_survive_the_file(tmp_path):
    tiling = Tiling((Cut("K", (0, 2)), Cut("P", (0, 1, 4))), True, ("inputs", "outputs"))
    path = tmp_path / "tiled.yaml"
    path.write_text(to_yaml(replace(SCHEDULE, tiling=tiling)))
    assert from_yaml(path).tiling == tiling


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"order": tuple("PQKCR")}, "order", "S has more than one block and no loop"),
        ({"order": tuple("PQKCRSS")}, "order", "S is there twice"),
        ({"order": tuple("PQKCRX")}, "order", "no loop is called X"),
        ({"order": ("H", "W", "K", "C", "P")}, "order", "Q has more than one block and no loop"),
        ({"order": ("H", "W", "K", "C", "P", "Q"), "block": Block(R=3)}, "order",
         "H visits single inputs; a block of several pixels or taps cannot"),
        ({"block": Block(K=0)}, "block", "extents are 1 or more"),
        ({"tiling": Tiling((Cut("Z", (0,)),))}, "tiling",
         "a cut names one of N K C P Q R S, each once, not Z"),
        ({"tiling": Tiling((Cut("K", (0,)), Cut("K", (0, 1))))}, "tiling",
         "a cut names one of N K C P Q R S, each once, not K"),
        ({"tiling": Tiling((Cut("P", (1, 2)),))}, "tiling", "the tiles of P begin at 0 and ascend"),
        ({"tiling": Tiling((Cut("P", (0, 3, 3)),))}, "tiling",
         "the tiles of P begin at 0 and ascend"),
        ({"tiling": Tiling((Cut("P", (0, 3, 5)),))}, "tiling", "P has 5; no tile begins at 5"),
        ({"layer": replace(LAYER, groups=4)}, "layer",
         "groups divide K and C, and both axes are of one kind"),
        ({"layer": replace(LAYER, N=0)}, "layer", "sizes and widths are 1 or more"),
    ],
)  # fmt: skip
def test_faults(change, field, why):
    assert replace(SCHEDULE, **change).fault() == (field, why)


def test_orders_that_cover():
    for order in (("H", "W", "K", "C", "P", "Q"), ("H", "W", "K", "C", "R", "S"), tuple("KCRSPQ")):
        assert replace(SCHEDULE, order=order).fault() is None
    one_row = replace(LAYER, rows=Axis(1, 1, 1))
    assert replace(SCHEDULE, layer=one_row, order=tuple("QSKC")).fault() is None
    assert replace(SCHEDULE, order=tuple("PQCRS"), block=Block(K=4)).fault() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resident: weights", "1:1: layer: Field required; "),
        ("layers: 3", "1:1: layer: Field required; "),
        (to_yaml(SCHEDULE).replace("family: gather", "family: gather\nfamly: x"),
         "14:1: famly: unknown key; did you mean `family`"),
        (to_yaml(SCHEDULE).replace("K: 8", "K: eight"), "5:3: layer.K: Input should be a valid"),
        (to_yaml(SCHEDULE).replace("S]", "S, S]"), "14:1: order: S is there twice"),
    ],
)  # fmt: skip
def test_wrong_files_have_one_line(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        from_yaml("it.yaml")
    assert str(error.value).startswith(f"it.yaml:{message}")
    assert "\n" not in str(error.value)


def test_two_iterations_are_already_too_many():
    """A dim of extent two needs its loop, also where a block leaves two blocks of it."""
    axis = Axis(2, 2, 3)
    layer = Conv("x", "conv", 1, 2, 1, 1, axis, axis)
    schedule = Schedule(layer, "weights", "gather", tuple("PQKRS"))
    assert schedule.fault() is None
    assert replace(schedule, order=tuple("PQRS")).fault() == (
        "order", "K has more than one block and no loop",
    )  # fmt: skip
    assert replace(schedule, order=tuple("PQRS"), block=Block(K=2)).fault() is None
    # with rows fixed by h and p, r follows; with h alone nothing does
    assert replace(schedule, order=("H", "P", "Q", "S", "K")).fault() is None
    assert replace(schedule, order=("H", "Q", "S", "K")).fault()[0] == "order"
    one_tap = replace(layer, rows=Axis(2, 1, 2))
    assert replace(schedule, layer=one_tap, order=("H", "Q", "S", "K")).fault() is None


def test_a_tiling_is_one_tile_run_forward_unless_said():
    assert Tiling() == Tiling((), serpentine=False, keeps=())


def test_words_without_bits_are_refused():
    none = replace(LAYER, widths=Widths(8, 0, 8, 8))
    assert replace(SCHEDULE, layer=none).fault() == ("layer", "sizes and widths are 1 or more")


def test_one_bit_words_are_words():
    assert replace(SCHEDULE, layer=replace(LAYER, widths=Widths(1, 1, 1, 1))).fault() is None


def test_blocks_print_what_is_more_than_one():
    assert str(Block(K=16, C=16)) == "K=16,C=16"
    assert str(Block(S=2)) == "S=2"
    assert str(Block()) == ""
    assert Block(Q=2).has_window
    assert not Block(N=2, K=2, C=2).has_window


@pytest.mark.parametrize(
    ("order", "columns_first"),
    [("", False), ("NKC", False), ("KPQ", False), ("KQP", True), ("WH", True), ("HW", False),
     ("CSR", True), ("CRS", False)],
)  # fmt: skip
def test_columns_before_rows(order, columns_first):
    assert replace(SCHEDULE, order=tuple(order)).is_transposed is columns_first


def test_a_pool_keeps_no_weights():
    pool = replace(SCHEDULE, layer=replace(LAYER, has_weights=False))
    assert pool.stays == "none"
    assert replace(pool, resident="inputs").stays == "inputs"
    assert SCHEDULE.stays == "weights"


def test_a_deconv_has_no_dilation_phases():
    assert output_phases(Axis(8, 3, 4, 2, 3, 0, "deconv")) == 1
    assert output_phases(Axis(8, 3, 14, 2, 3)) == 3


def test_phases_are_written_with_their_modulus():
    strided = replace(LAYER, rows=Axis(3, 3, 7, 2), cols=Axis(3, 3, 7, 1, 2))
    schedule = Schedule(strided, "outputs", "", ("C", "R%", "S%", "P%", "Q%", "K"))
    assert schedule.order_text == "C R%2 S%1 P%1 Q%2 K"
    assert transposed(("N", "P", "S", "H", "Q%")) == ("N", "Q", "R", "W", "P%")
