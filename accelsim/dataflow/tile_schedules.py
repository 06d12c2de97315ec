"""From the arrays of `tiling` and `spare` to schedules that say all that executing them needs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from accelsim.dataflow import spare, tiling
from accelsim.dataflow.residency import without_idle_loops
from accelsim.dataflow.schedule import (
    Block,
    Buffering,
    Cut,
    Order,
    Part,
    Resident,
    Schedule,
    Stay,
    Tiling,
    transposed,
)
from accelsim.dataflow.tiling import Cuts
from accelsim.workload.layer import Conv, Int64

_ORDERS: dict[int, tuple[Resident, str, str]] = {
    tiling.OUT_TAPS: ("outputs", "taps swept", "C R S K N P Q"),
    tiling.OUT_TAPS_PHASED: ("outputs", "taps swept", "C R% S% R S K N P Q"),
    tiling.OUT_INPUTS: ("outputs", "inputs swept", "C N H W K R S"),
    tiling.OUT_INPUTS_PHASED: ("outputs", "inputs swept", "C R% S% N H W K R S"),
    tiling.IN_PIXELS: ("inputs", "pixels swept", "K N P Q C R S"),
    tiling.IN_TAPS: ("inputs", "taps swept", "K C R S N P Q"),
    tiling.GATHER_K: ("weights", "gather", "N P Q K C R S"),
    tiling.GATHER_C: ("weights", "gather", "N P Q C R S K"),
    tiling.SCATTER_C: ("weights", "scatter", "N H W C K P Q"),
    tiling.SCATTER_K: ("weights", "scatter", "N H W K P Q C"),
}


def _tile_loops(resident: Resident, loops: int, kind: int) -> str:
    """The loops over tiles, outermost first."""
    inner = kind == spare.STAY_INNER
    if resident == "outputs":
        return "NPQKRS" if inner else "KNPQRS"
    if resident == "weights":
        return "CRSKPQ" if inner else "KCRSPQ"
    if inner:
        return "NPQCRS"
    return "CRSNQP" if loops == tiling.HALO_ROWS else "CRSNPQ"


_STAYS: dict[Resident, dict[int, tuple[Resident, str]]] = {
    "outputs": {spare.STAY_OUTER: ("weights", "K"), spare.STAY_INNER: ("inputs", "NPQ")},
    "inputs": {spare.STAY_OUTER: ("weights", "CRS"), spare.STAY_INNER: ("outputs", "NPQ")},
    "weights": {
        spare.STAY_OUTER: ("outputs", "K"),
        spare.STAY_INNER: ("inputs", "CRS"),
        spare.STAY_HALO: ("inputs", "KCRS"),
    },
}
"""Whose spare words stay, and in a pass over which outer loops."""


def schedule_of(
    layer: Conv,
    cuts: Cuts,
    candidate: Int64,
    buffering: Buffering,
    kind: int = spare.PLAIN,
    staying: int = 0,
) -> Schedule:
    """The schedule that a candidate of `tiling` stands for, with so many spare words staying."""
    resident, name, loops = _ORDERS[int(candidate[tiling.FAMILY])]
    order = _order(cuts.group, cuts.block, loops, bool(candidate[tiling.TURNED]))
    dims = _tile_loops(resident, int(candidate[tiling.LOOPS]), kind)
    made = tile_cuts(cuts, candidate, dims)
    names = [cut.dim for cut in made]
    stays = []
    if resident == "outputs" and {"R", "S"} & set(names):
        stays.append(Stay("outputs", sum(name not in "RS" for name in names)))
    if resident == "inputs" and kind != spare.STAY_INNER and names[-1:] == [dims[-1]]:
        if candidate[tiling.LOOPS] != tiling.NO_HALO:
            stays.append(Stay("inputs", len(made) - 1, next_only=True))
    if resident == "weights" and names and names[-1] in "PQ":
        stays.append(Stay("weights", len(made) - 1))
    if staying:
        operand, outer = _STAYS[resident][kind]
        stays.append(Stay(operand, sum(name in outer for name in names), staying))
    tiles = Tiling(made, stays=tuple(stays))
    return Schedule(layer, resident, name, order, cuts.block, buffering, tiles)


def exchange_schedule(
    layer: Conv, cuts: Cuts, candidate: Int64, buffering: Buffering, kind: int, staying: int
) -> Schedule:
    """The schedule of an exchange of residents at the turn, with so many spare words staying."""
    by_k = candidate[tiling.LOOPS] == tiling.EXCHANGE_K
    made = list(tile_cuts(cuts, candidate, "KNPQ" if by_k else "NPQK"))
    outer = sum(cut.dim in ("K" if by_k else "NPQ") for cut in made)
    channels, slab = cuts.group.dims["C"], int(candidate[tiling.C_CUT])
    begins = (0, slab) if 2 * slab == channels else (0, slab, channels - slab)
    made.append(Cut("C", begins))
    stays = [Stay("outputs", len(made) - 1)]
    stays += [Stay("weights", next_only=True), Stay("inputs", next_only=True)]
    if staying:
        inner = kind == spare.STAY_OUTER
        operand: Resident = "weights" if by_k == inner else "inputs"
        stays.append(Stay(operand, outer if inner else 0, staying))
    resident, _, loops = _ORDERS[int(candidate[tiling.FAMILY])]
    order = _order(cuts.group, cuts.block, loops)
    turn = _order(cuts.group, cuts.block, "K C N P Q" if by_k else "N P Q C K")
    return Schedule(
        layer, resident, "exchange at the turn", order, cuts.block, buffering,
        Tiling(tuple(made), True, tuple(stays)), turn,
    )  # fmt: skip


def split_schedule(
    layer: Conv, cuts: Cuts, split: Int64, buffering: Buffering, kind: int, staying: int
) -> Schedule:
    """The schedule of an uneven split along rows, with spare words staying in one of its parts."""
    rows = cuts.group.dims["P"]
    first = split[tiling.FIRST_PART : tiling.SECOND_PART]
    second = split[tiling.SECOND_PART : tiling.SECOND_PART + len(first)]
    edge = int(first[tiling.PART_HEIGHT]) * int(first[tiling.PART_BANDS])
    below = _part(
        layer, cuts, second, buffering, Part("P", edge, rows), kind - spare.SECOND, staying
    )
    return _part(layer, cuts, first, buffering, Part("P", 0, edge), kind, staying, below)


def _part(
    layer: Conv,
    cuts: Cuts,
    fields: Int64,
    buffering: Buffering,
    part: Part,
    kind: int,
    staying: int,
    then: Schedule | None = None,
) -> Schedule:
    """One part of an uneven split; spare words stay in it if the kind is one of its own."""
    stays_here = staying if kind in (spare.STAY_OUTER, spare.STAY_INNER) else 0
    dims = "NPQK" if stays_here and kind == spare.STAY_INNER else "KNPQ"
    col = int(fields[tiling.PART_COL])
    begins = {
        "N": cuts.begins["N"][int(fields[tiling.PART_N])],
        "K": cuts.begins["K"][int(fields[tiling.PART_K])],
        "P": tuple(range(0, part.end - part.begin, int(fields[tiling.PART_HEIGHT]))),
        "Q": cuts.cols.begins[col // len(cuts.cols.tap_begins)],
    }
    made = tuple(Cut(dim, begins[dim]) for dim in dims if len(begins[dim]) > 1)
    stays: tuple[Stay, ...] = ()
    if stays_here:
        operand, outer = _STAYS["outputs"][kind]
        stays = (Stay(operand, sum(cut.dim in outer for cut in made), staying),)
    resident, family, loops = _ORDERS[int(fields[tiling.PART_FAMILY])]
    order = _order(cuts.group, cuts.block, loops, bool(fields[tiling.PART_TURNED]))
    tiles, name = Tiling(made, stays=stays), f"{family}, in two parts"
    return Schedule(
        layer, resident, name, order, cuts.block, buffering, tiles, part=part, then=then
    )


@lru_cache(maxsize=1024)
def _order(group: Conv, block: Block, loops: str, is_turned: bool = False) -> Order:
    """The order without idle loops, its rows and columns exchanged if it is turned."""
    order = tuple(loops.split())
    if block.has_window:
        order = tuple(dict.fromkeys({"H": "P", "W": "Q"}.get(loop, loop) for loop in order))
    return without_idle_loops(group, block, transposed(order) if is_turned else order)


def exchanged(schedule: Schedule, layer: Conv) -> Schedule:
    """The schedule of the transposed layer as one of the layer: rows and columns exchanged."""
    names = {"P": "Q", "Q": "P", "R": "S", "S": "R"}
    tiles = schedule.tiling
    cuts = tuple(Cut(names.get(cut.dim, cut.dim), cut.begins) for cut in tiles.cuts)
    part = schedule.part
    return replace(
        schedule, layer=layer, order=transposed(schedule.order),
        turn_order=transposed(schedule.turn_order), tiling=replace(tiles, cuts=cuts),
        block=schedule.block.transposed(),
        part=part and replace(part, dim=names.get(part.dim, part.dim)),
        then=schedule.then and exchanged(schedule.then, layer),
    )  # fmt: skip


def tile_cuts(cuts: Cuts, candidate: Int64, dims: str) -> tuple[Cut, ...]:
    """The cuts of a candidate in the order of these dims; dims in one piece have none."""
    begins = {
        dim: cuts.begins[dim][int(candidate[at])]
        for dim, at in zip("NKC", (tiling.N_CUT, tiling.K_CUT, tiling.C_CUT), strict=True)
        if dim in dims
    }
    for axis, place, names in (
        (cuts.rows, tiling.ROW_CUT, "PR"),
        (cuts.cols, tiling.COL_CUT, "QS"),
    ):
        split, tap_split = divmod(int(candidate[place]), len(axis.tap_begins))
        begins[names[0]], begins[names[1]] = axis.begins[split], axis.tap_begins[tap_split]
    return tuple(Cut(dim, begins[dim]) for dim in dims if len(begins[dim]) > 1)
