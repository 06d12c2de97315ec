"""Shape inference: from a layer's keys and its input shapes to its output, parameters and nest.

Every rule is PyTorch's. Shapes are (N, C, H, W); a fault is a `ShapeError` that names the key.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from accelsim.workload.format import (
    MAX_EXTENT,
    MAX_WORDS,
    ConvLayer,
    DeconvLayer,
    FcLayer,
    GlobalPoolLayer,
    Layer,
    LrnLayer,
    MatmulLayer,
    PoolLayer,
    ReshapeLayer,
    ShuffleLayer,
    UpsampleLayer,
)
from accelsim.workload.layer import Axis, Conv, Stream, Widths

Shape = tuple[int, int, int, int]
MAX_MACS = 2**62
MAX_PAIRS = 2**24
"""Bound on outputs x taps of one axis: its tables are arrays of that many entries."""


class ShapeError(ValueError):
    """What is wrong with a layer's sizes, and the key that is to blame ("" for the layer)."""

    def __init__(self, key: str, wrong: str) -> None:
        super().__init__(wrong)
        self.key = key


class Inferred(NamedTuple):
    """What a layer's keys and input shapes determine."""

    out: Shape
    params: int
    layer: Conv | Stream | None


def dims(shape: Shape) -> str:
    """Channels, rows, columns for people: `64x56x56`."""
    return "x".join(map(str, shape[1:]))


def too_many_words(what: str, shape: Shape) -> str:
    """What is wrong with a tensor above the bound."""
    words = f"the {what} is {math.prod(shape)} words, {dims(shape)} for each of {shape[0]} images"
    return f"{words}; at most {MAX_WORDS} are allowed"


def infer(spec: Layer, shapes: list[Shape], size: Shape | None, widths: Widths) -> Inferred:
    """Output shape, parameters and loop nest of one layer (without its `norm`, `act` shorthand).

    `shapes` are the inputs' (at least one), `size` is the tensor that `upsample` names in `size`.
    Raises ShapeError where they do not fit, or where a tensor or the MACs pass the bounds.
    """
    shape = shapes[0]
    match spec:
        case ConvLayer() | DeconvLayer():
            found = _conv(spec, shape, widths)
        case FcLayer():
            found = _fc(spec, shape, widths)
        case MatmulLayer():
            found = _matmul(spec, shapes, widths)
        case PoolLayer():
            found = _pool(spec, shape, widths)
        case GlobalPoolLayer():
            rows, cols = (Axis(1, extent, extent) for extent in shape[2:])
            found = _pooled(spec, spec.kind, shape, rows, cols, widths)
        case UpsampleLayer():
            found = _upsample(spec, shape, size, widths)
        case LrnLayer():
            live = min(spec.size, shape[1])
            found = Inferred(shape, 0, _stream(spec, shape, math.prod(shape), live, widths))
        case ReshapeLayer():
            found = _reshape(spec, shape)
        case ShuffleLayer():
            _divides(spec.groups, C=shape[1])
            found = Inferred(shape, 0, None)
        case _:
            found = _plain(spec, shapes, widths)
    _check_bounds(found)
    return found


def follow(name: str, op: str, kind: str, shape: Shape, widths: Widths) -> Inferred:
    """A norm or an act: the shape stays, one word in for one word out."""
    channels = shape[1]
    params = 2 * channels if op == "norm" else channels if kind == "prelu" else 0
    words = math.prod(shape)
    return Inferred(shape, params, Stream(name, op, shape[0], channels, words, words, 1, 1, widths))


def _conv(spec: ConvLayer | DeconvLayer, shape: Shape, widths: Widths) -> Inferred:
    N, C, H, W = shape
    K, groups = spec.K, spec.groups
    if C % groups or K % groups:
        _divides(groups, C=C, K=K)
    (top, bottom, left, right), (y, x), (dy, dx) = spec.pad, spec.stride, spec.dilation
    if isinstance(spec, DeconvLayer):
        extra = spec.output_pad
        P = _grown("R", H, spec.R, y, dy, top + bottom, extra[0])
        Q = _grown("S", W, spec.S, x, dx, left + right, extra[1])
        rows = Axis(P, spec.R, H, y, dy, top, "deconv")
        cols = Axis(Q, spec.S, W, x, dx, left, "deconv")
    else:
        P = _windows("R", H, spec.R, y, dy, top + bottom)
        Q = _windows("S", W, spec.S, x, dx, left + right)
        rows = Axis(P, spec.R, H, y, dy, top)
        cols = Axis(Q, spec.S, W, x, dx, left)
    params = K * (C // groups) * spec.R * spec.S + K * _has_bias(spec)
    layer = Conv(spec.name, spec.op, N, K, C, groups, rows, cols, widths)
    return Inferred((N, K, P, Q), params, layer)


def _windows(key: str, size: int, taps: int, stride: int, dilation: int, pads: int) -> int:
    """How many windows fit a padded axis."""
    reach = (taps - 1) * dilation + 1
    if reach > size + pads:
        raise ShapeError(key, _too_large(key, reach, size, pads))
    return (size + pads - reach) // stride + 1


def _too_large(key: str, reach: int, size: int, pads: int) -> str:
    lines = "rows" if key == "R" else "columns"
    padded = f"{size} input {lines}" + (f" and {pads} of padding" if pads else "")
    return f"a filter of {reach} {lines} is larger than {padded}; lower {key} or raise pad"


def _grown(
    key: str, size: int, taps: int, stride: int, dilation: int, pads: int, extra: int
) -> int:
    """Outputs of a transposed convolution along one axis."""
    outputs = (size - 1) * stride - pads + (taps - 1) * dilation + 1 + extra
    if outputs < 1:
        lines = "rows" if key == "R" else "columns"
        raise ShapeError("pad", f"{outputs} output {lines} would be left; lower pad")
    if extra >= max(stride, dilation):
        wrong = f"output_pad {extra} is not below stride {stride} or dilation {dilation}; lower it"
        raise ShapeError("output_pad", wrong)
    return outputs


def _fc(spec: FcLayer, shape: Shape, widths: Widths) -> Inferred:
    N, C = shape[0], math.prod(shape[1:])
    params = spec.K * C + spec.K * _has_bias(spec)
    layer = Conv(spec.name, spec.op, N, spec.K, C, 1, Axis(1), Axis(1), widths)
    return Inferred((N, spec.K, 1, 1), params, layer)


def _matmul(spec: MatmulLayer, shapes: list[Shape], widths: Widths) -> Inferred:
    N, C, P, Q = shapes[0]
    rows = Axis(P * Q, inputs=P * Q)
    if len(shapes) == 1:
        if spec.K is None:
            raise ShapeError("", "K is missing; a matmul with one producer needs K")
        layer = Conv(spec.name, spec.op, N, spec.K, C, 1, rows, Axis(1), widths)
        return Inferred((N, spec.K, P, Q), spec.K * C, layer)
    other = shapes[1]
    K = other[2] * other[3]
    if other[1] != C:
        wrong = f"{dims(shapes[0])} and {dims(other)} differ in channels; both need as many"
        raise ShapeError("from", wrong)
    if spec.K not in (None, K):
        raise ShapeError(
            "K", f"K {spec.K} is written, the second producer has {K} pixels; write {K}"
        )
    # each image has a matrix of its own: one group per image
    layer = Conv(spec.name, spec.op, 1, N * K, N * C, N, rows, Axis(1), widths)
    return Inferred((N, K, P, Q), 0, layer)


def _pool(spec: PoolLayer, shape: Shape, widths: Widths) -> Inferred:
    _, _, H, W = shape
    if spec.out is not None:
        odd = {"R", "S", "stride", "pad", "ceil"} & spec.model_fields_set
        if odd:
            wrong = f"{min(odd)} beside `out`; an adaptive pool has only `out`"
            raise ShapeError(min(odd), wrong)
        rows, cols = _adaptive(H, spec.out[0]), _adaptive(W, spec.out[1])
        return _pooled(spec, spec.kind, shape, rows, cols, widths)
    if spec.R is None or spec.S is None:
        key = "R" if spec.R is None else "S"
        raise ShapeError("", f"{key} is missing; a pool needs R and S, or `out`")
    top, bottom, left, right = spec.pad
    y, x = spec.stride or (spec.R, spec.S)
    P = _pool_windows("R", H, spec.R, y, top, bottom, spec.ceil)
    Q = _pool_windows("S", W, spec.S, x, left, right, spec.ceil)
    rows = Axis(P, spec.R, H, y, 1, top)
    cols = Axis(Q, spec.S, W, x, 1, left)
    return _pooled(spec, spec.kind, shape, rows, cols, widths)


def _pool_windows(
    key: str, size: int, taps: int, stride: int, before: int, after: int, ceil: bool
) -> int:
    """Windows of a pool along one axis; with `ceil` the last may overhang but starts inside."""
    if 2 * max(before, after) > taps:
        wrong = f"padding {max(before, after)} is more than half of {key} {taps}; lower pad"
        raise ShapeError("pad", wrong)
    if not ceil:
        return _windows(key, size, taps, stride, 1, before + after)
    outputs = -((taps - size - before - after) // stride) + 1
    if (outputs - 1) * stride >= size + before:
        outputs -= 1
    if outputs < 1:
        raise ShapeError(key, _too_large(key, taps, size, before + after))
    return outputs


def _adaptive(size: int, outputs: int) -> Axis:
    """Pooling of one axis to a given size; plain windows where it divides."""
    if size % outputs == 0:
        return Axis(outputs, size // outputs, size, size // outputs)
    # output p starts at p·size/outputs rounded down: its fraction is at most (outputs-g)/outputs
    taps = 1 + -((math.gcd(size, outputs) - size) // outputs)
    return Axis(outputs, taps, size, kind="adaptive")


def _pooled(
    spec: Layer, kind: str, shape: Shape, rows: Axis, cols: Axis, widths: Widths
) -> Inferred:
    N, C = shape[:2]
    if kind == "max":
        # a maximum never grows while it is accumulated
        widths = replace(widths, psums=widths.outputs)
    layer = Conv(spec.name, spec.op, N, C, C, C, rows, cols, widths, has_weights=False)
    return Inferred((N, C, rows.outputs, cols.outputs), 0, layer)


def _upsample(spec: UpsampleLayer, shape: Shape, size: Shape | None, widths: Widths) -> Inferred:
    N, C, H, W = shape
    if (spec.size is None) == (spec.scale is None):
        raise ShapeError("", "one of size and scale is wanted; write `scale: 2` for instance")
    if spec.scale is not None:
        P, Q = H * spec.scale[0], W * spec.scale[1]
    else:
        P, Q = size[2:] if size else (0, 0)
        if not isinstance(spec.size, str):
            P, Q = spec.size or (P, Q)
    out = N, C, P, Q
    if spec.kind == "bilinear":
        rows, cols = Axis(P, 2, H, kind="bilinear"), Axis(Q, 2, W, kind="bilinear")
        return _pooled(spec, spec.kind, shape, rows, cols, widths)
    if spec.kind == "unpool" and (P < H or Q < W):
        wrong = f"unpooling from {H}x{W} to {P}x{Q} shrinks; give a larger size"
        raise ShapeError("size" if spec.size else "scale", wrong)
    # where it shrinks, nearest reads one input per output
    used = N * C * min(H, P) * min(W, Q)
    return Inferred(out, 0, _stream(spec, out, used, 1, widths))


def _reshape(spec: ReshapeLayer, shape: Shape) -> Inferred:
    have, want = math.prod(shape[1:]), math.prod(spec.out)
    if have != want:
        out = "x".join(map(str, spec.out))
        raise ShapeError(
            "out", f"{out} has {want} words, its input {dims(shape)} has {have}; write as many"
        )
    return Inferred((shape[0], *spec.out), 0, None)


def _plain(spec: Layer, shapes: list[Shape], widths: Widths) -> Inferred:
    shape = shapes[0]
    N, C = shape[:2]
    if spec.op in ("add", "mul"):
        return _elementwise(spec, shapes, widths)
    if spec.op == "concat":
        return _concat(shapes)
    if spec.op == "softmax":
        return Inferred(shape, 0, _stream(spec, shape, math.prod(shape), C, widths))
    if spec.op == "flatten":
        return Inferred((N, math.prod(shape[1:]), 1, 1), 0, None)
    return Inferred(shape, 0, None)


def _elementwise(spec: Layer, shapes: list[Shape], widths: Widths) -> Inferred:
    N, C, H, W = out = max(shapes, key=math.prod)
    live = fresh = words = 0
    for shape in shapes:
        if shape == out:
            fresh += 1
        elif shape in ((N, C, 1, 1), (N, 1, H, W)):
            live += math.prod(shape[1:])
        else:
            all_shapes = " and ".join(dict.fromkeys(map(dims, shapes)))
            wrong = f"{all_shapes} do not fit together"
            right = f"{spec.op} takes equal shapes, or Cx1x1 or 1xHxW beside CxHxW"
            raise ShapeError("from", f"{wrong}; {right}")
        words += math.prod(shape)
    return Inferred(out, 0, _stream(spec, out, words, live + fresh, widths, fresh))


def _concat(shapes: list[Shape]) -> Inferred:
    N, _, H, W = shapes[0]
    for shape in shapes:
        if shape[2:] != (H, W):
            wrong = f"{dims(shapes[0])} and {dims(shape)} differ in rows or columns"
            raise ShapeError("from", f"{wrong}; concat joins channels of equal pictures")
    return Inferred((N, sum(shape[1] for shape in shapes), H, W), 0, None)


def _stream(
    spec: Layer, out: Shape, words: int, live: int, widths: Widths, fresh: int = 1
) -> Stream:
    return Stream(spec.name, spec.op, out[0], out[1], words, math.prod(out), live, fresh, widths)


def _has_bias(spec: ConvLayer | DeconvLayer | FcLayer) -> bool:
    return spec.norm is None if spec.bias is None else spec.bias


def _divides(groups: int, **counts: int) -> None:
    odd = [f"{name} {count}" for name, count in counts.items() if count % groups]
    if odd:
        common = math.gcd(*counts.values())
        wrong = f"{groups} groups do not divide {' and '.join(odd)}"
        raise ShapeError("groups", f"{wrong}; write a divisor of {common}")


def _check_bounds(found: Inferred) -> None:
    """Bounds that keep every later int64 product and every per-axis table safe."""
    if math.prod(found.out) > MAX_WORDS:
        raise ShapeError("", too_many_words("output", found.out))
    if found.params > MAX_WORDS:
        wrong = f"{found.params} weights are too many; at most {MAX_WORDS} are allowed"
        raise ShapeError("", wrong)
    if max(found.out[2:]) > MAX_EXTENT:
        wrong = f"the output {dims(found.out)} is too large"
        raise ShapeError("", f"{wrong}; at most {MAX_EXTENT} rows and columns are allowed")
    layer = found.layer
    if not isinstance(layer, Conv):
        return
    # the nest of a deconv is counted over outputs, its MACs over inputs
    macs = max(layer.macs, math.prod(layer.dims.values()) * layer.groups)
    if macs >= MAX_MACS:
        raise ShapeError("", f"{macs} MACs are too many; fewer than {MAX_MACS} are allowed")
    for key, axis in (("R", layer.rows), ("S", layer.cols)):
        if axis.outputs * axis.taps > MAX_PAIRS:
            wrong = f"{axis.outputs} outputs x {axis.taps} taps are too many"
            raise ShapeError(key, f"{wrong}; at most {MAX_PAIRS} are allowed")
