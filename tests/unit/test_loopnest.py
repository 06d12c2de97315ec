"""Loop nests: words by hand, all orders against the search, files, schedules that replay."""

from __future__ import annotations

import random
from itertools import permutations, product

import pytest
from cases import random_layer, share_of

from accelsim.dataflow.loopnest import DIMS, Loop, Mapping, evaluate
from accelsim.dataflow.loopnest_schedule import schedule_of
from accelsim.dataflow.loopnest_search import exact_frontier, orojenesis_frontier
from accelsim.dataflow.mapping_file import read_mapping, to_yaml
from accelsim.dataflow.schedule import RESIDENTS
from accelsim.replay import replay
from accelsim.spec import InputError
from accelsim.workload.layer import Axis, Conv, Widths


def matmul(k: int, c: int, p: int) -> Conv:
    return Conv("matmul", "matmul", 1, k, c, 1, Axis(p, inputs=p), Axis(1))


def nest(text: str, *depths: int, leaving: str = "") -> Mapping:
    """`K2 C1 P1`: loops and their steps; operands that leave by their first letters."""
    loops = tuple(Loop(word[0], int(word[1:])) for word in text.split())
    gone = tuple(name for name in RESIDENTS if name[0] in leaving)
    return Mapping(loops, (depths[0], depths[1], depths[2]) if depths else None, gone)


def row_conv(outputs: int, taps: int, **axis: int) -> Conv:
    rows = Axis(outputs, taps, axis.pop("inputs", outputs + taps - 1), **axis)
    return Conv("conv", "conv", 1, 1, 1, 1, rows, Axis(1))


# exact, by hand


def test_weights_held_for_good():
    """4 x 3 weights stay; one input and one output at a time."""
    counted = evaluate(matmul(4, 3, 5), nest("P1 K1 C1", 0, 3, 3))
    assert counted.weights_read_words == 12
    # psums are kept from c to c; the inputs of one p are used again by the next k
    assert counted.inputs_read_words == 5 * 3 * 4
    assert counted.psums_read_words == counted.psums_write_words == 0
    assert counted.peak_words == (12, 1, 1)
    held = evaluate(matmul(4, 3, 5), nest("P1 K1 C1", 0, 1, 3))
    assert held.inputs_read_words == 15
    assert held.peak_words == (12, 3, 1)


def test_psums_spill_once_per_further_visit():
    counted = evaluate(matmul(2, 6, 3), nest("C2 K1 P1 C1", 0, 0, 3))
    assert counted.psums_read_words == counted.psums_write_words == 2 * 2 * 3
    assert counted.outputs_write_words == 6
    held = evaluate(matmul(2, 6, 3), nest("C2 K1 P1 C1", 0, 0, 0))
    assert held.psums_read_words == 0


def test_what_the_next_scope_uses_is_not_fetched_again():
    layer = row_conv(6, 3)  # 8 inputs
    kept = evaluate(layer, nest("P1 R1", 0, 1, 2))
    assert kept.inputs_read_words == 8
    assert kept.peak_words == (3, 2, 1)  # of three the oldest goes as the newest comes
    gone = evaluate(layer, nest("P1 R1", 0, 1, 2, leaving="i"))
    assert gone.inputs_read_words == 18
    assert gone.peak_words == (3, 1, 1)
    # of two tiles of 3 pixels each needs 5 inputs, 2 of them alike
    assert evaluate(layer, nest("P3 P1 R1", 0, 1, 3, leaving="i")).inputs_read_words == 10
    assert evaluate(layer, nest("P3 P1 R1", 0, 1, 3)).inputs_read_words == 8


def test_padding_is_no_word_and_an_unused_output_is_written():
    layer = row_conv(5, 1, inputs=3, pad=1)
    counted = evaluate(layer, nest("P1"))
    assert (counted.weights_read_words, counted.inputs_read_words) == (1, 3)
    assert counted.outputs_write_words == 5


def test_edge_tiles_are_smaller_and_a_step_has_all_its_words_at_once():
    counted = evaluate(matmul(5, 1, 1), nest("K2", 1, 1, 1))
    assert counted.peak_words == (2, 1, 2)
    assert counted.weights_read_words == 5
    assert evaluate(matmul(5, 2, 3), Mapping(())).peak_words == (10, 6, 15)


def test_widths():
    layer = Conv("m", "matmul", 1, 2, 2, 1, Axis(1), Axis(1), Widths(4, 8, 16, 32))
    counted = evaluate(layer, nest("C1 K1", 2, 1, 1, leaving="o"))
    assert counted.peak_bits == 4 + 8 + 32  # a psum of one k at a time
    assert counted.traffic_bits == 4 * 4 + 2 * 8 + 2 * 16 + 2 * 2 * 32


def test_pooling_has_no_weights():
    layer = Conv("pool", "pool", 1, 4, 4, 4, Axis(2, 2, 4, 2), Axis(1), has_weights=False)
    for convention in ("exact", "orojenesis"):
        counted = evaluate(layer, nest("P1 R1"), convention)
        assert counted.weights_read_words == counted.peak_words[0] == 0
        assert counted.inputs_read_words == 4


# orojenesis, by hand


def test_boxes_at_a_depth_per_operand():
    """Weights whole; inputs for one k; an output for one k and p."""
    counted = evaluate(matmul(4, 3, 5), nest("K1 P1 C1", 0, 1, 2), "orojenesis")
    assert counted.peak_words == (12, 15, 1)
    assert counted.weights_read_words == 12
    assert counted.inputs_read_words == 15  # the loop over k has all inputs in each scope
    assert counted.psums_read_words == 0


def test_halo_only_behind_the_innermost_loop():
    layer = row_conv(6, 3)
    assert evaluate(layer, nest("P2"), "orojenesis").inputs_read_words == 4 + 2 * 2
    assert evaluate(layer, nest("P2 R1"), "orojenesis").inputs_read_words == 3 * (2 + 2 * 1)
    assert evaluate(layer, nest("R1 P2"), "orojenesis").inputs_read_words == 3 * (2 + 2 * 2)


@pytest.mark.parametrize(
    "layer",
    [
        Conv("a", "conv", 2, 4, 2, 1, Axis(4, 3, 6), Axis(2, 1, 2)),
        Conv("b", "conv", 1, 2, 3, 1, Axis(4, 2, 9, 2, 3), Axis(2, 3, 7, 4)),
        Conv("c", "pool", 1, 1, 1, 1, Axis(6, 3, 7, 1), Axis(4, 2, 8, 2), has_weights=False),
    ],
    ids=lambda layer: layer.name,
)
def test_one_order_for_each_innermost_dim_stands_for_all_orders(layer):
    divisors = [[d for d in range(1, layer.dims[x] + 1) if layer.dims[x] % d == 0] for x in DIMS]
    best: dict[int, int] = {}
    count = 0
    for steps in product(*divisors):
        loops = [Loop(x, t) for x, t in zip(DIMS, steps, strict=True) if t < layer.dims[x]]
        for order in permutations(loops):
            counted = evaluate(layer, Mapping(order), "orojenesis")
            count += 1
            size = counted.sram_words
            best[size] = min(best.get(size, 2**62), counted.dram_words)
    stairs = []
    for size in sorted(best):
        if not stairs or best[size] < stairs[-1][1]:
            stairs.append((size, best[size]))
    found = orojenesis_frontier(layer)
    assert list(zip(found.buffer_words, found.dram_words, strict=True)) == stairs
    assert found.mappings == count


# faults


@pytest.mark.parametrize(
    ("mapping", "convention", "wrong"),
    [
        (nest("K3"), "orojenesis", "0: under orojenesis steps divide, and 3 does not 4"),
        (nest("K5"), "exact", "0: K is 4 here; write a step of 1 to 4"),
        (nest("K2 K3"), "exact", "1: K is 2 here; write a step of 1 to 2"),
        (nest("X2"), "exact", "0: no dim is called X; known are N, K, C, P, Q, R, S"),
        (nest("K2", 0, 2, 0), "exact", "held: a depth counts loops; write 0 to 1"),
    ],
)
def test_a_mapping_that_does_not_fit(mapping, convention, wrong):
    with pytest.raises(ValueError) as error:
        evaluate(matmul(4, 3, 5), mapping, convention)
    assert str(error.value) == wrong


def test_what_a_convention_cannot_count():
    deconv = Conv(
        "d", "deconv", 1, 1, 1, 1, Axis(4, 2, 2, 2, kind="deconv"), Axis(1, kind="deconv")
    )
    with pytest.raises(ValueError, match="knows convs, not deconv"):
        evaluate(deconv, Mapping(()), "orojenesis")
    with pytest.raises(ValueError, match="knows convs, not deconv"):
        orojenesis_frontier(deconv)
    assert evaluate(deconv, nest("P1 R1")).inputs_read_words == 2
    with pytest.raises(ValueError, match="too many to walk"):
        evaluate(matmul(2**9, 2**9, 2**9), Mapping(()))
    with pytest.raises(ValueError, match="1 to 4,096 are searched"):
        exact_frontier(matmul(2**9, 2**9, 2**9))


# files


def refusal(tmp_path, monkeypatch, text: str, convention="exact") -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read_mapping("m.yaml", matmul(4, 3, 5), convention)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("loops:\n- {K: 4}\n- {P: 9}\n", "3:3: loops[1]: P is 5 here; write a step of 1 to 5"),
        ("loops: [{Z: 3}]\n", "1:9: loops[0]: `Z` is not known; known are C, K, N, P, Q, R, S"),
        ("loops: {K: 3}\n", "1:1: loops: a mapping is given; write a list of loops, - {K: 64}"),
        (
            "loops: [{K: 3, P: 1}]\n",
            "1:9: loops[0]: a mapping is given; write one dim and its tile size, {K: 64}",
        ),
        (
            "loops: [{K: 1}]\nheld: {weights: 2}\n",
            "2:8: held.weights: a depth counts the loops outside, 0 to 1, not 2",
        ),
        (
            "loops: [{K: 1}]\nheld: {weight: 1}\n",
            "2:8: held.weight: unknown key; did you mean `weights`",
        ),
        (
            "loops: [{K: 1}]\nleaving: [psums]\n",
            "2:11: leaving[0]: `psums` is not known; known are inputs, outputs, weights",
        ),
        (
            "loops: [{K: 1}]\nleaving: inputs\n",
            "2:1: leaving: `inputs` is given; write a list of operands, [inputs]",
        ),
        ("held: {weights: 1}\n", "1:1: loops is missing; required are loops"),
        ("loops: [{K: 1e0}]\n", "1:9: loops[0]: `1e0` is not in plain digits; write 1"),
        ("- K\n", "1:1: a list of 1 is given; write a mapping, `key: value`"),
    ],
)
def test_wrong_mapping_file(tmp_path, monkeypatch, text, wrong):
    assert refusal(tmp_path, monkeypatch, text) == f"m.yaml:{wrong}"


def test_a_step_that_does_not_divide_in_a_file(tmp_path, monkeypatch):
    wrong = refusal(tmp_path, monkeypatch, "loops:\n  - K: 3\n", "orojenesis")
    assert wrong == "m.yaml:2:5: loops[0]: under orojenesis steps divide, and 3 does not 4"


def test_there_and_back(tmp_path):
    layer = matmul(4, 3, 5)
    for mapping in (nest("K2 P1 K1 C1", 1, 2, 3, leaving="wo"), nest("P1 C1"), Mapping(())):
        path = tmp_path / "m.yaml"
        path.write_text(to_yaml(mapping))
        read = read_mapping(path, layer)
        assert (read.loops, read.held, read.leaving) == (
            mapping.loops, mapping.held, mapping.leaving,
        )  # fmt: skip


def test_depths_that_a_file_leaves_out_are_innermost(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("loops:\n- {K: 1}\n- {C: 1}\nheld: {inputs: 1}\n")
    assert read_mapping(path, matmul(4, 3, 5)).held == (2, 1, 2)


# schedules


def random_mapping(rng: random.Random, layer: Conv) -> Mapping:
    """Loops over tiles, then loops inside, now and then in between; random depths."""
    dims = [dim for dim in DIMS if layer.dims[dim] > 1]
    outer = [Loop(dim, rng.randint(1, layer.dims[dim])) for dim in dims if rng.random() < 0.6]
    rng.shuffle(outer)
    left = {**layer.dims, **{loop.dim: loop.step for loop in outer}}
    inner = [Loop(dim, rng.choice((1, 1, 1, left[dim]))) for dim in dims]
    rng.shuffle(inner)
    loops, cut = (*outer, *inner), len(outer)
    depths = [rng.choice((0, cut, cut, rng.randint(0, len(loops)))) for _ in range(3)]
    leaving = tuple(name for name in RESIDENTS if rng.random() < 0.5)
    return Mapping(loops, (depths[0], depths[1], depths[2]), leaving)


@pytest.mark.parametrize("seed", range(share_of(150)))
def test_replay_agrees_with_random_mappings(seed):
    rng = random.Random(seed)
    layer = random_layer(rng, 400).group()
    replayed = 0
    for _ in range(12):
        mapping = random_mapping(rng, layer)
        counted, schedule = evaluate(layer, mapping), schedule_of(layer, mapping)
        if schedule is None:
            continue
        replayed += 1
        assert schedule.fault() is None
        done = replay(schedule, counted.peak_bits)
        assert done.correct and done.peak_bits == counted.peak_bits
        for name in ("weights_read", "inputs_read", "psums_read", "psums_write", "outputs_write"):
            assert getattr(done, f"{name}_words") == getattr(counted, f"{name}_words"), name
    assert replayed >= 1
