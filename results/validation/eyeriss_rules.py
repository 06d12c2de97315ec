"""Which rules for taking a mapping give Eyeriss's table III, and what each says of VGG-16.

python results/validation/eyeriss_rules.py

Of each layer every mapping of equal parts that fits is listed; a rule is a list of measures, the
first counts most. Writes eyeriss_rules.md here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np

from accelsim.choosing import machine_of
from accelsim.hardware.accelerator import Accelerator, load_accelerator
from accelsim.hardware.format import RowStationaryArray
from accelsim.simulate import load_each
from accelsim.timing import passes_kernel as kernel
from accelsim.timing import passes_search as search
from accelsim.timing.candidates import Machine
from accelsim.timing.row_stationary import LaidOut, Passes, pass_parts, schedule_of
from accelsim.workload.layer import Conv

HERE = Path(__file__).parent
CHIP = json.loads((HERE.parents[1] / "tests" / "data" / "eyeriss_alexnet.json").read_text())
TABLE = [Passes(*row[7:14]) for row in CHIP["alexnet_mapping_tableIII"]["rows"]]
Listed = tuple[Conv, tuple[np.ndarray, np.ndarray]]
MEASURES = {
    "tiles": kernel.TILES,
    "padded traffic": kernel.PADDED,
    "buffer words": kernel.BUFFER,
    "traffic": kernel.TRAFFIC,
    "energy": kernel.ENERGY,
    "cycles": kernel.MEASURES,
    "MAC cycles": kernel.MEASURES + 1,
}
ORDERS = tuple(permutations(("tiles", "padded traffic", "MAC cycles")))
RULES = (
    ("tiles", "padded traffic", "buffer words"),
    *((*order, "buffer words") for order in ORDERS),
    ("tiles", "padded traffic", "energy"),
    ("padded traffic", "buffer words"),
    ("padded traffic", "energy"),
    ("MAC cycles", "padded traffic", "energy"),
    ("tiles", "buffer words"),
    ("traffic", "buffer words"),
    ("cycles", "padded traffic", "buffer words"),
    ("buffer words", "padded traffic"),
    ("energy",),
)
EARLY = ("conv1_1", "conv1_2", "conv2_1", "conv2_2")


def mappings(layer: Conv, machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Mappings (count, 7) of a group that fit, and their measures: the kernel's, cycles, MACs'."""
    group, array = layer.group(), search._array(machine, machine.pe)
    numbers = search._numbers(group)
    rates = search._rates(machine, machine.pe, search.RATIOS, layer.widths)
    found, measures = [], []
    for strip in search._strips(group.rows, machine.pe):
        for own in fitting(group, machine, strip, numbers, array):
            m, n, _, p, q, r, t = own
            args = (numbers, array, rates, strip, m, n, p * t, q * r, r, t)
            measured = np.empty(kernel.MEASURES)
            kernel._measure(*args, measured)
            dims = group.dims
            passes = strip[kernel.COUNT] * -(-dims["N"] // n) * dims["K"] // (p * t)
            macs = passes * dims["C"] // (q * r) * n * dims["Q"] * p * q * dims["S"]
            found.append(own)
            measures.append([*measured, kernel._cycles(*args), macs])
    return np.array(found), np.array(measures)


def fitting(
    group: Conv, machine: Machine, strip: np.ndarray, numbers: np.ndarray, array: np.ndarray
) -> Iterator[tuple[int, ...]]:
    """Mappings of equal parts of one number of output rows, within buffer and scratchpads."""
    dims, e, bank = group.dims, int(strip[kernel.E]), array[kernel.BANK_BITS]
    parts = [m for m in range(1, dims["K"] + 1) if dims["K"] % m == 0]
    for m in parts:
        for n in range(1, dims["N"] + 1):
            room = array[kernel.BANKS] - -(-n * m * e * dims["Q"] * group.widths.psums // bank)
            for p in (p for p in parts if p <= array[kernel.PAD_P] and m % p == 0):
                deep = min(array[kernel.PAD_I], array[kernel.PAD_W] // p) // dims["S"]
                for t in range(1, strip[kernel.SETS] + 1):
                    if m % (p * t):
                        continue
                    for r in range(1, strip[kernel.SETS] // t + 1):
                        for q in (q for q in range(1, deep + 1) if dims["C"] % (q * r) == 0):
                            box = n * q * r * strip[kernel.WINDOW] * numbers[kernel.WINDOW_COLS]
                            weights = p * t * q * r * dims["R"] * dims["S"] * group.widths.weights
                            if (
                                -(-box * group.widths.inputs // bank) <= room
                                and weights <= array[kernel.WEIGHTS_BITS]
                            ):
                                yield m, n, e, p, q, r, t


def taken(measures: np.ndarray, rule: tuple[str, ...]) -> np.ndarray:
    """Which mappings are best by a rule."""
    left = np.arange(len(measures))
    for name in rule:
        own = measures[left, MEASURES[name]]
        left = left[own <= own.min() * (1 + 1e-12)]
    return left


def layers(network: str, batch: int, device: Accelerator) -> list[Conv]:
    """Convolutions of a network."""
    (found,) = load_each(network, batch=batch, word_bits=device.word_bits)
    return [node.layer for node in found.layers if node.op == "conv"]


def waits(layer: Conv, device: Accelerator, passes: Passes) -> tuple[float, str]:
    """Cycles of the slower bus over those of the work in a pass, and which bus it is."""
    assert isinstance(device.pe, RowStationaryArray)
    group = layer.group()
    laid, block = LaidOut(device.pe, passes.r, passes.t), schedule_of(group, passes).block
    parts = pass_parts(laid, group, block, device.sram_rates)
    return max((parts.psums / parts.work, "psums"), (parts.inputs / parts.work, "inputs"))


def early(vgg: list[Listed], rule: tuple[str, ...], device: Accelerator) -> str:
    """By layer: the slower bus over the PEs' work, over all ties if they differ."""
    cells = []
    for layer, (found, measures) in vgg:
        if layer.name not in EARLY:
            continue
        ties = [waits(layer, device, Passes(*own)) for own in found[taken(measures, rule)].tolist()]
        low, high = min(ties), max(ties)
        span = f"{low[0]:.2f}" if low[0] == high[0] else f"{low[0]:.2f} to {high[0]:.2f}"
        cells.append(f"{span} {high[1]}")
    return " | ".join(cells)


def rows_given(alexnet: list[Listed], rule: tuple[str, ...]) -> int:
    """How many rows of table III are the one best mapping by a rule."""
    return sum(
        found[taken(measures, rule)].tolist() == [[*vars(row).values()]]
        for (_, (found, measures)), row in zip(alexnet, TABLE, strict=True)
    )


def listed(network: str, batch: int, device: Accelerator) -> list[Listed]:
    """Convolutions of a network with all their mappings."""
    (found,) = load_each(network, batch=batch, word_bits=device.word_bits)
    layers = [node.layer for node in found.layers if node.op == "conv"]
    return [(layer, mappings(layer, machine_of(device))) for layer in layers]


def by_layer(vgg: list[Listed]) -> list[str]:
    """VGG-16's processing ms layer by layer, by the rules that differ, ties to fewest cycles."""
    rules = [(*order, "buffer words") for order in ORDERS if order[0] == "MAC cycles"]
    rules = [RULES[0], *rules, ("padded traffic", "buffer words")]
    lines = [" | ".join(("layer", *map(", ".join, rules))), " | ".join(["---"] * 5)]
    times = [
        [own[taken(own, rule), MEASURES["cycles"]].min() / 200e3 for rule in rules]
        for _, (_, own) in vgg
    ]
    names = [layer.name for layer, _ in vgg]
    for name, row in zip([*names, "sum"], [*times, np.sum(times, axis=0)], strict=True):
        lines.append(" | ".join((name, *(f"{each:,.1f}" for each in row))))
    return lines


def table(lines: list[str]) -> str:
    """Lines of cells as a table in Markdown."""
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Write the page."""
    device = load_accelerator("eyeriss")
    alexnet, vgg = listed("alexnet_caffe", 4, device), listed("vgg16", 3, device)
    heads = ("rule", "rows of table III", *EARLY, "VGG-16 ms, fastest of ties", "slowest")
    lines = [" | ".join(heads), " | ".join(["---"] * len(heads))]
    for rule in RULES:
        times = [own[taken(own, rule), MEASURES["cycles"]] / 200e3 for _, (_, own) in vgg]
        sums = [sum(end(own) for own in times) for end in (np.min, np.max)]
        cells = (
            ", ".join(rule),
            f"{rows_given(alexnet, rule)} of 5",
            early(vgg, rule, device),
            *(f"{each:,.0f}" for each in sums),
        )
        lines.append(" | ".join(cells))
    page = (HERE / "eyeriss_rules_page.md").read_text()
    text = page.format(rules=table(lines), layers=table(by_layer(vgg)))
    (HERE / "eyeriss_rules.md").write_text(text)


if __name__ == "__main__":
    main()
