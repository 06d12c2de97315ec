"""Schedules say everything: to YAML and back, and a fault where they do not cover their layer."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError, replace

import pytest
from cases import random_block, random_layer, share_of

from accelsim.dataflow.residency import candidates
from accelsim.dataflow.schedule import (
    Block,
    Cut,
    Part,
    Schedule,
    Stay,
    Tiling,
    output_phases,
    tap_phases,
    transposed,
)
from accelsim.dataflow.schedule_file import from_yaml, to_yaml
from accelsim.spec import InputError
from accelsim.workload.layer import Axis, Conv, Widths

LAYER = Conv("x", "conv", 1, 8, 6, 2, Axis(5, 3, 5, pad=1), Axis(7, 3, 7, pad=1))
SCHEDULE = Schedule(LAYER, "weights", "gather", tuple("PQKCRS"))


@pytest.mark.parametrize("seed", range(share_of(100)))
def test_yaml_there_and_back(seed, tmp_path):
    rng = random.Random(seed)
    layer, block = random_layer(rng), random_block(rng)
    for resident, family, order in candidates(layer.group(), block):
        schedule = Schedule(layer, resident, family, order, block, "prefetch")
        assert schedule.fault() is None, order
        path = tmp_path / "schedule.yaml"
        path.write_text(to_yaml(schedule))
        assert from_yaml(path) == schedule


TILED = replace(
    SCHEDULE,
    tiling=Tiling(
        (Cut("K", (0, 2)), Cut("P", (0, 1, 4))),
        True,
        (Stay("inputs"), Stay("outputs", 1, 7), Stay("weights", 2, next_only=True)),
    ),
    turn_order=tuple("QPKCRS"),
)
REST = replace(SCHEDULE, resident="inputs", order=tuple("KCRSPQ"), part=Part("Q", 3, 7))
IN_PARTS = replace(TILED, part=Part("Q", 0, 3), then=REST)
THROUGH = Stay("weights", words=3, through=True)
KEPT_THROUGH = replace(
    SCHEDULE, part=Part("Q", 0, 3), tiling=Tiling(stays=(THROUGH,)),
    then=replace(REST, tiling=Tiling(stays=(THROUGH,))),
)  # fmt: skip


@pytest.mark.parametrize("schedule", [TILED, IN_PARTS, KEPT_THROUGH, replace(TILED, turn_order=())])
def test_tiles_and_parts_survive_the_file(schedule, tmp_path):
    assert schedule.fault() is None
    path = tmp_path / "tiled.yaml"
    path.write_text(to_yaml(schedule))
    assert from_yaml(path) == schedule


def test_what_is_absent_is_not_written():
    said = to_yaml(SCHEDULE)
    assert "turn_order" not in said
    assert "part" not in said
    assert "then" not in said
    assert "turn_order: [Q, P, K, C, R, S]" in to_yaml(TILED)
    assert "{operand: inputs, depth: 0, next_only: false}" in to_yaml(TILED)


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
        *(({"tiling": Tiling(stays=(Stay("inputs", words=words), Stay("inputs", words=more)))},
           "tiling", "inputs have three stays at most: one of so many words, one of all words, "
           "and one for the next tile") for words, more in [(None, None), (1, 2)]),
        ({"tiling": Tiling(stays=(Stay("inputs", 1),))}, "tiling",
         "a stay's depth counts cuts, 0 to 0"),
        ({"tiling": Tiling((Cut("P", (0, 3)),), stays=(Stay("inputs", -1),))}, "tiling",
         "a stay's depth counts cuts, 0 to 1"),
        ({"tiling": Tiling(stays=(Stay("inputs", words=0),))}, "tiling",
         "a stay holds 1 word or more; leave the stay out, or words for all"),
        ({"tiling": Tiling(stays=(Stay("inputs", words=2, next_only=True),))}, "tiling",
         "what stays for the next tile only takes no places; leave out words"),
        ({"turn_order": tuple("PQKCRS")}, "turn_order",
         "where nothing is cut no tile is at a turn"),
        ({"tiling": TILED.tiling, "turn_order": tuple("PQKCR")}, "turn_order",
         "S has more than one block and no loop"),
        ({"part": Part("Q", 0, 3)}, "part",
         "a part needs `then`, which runs the rest, and `then` needs a part"),
        ({"then": REST}, "part",
         "a part needs `then`, which runs the rest, and `then` needs a part"),
        ({"part": Part("C", 0, 3), "then": REST}, "part",
         "a part lies along one of N K P Q, not C"),
        ({"part": Part("P", 0, 3), "then": REST}, "then.part", "both parts lie along P"),
        ({"part": Part("Q", 0, 3), "then": SCHEDULE}, "then.part", "both parts lie along Q"),
        ({"part": Part("Q", 0, 3), "then": replace(REST, part=Part("K", 3, 8))}, "then.part",
         "both parts lie along Q"),
        ({"part": Part("Q", 0, 3), "then": IN_PARTS}, "then.then", "a layer has two parts at most"),
        ({"part": Part("Q", 0, 3), "then": replace(REST, layer=replace(LAYER, N=2))}, "then.layer",
         "both parts have the same"),
        ({"part": Part("Q", 0, 3), "then": replace(REST, block=Block(K=2))}, "then.block",
         "both parts have the same"),
        ({"part": Part("Q", 0, 3), "then": replace(REST, buffering="double")}, "then.buffering",
         "both parts have the same"),
        *(({"part": Part("Q", *one), "then": replace(REST, part=Part("Q", *two))}, "part",
           "two parts of Q, none empty, follow each other from 0 to 7")
          for one, two in [((0, 2), (3, 7)), ((0, 4), (3, 7)), ((1, 3), (3, 7)), ((0, 3), (3, 6)),
                           ((0, 3), (3, 8)), ((0, 0), (0, 7)), ((0, 7), (7, 7))]),
        ({"part": Part("Q", 0, 3), "then": replace(REST, order=tuple("KCRPQ"))}, "then.order",
         "S has more than one block and no loop"),
        ({"part": Part("Q", 0, 3), "then": REST, "tiling": Tiling((Cut("Q", (0, 3)),))}, "tiling",
         "Q has 3; no tile begins at 3"),
        ({"part": Part("Q", 0, 3), "then": replace(REST, tiling=Tiling((Cut("Q", (0, 4)),)))},
         "then.tiling", "Q has 4; no tile begins at 4"),
        ({"tiling": Tiling(stays=(THROUGH,))}, "tiling",
         "only in a layer of two parts something stays through"),
        ({"part": Part("Q", 0, 3), "then": REST, "tiling": Tiling(stays=(THROUGH,))},
         "then.tiling", "what stays through is the same in both parts"),
        *(({"part": Part("Q", 0, 3), "tiling": Tiling((Cut("P", (0, 3)),), stays=(wrong,)),
            "then": replace(REST, tiling=Tiling((Cut("P", (0, 3)),), stays=(wrong,)))},
           "tiling", "what stays through has depth 0, and is not for the next tile only")
          for wrong in [replace(THROUGH, depth=1),
                        Stay("inputs", next_only=True, through=True)]),
        ({"layer": replace(LAYER, groups=4)}, "layer",
         "groups divide K and C, and both axes are of one kind"),
        ({"layer": replace(LAYER, N=0)}, "layer", "sizes and widths are 1 or more"),
    ],
)  # fmt: skip
def test_faults(change, field, why):
    assert replace(SCHEDULE, **change).fault() == (field, why)


def test_one_word_stays_and_waits_for_the_next_tile_as_well():
    """The fewest words a stay holds are 1; one for the next tile only may stand beside it."""
    stays = (Stay("inputs", words=1), Stay("inputs", next_only=True))
    assert replace(SCHEDULE, tiling=Tiling(stays=stays)).fault() is None
    assert replace(SCHEDULE, tiling=Tiling(stays=(*stays, stays[1]))).fault() == (
        "tiling", "inputs have three stays at most: one of so many words, one of all words, "
        "and one for the next tile",
    )  # fmt: skip


@pytest.mark.parametrize("value", [Stay("inputs"), Part("Q", 0, 3)])
def test_stays_and_parts_are_frozen(value):
    with pytest.raises(FrozenInstanceError):
        setattr(value, next(iter(vars(value))), "C")


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
        (to_yaml(TILED).replace("depth: 0,", "depth: 0, deep: 1,"),
         "25:33: tiling.stays[0].deep: unknown key; did you mean `depth`"),
        (to_yaml(IN_PARTS).replace("end: 7", "end: 6"),
         "29:1: part: two parts of Q, none empty, follow each other from 0 to 7"),
        (to_yaml(IN_PARTS).replace("end: 7", "end: 7, stop: 7"),
         "51:36: then.part.stop: unknown key; known are begin, dim, end"),
        (to_yaml(IN_PARTS).replace("K, C, R, S, P, Q", "K, C, R, S, P"),
         "44:3: then.order: Q has more than one block and no loop"),
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


def test_a_part_has_its_own_extents():
    """A part of one column needs no loop over columns, its tiles begin inside it."""
    one = Part("Q", 0, 1)
    rest = replace(REST, part=Part("Q", 1, 7), tiling=Tiling((Cut("Q", (0, 5)),)))
    column = replace(SCHEDULE, order=tuple("PKCRS"), part=one, then=rest)
    assert column.fault() is None
    assert (column.dims["Q"], rest.dims["Q"], SCHEDULE.dims["Q"]) == (1, 6, 7)


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
    assert Tiling() == Tiling((), serpentine=False, stays=())


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


def test_phases_where_stride_and_dilation_share_a_factor():
    """Steps of 4 and of 6 meet every 12: after 3 outputs, or 2 taps."""
    axis = Axis(4, 3, 25, 4, 6)
    assert (output_phases(axis), tap_phases(axis)) == (3, 2)


def test_phases_are_written_with_their_modulus():
    strided = replace(LAYER, rows=Axis(3, 3, 7, 2), cols=Axis(3, 3, 7, 1, 2))
    schedule = Schedule(strided, "outputs", "", ("C", "R%", "S%", "P%", "Q%", "K"))
    assert schedule.order_text == "C R%2 S%1 P%1 Q%2 K"
    assert transposed(("N", "P", "S", "H", "Q%")) == ("N", "Q", "R", "W", "P%")


def test_a_mirrored_block():
    assert Block(1, 2, 3, 4, 5, 6, 7).transposed() == Block(1, 2, 3, 5, 4, 7, 6)
