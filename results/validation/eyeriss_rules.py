"""Which rules for taking a mapping give Eyeriss's table III, and what each says of VGG-16.

python results/validation/eyeriss_rules.py

Of each layer every mapping of equal parts that fits is listed; a rule is a list of measures, the
first counts most. Writes eyeriss_rules.md here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from accelsim.choosing import machine_of
from accelsim.hardware.accelerator import Accelerator, load_accelerator
from accelsim.simulate import load_each
from accelsim.timing import passes_kernel as kernel
from accelsim.timing import passes_search as search
from accelsim.timing.candidates import Machine
from accelsim.timing.row_stationary import Passes
from accelsim.workload.layer import Conv

HERE = Path(__file__).parent
CHIP = json.loads((HERE.parents[1] / "tests" / "data" / "eyeriss_alexnet.json").read_text())
TABLE = [Passes(*row[7:14]) for row in CHIP["alexnet_mapping_tableIII"]["rows"]]
MEASURES = {
    "traffic, padding counted": kernel.PADDED,
    "traffic": kernel.TRAFFIC,
    "buffer words": kernel.BUFFER,
    "energy": kernel.ENERGY,
    "cycles": kernel.MEASURES,
    "MAC cycles": kernel.MEASURES + 1,
}
RULES = (
    ("traffic, padding counted", "buffer words"),
    ("MAC cycles", "traffic, padding counted", "buffer words"),
    ("traffic, padding counted", "MAC cycles", "buffer words"),
    ("traffic", "buffer words"),
    ("cycles", "traffic, padding counted", "buffer words"),
    ("buffer words", "traffic, padding counted"),
    ("energy",),
)


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


def main() -> None:
    """Write the page."""
    device = load_accelerator("eyeriss")
    machine = machine_of(device)
    alexnet = [mappings(layer, machine) for layer in layers("alexnet_caffe", 4, device)]
    vgg = [mappings(layer, machine)[1] for layer in layers("vgg16", 3, device)]
    rows = ["| rule | rows of table III | VGG-16 ms, fastest of ties | slowest |"]
    rows.append("|---|---|---|---|")
    for rule in RULES:
        given = [
            {tuple(own) for own in found[taken(measures, rule)]} == {(*vars(row).values(),)}
            for (found, measures), row in zip(alexnet, TABLE, strict=True)
        ]
        times = [each[taken(each, rule), MEASURES["cycles"]] / 200e3 for each in vgg]
        sums = [sum(end(own) for own in times) for end in (np.min, np.max)]
        cells = (", then ".join(rule), f"{sum(given)} of 5", *(f"{each:,.0f}" for each in sums))
        rows.append(f"| {' | '.join(cells)} |")
    text = (HERE / "eyeriss_rules_page.md").read_text().format(rules="\n".join(rows))
    (HERE / "eyeriss_rules.md").write_text(text)


if __name__ == "__main__":
    main()
