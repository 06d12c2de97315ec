"""Input shapes of layers that stand alone, in a file without `input`."""

from __future__ import annotations

import math

from accelsim.workload.format import (
    MAX_WORDS,
    ConvLayer,
    DeconvLayer,
    FcLayer,
    GlobalPoolLayer,
    Layer,
    MatmulLayer,
    PoolLayer,
    UpsampleLayer,
)
from accelsim.workload.shapes import Shape, ShapeError, too_many_words


def own_shapes(spec: Layer, batch: int | None) -> list[Shape]:
    """Input shapes of a stand-alone layer, from its own C, and P, Q or H, W, and N."""
    N, C = batch or spec.N or 1, spec.C
    if C is None:
        raise ShapeError("", f"C is missing; a stand-alone {spec.op} needs C")
    if isinstance(spec, FcLayer):
        return [(N, C, 1, 1)]
    if isinstance(spec, MatmulLayer) and spec.Q is None and spec.W is None:
        spec = spec.model_copy(update={"Q": 1})
    shape = N, C, _own_extent(spec, 0), _own_extent(spec, 1)
    if math.prod(shape) > MAX_WORDS:
        raise ShapeError("", too_many_words("input", shape))
    return [shape, shape] if spec.op in ("add", "mul") else [shape]


def _own_extent(spec: Layer, axis: int) -> int:
    """Input rows (axis 0) or columns (axis 1): as written, else those that the outputs need."""
    given, outputs, taps = (spec.H, spec.P, "R") if axis == 0 else (spec.W, spec.Q, "S")
    if given is not None:
        return given
    needs_input = isinstance(spec, UpsampleLayer | GlobalPoolLayer)
    needs_input = needs_input or (isinstance(spec, PoolLayer) and spec.out is not None)
    if outputs is None or needs_input:
        both = "H and W" if needs_input else "P and Q, or H and W"
        key = ("H", "W")[axis] if needs_input else ("P", "Q")[axis]
        raise ShapeError("", f"{key} is missing; a stand-alone {spec.op} needs {both}")
    if not isinstance(spec, ConvLayer | DeconvLayer | PoolLayer):
        return outputs
    window = getattr(spec, taps) or 1
    stride = (spec.stride or (spec.R or 1, spec.S or 1))[axis]
    dilation = 1 if isinstance(spec, PoolLayer) else spec.dilation[axis]
    reach = (window - 1) * dilation + 1
    pads = sum(spec.pad[2 * axis : 2 * axis + 2])
    extent = (outputs - 1) * stride + reach - pads
    if isinstance(spec, DeconvLayer):
        extent, rest = divmod(outputs - reach + pads - spec.output_pad[axis], stride)
        extent += 1
        if rest:
            key = ("P", "Q")[axis]
            wrong = f"no input gives {outputs} outputs at stride {stride}"
            raise ShapeError(key, f"{wrong}; {outputs - rest} or {outputs - rest + stride} would")
    if extent < 1:
        wrong = f"{pads} of padding alone gives {outputs} outputs"
        raise ShapeError("pad", f"{wrong}; lower pad or write H and W")
    return extent
