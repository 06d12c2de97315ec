"""The direct convolution that a replay's result must equal: taps times shifted inputs, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accelsim.workload.layer import Axis, Conv, Int64

Floats = NDArray[np.float64]
LARGEST = 8
"""Random data lies in [-LARGEST, LARGEST): sums of products stay exact in float64."""
_SLICE = 64  # output channels at a time, for the sake of memory


def random_data(layer: Conv, seed: int) -> tuple[Int64, Int64]:
    """Random weights (K, C, R, S) and unpadded inputs (N, C, H, W) of one group."""
    rng = np.random.default_rng(seed)
    N, K, C, _, _, R, S = layer.dims.values()
    weights = rng.integers(-LARGEST, LARGEST, (K, C, R, S), dtype=np.int64)
    H, W = layer.rows.inputs, layer.cols.inputs
    return weights, rng.integers(-LARGEST, LARGEST, (N, C, H, W), dtype=np.int64)


def direct(layer: Conv, weights: Int64, inputs: Int64) -> Int64:
    """Outputs (N, K, P, Q) of one group, tap by tap; without weights, sums over the window."""
    N, K, C, P, Q, R, S = layer.dims.values()
    found = np.zeros((N, K, P * Q), dtype=np.float64)
    images = inputs.astype(np.float64)
    for r in range(R):
        rows, from_rows = _reads(layer.rows, r)
        for s in range(S):
            cols, from_cols = _reads(layer.cols, s)
            if not len(rows) or not len(cols):
                continue
            at = (rows[:, None] * Q + cols[None, :]).ravel()
            window = images[:, :, from_rows][:, :, :, from_cols].reshape(N, C, -1)
            for k in range(0, K, _SLICE):
                some = slice(k, k + _SLICE)
                tap = weights[some, :, r, s] if layer.has_weights else np.ones((1, C))
                found[:, some, at] += tap.astype(np.float64) @ window
    return found.reshape(N, K, P, Q).astype(np.int64)


def _reads(axis: Axis, tap: int) -> tuple[Int64, Int64]:
    """Outputs that this tap feeds, and the inputs it reads for them, by the op's own definition."""
    if axis.kind == "deconv":  # each input is spread over outputs h·stride + tap·dilation - pad
        h = np.arange(axis.inputs)
        p = h * axis.stride + tap * axis.dilation - axis.pad
        good = (p >= 0) & (p < axis.outputs)
        return p[good], h[good]
    p = np.arange(axis.outputs)
    if axis.kind == "adaptive":
        h = (p * axis.inputs) // axis.outputs + tap
        good = h < np.ceil((p + 1) * axis.inputs / axis.outputs)
    elif axis.kind == "bilinear":
        centre = np.maximum((p + 0.5) * axis.inputs / axis.outputs - 0.5, 0)
        h = np.floor(centre).astype(np.int64) + tap
        good = (h < axis.inputs) & ((tap == 0) | (centre % 1 > 1e-9))
    else:
        h = p * axis.stride - axis.pad + tap * axis.dilation
        good = (h >= 0) & (h < axis.inputs)
    return p[good], h[good]
