"""Brute force: walk the MACs of a small layer in a loop order and count live words, block by block.

The independent oracle of the liveness tests. It knows the layer's numbers and the meaning of a
loop, nothing of axes, tables or families.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from accelsim.dataflow.schedule import Block
from accelsim.workload.layer import Axis, Conv


def macs(layer: Conv) -> dict[str, np.ndarray]:
    """Coordinates of every useful MAC of one group: n k c p q r s h w, one array each."""
    dims = layer.dims
    found = []
    for p, r in product(range(dims["P"]), range(dims["R"])):
        h = position(layer.rows, p, r)
        if h is None:
            continue
        for q, s in product(range(dims["Q"]), range(dims["S"])):
            w = position(layer.cols, q, s)
            if w is not None:
                found.append((p, q, r, s, h, w))
    window = np.array(found, dtype=np.int64).reshape(-1, 6)
    outer = np.array(list(product(*(range(dims[dim]) for dim in "NKC"))), dtype=np.int64)
    both = np.hstack([np.repeat(outer, len(window), 0), np.tile(window, (len(outer), 1))])
    return dict(zip("NKCPQRSHW", both.T, strict=True))


def position(axis: Axis, p: int, r: int) -> int | None:
    """The unpadded input that output p meets at tap r, or None on padding."""
    if axis.kind == "conv":
        h = p * axis.stride + r * axis.dilation - axis.pad
    else:
        assert axis.kind == "deconv"
        h, rest = divmod(p + axis.pad - r * axis.dilation, axis.stride)
        if rest:
            return None
    return h if 0 <= h < axis.inputs else None


def steps(layer: Conv, order: tuple[str, ...], block: Block) -> tuple[dict, np.ndarray]:
    """The MACs and the number of the block each runs in."""
    at = macs(layer)
    keys = [np.zeros_like(at["N"])]
    for loop in order:
        axis = layer.rows if loop[0] in "PRH" else layer.cols
        tap_phases = axis.stride // math.gcd(axis.stride, axis.dilation)
        output_phases = axis.dilation // math.gcd(axis.stride, axis.dilation)
        if loop in ("R%", "S%"):
            keys.append(at[loop[0]] * axis.dilation % axis.stride)
        elif loop in ("P%", "Q%"):
            keys.append(at[loop[0]] % output_phases)
        elif loop in ("H", "W"):
            keys.append(at[loop])
        else:
            value = at[loop]
            if loop + "%" in order:
                value = value // (output_phases if loop in "PQ" else tap_phases)
            keys.append(value // getattr(block, loop))
    _, step = np.unique(np.stack(keys), axis=1, return_inverse=True)
    return at, step.ravel()


def walked_peak(
    layer: Conv, order: tuple[str, ...], block: Block, buffering: str
) -> tuple[int, set[tuple[int, int, int]], tuple[int, int, int]]:
    """The most live bits, the live words (W, I, O) at each block that has them, and the most bits
    of each operand alone."""
    at, step = steps(layer, order, block)
    last_step = int(step.max())
    early, late = (1, 1) if buffering == "prefetch" else (0, 0)
    words = {
        "weights": ("KCRS", early, 0),
        "inputs": ("NCHW", early, 0),
        "outputs": ("NKPQ", 0, late),
    }
    live, bits = [], np.zeros(last_step + 1, dtype=np.int64)
    alone = []
    widths = layer.widths
    for name, (dims, before, after) in words.items():
        ids = np.ravel_multi_index(
            [at[dim] for dim in dims], [int(at[dim].max()) + 1 for dim in dims]
        )
        _, word = np.unique(ids, return_inverse=True)
        first = np.full(word.max() + 1, last_step)
        last = np.zeros(word.max() + 1, dtype=np.int64)
        np.minimum.at(first, word, step)
        np.maximum.at(last, word, step)
        if name == "weights" and not layer.has_weights:
            live.append(np.zeros_like(bits))
            alone.append(0)
            continue
        full = coverage(first - before, last, last_step)
        leaving = coverage(last + 1, last + after, last_step)
        live.append(full + leaving)
        width = widths.psums if name == "outputs" else getattr(widths, name)
        own = full * width + leaving * widths.outputs
        alone.append(int(own.max()))
        bits += own
    copies = 2 if buffering == "double" else 1
    peak = int(bits.max())
    where = np.flatnonzero(bits == peak)
    at_peak = {tuple(copies * int(words[t]) for words in live) for t in where}
    return copies * peak, at_peak, tuple(copies * most for most in alone)


def walked_done(layer: Conv, order: tuple[str, ...]) -> dict[str, int]:
    """Words of each operand that are used no more from the last MAC with the most live bits on."""
    at, step = steps(layer, order, Block())
    bits, last_uses = np.zeros(int(step.max()) + 1, dtype=np.int64), {}
    for name, dims in {"weights": "KCRS", "inputs": "NCHW", "outputs": "NKPQ"}.items():
        ids = np.ravel_multi_index(
            [at[dim] for dim in dims], [int(at[dim].max()) + 1 for dim in dims]
        )
        _, word = np.unique(ids, return_inverse=True)
        first, last = np.full(word.max() + 1, len(bits)), np.zeros(word.max() + 1, dtype=np.int64)
        np.minimum.at(first, word, step)
        np.maximum.at(last, word, step)
        last_uses[name] = last
        if name != "weights" or layer.has_weights:
            width = getattr(layer.widths, "psums" if name == "outputs" else name)
            bits += coverage(first, last, len(bits) - 1) * width
    latest = int(np.flatnonzero(bits == bits.max())[-1])
    return {name: int((last < latest).sum()) for name, last in last_uses.items()}


def coverage(first: np.ndarray, last: np.ndarray, last_step: int) -> np.ndarray:
    """How many of the intervals [first, last] cover each step 0..last_step."""
    change = np.zeros(last_step + 2, dtype=np.int64)
    inside = (first <= last) & (first <= last_step)
    np.add.at(change, np.maximum(first[inside], 0), 1)
    np.add.at(change, np.minimum(last[inside], last_step) + 1, -1)
    return change.cumsum()[:-1]
