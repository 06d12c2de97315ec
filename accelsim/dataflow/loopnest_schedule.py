"""A loop nest as a schedule, so that replay can execute it."""

from __future__ import annotations

from itertools import pairwise

from accelsim.dataflow.loopnest import DIMS, HAS, Loop, Mapping
from accelsim.dataflow.schedule import RESIDENTS, Block, Cut, Schedule, Stay, Tiling
from accelsim.workload.layer import Conv


def schedule_of(layer: Conv, mapping: Mapping) -> Schedule | None:
    """The mapping as a schedule that replay can execute; None if it is not of that form.

    A schedule has loops over tiles, one per dim, then loops over blocks in the tile, one per dim;
    an operand is held for its tile, or for the scope of some of the loops over tiles, or kept into
    the very next tile. Raises ValueError for a mapping that does not fit the layer.
    """
    fault = mapping.fault(layer, "exact")
    if fault is not None:
        raise ValueError(f"{fault[0]}: {fault[1]}")
    depths = _simplest(layer, mapping)
    for tiles in range(max(depths), len(mapping.loops) + 1):
        found = _cut_at(layer, mapping, depths, tiles)
        if found is not None:
            return found
    return None


def _simplest(layer: Conv, mapping: Mapping) -> tuple[int, int, int]:
    """Smaller depths that mean the same.

    Scopes that differ in a loop that an operand lacks use the same words, if no padding or edge
    takes some away; words that are kept into the next scope then never leave. So it is as if the
    loop were in the scope. A loop of one iteration makes no scopes of its own.
    """
    found = []
    once = _single_iterations(layer, mapping.loops)
    for operand, depth in zip(RESIDENTS, mapping.held, strict=True):
        while depth:
            dim = mapping.loops[depth - 1].dim
            lacks = operand not in mapping.leaving and dim not in HAS[operand]
            axis = layer.rows if dim in "PR" else layer.cols
            full = dim in "NKC" or axis.useful_pairs == axis.outputs * axis.taps
            if not once[depth - 1] and not (lacks and full):
                break
            depth -= 1
        found.append(depth)
    return found[0], found[1], found[2]


def _single_iterations(layer: Conv, loops: tuple[Loop, ...]) -> list[bool]:
    left, found = dict(layer.dims), []
    for loop in loops:
        found.append(left[loop.dim] == loop.step)
        left[loop.dim] = loop.step
    return found


def _cut_at(
    layer: Conv, mapping: Mapping, depths: tuple[int, int, int], tiles: int
) -> Schedule | None:
    """The schedule whose tiles are the scopes of the first `tiles` loops, if there is one."""
    outer, inner = mapping.loops[:tiles], mapping.loops[tiles:]
    begins: list[tuple[str, list[int]]] = []
    places = [0]  # how many cuts the first so many loops are
    for at, loop in enumerate(outer):
        if begins and begins[-1][0] == loop.dim and at not in depths:
            ends = [*begins.pop()[1], layer.dims[loop.dim]]
        elif loop.dim in (dim for dim, _ in begins):
            return None
        else:
            ends = [0, layer.dims[loop.dim]]
        cut = [begin for low, high in pairwise(ends) for begin in range(low, high, loop.step)]
        begins.append((loop.dim, cut))
        places.append(len(begins))
    order: list[str] = []
    block = {**layer.dims, **{loop.dim: loop.step for loop in outer}}
    for loop in inner:
        if loop.dim in order and (order[-1] != loop.dim or block[loop.dim] % loop.step):
            return None
        order += [loop.dim] if loop.dim not in order else []
        block[loop.dim] = loop.step
    # a schedule names the loops that its cuts leave one step of, too
    order += [dim for dim in DIMS if dim not in order and layer.dims[dim] > block[dim]]
    stays = []
    for operand, depth in zip(RESIDENTS, depths, strict=True):
        kept = operand not in mapping.leaving and depth > 0
        if depth < tiles:
            if kept:
                return None  # into the next scope of several tiles
            stays.append(Stay(operand, places[depth]))
        elif kept:
            stays.append(Stay(operand, 0, next_only=True))
    resident = RESIDENTS[depths.index(min(depths))]
    cuts = tuple(Cut(dim, tuple(cut)) for dim, cut in begins)
    return Schedule(
        layer, resident, "loop nest", tuple(order), Block(**block),
        tiling=Tiling(cuts, stays=tuple(stays)),
    )  # fmt: skip
