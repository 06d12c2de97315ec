"""What one layer computes: its two spatial axes, its words, its MACs, its operand widths.

Dims are the field's `N K C P Q R S`; K and C are whole-layer counts, of which a group has K/groups
and C/groups. Every operator with a window (conv, deconv, fc, matmul, pooling, bilinear upsampling)
is one `Conv`; every other operator that moves words is a `Stream`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
AxisKind = Literal["conv", "deconv", "adaptive", "bilinear"]
OPERANDS = ("weights", "inputs", "outputs")


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of a word of each operand; psums are outputs still being accumulated."""

    weights: int = 8
    inputs: int = 8
    outputs: int = 8
    psums: int = 8

    @property
    def live(self) -> tuple[int, int, int]:
        """Bits of a live word of weights, inputs, outputs while their MACs run."""
        return self.weights, self.inputs, self.psums


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis: which (output p, tap r) pairs meet which unpadded input h.

    - conv: h = p·stride + r·dilation - pad
    - deconv: p = h·stride + r·dilation - pad
    - adaptive: h = floor(p·inputs / outputs) + r, below ceil((p+1)·inputs / outputs)
    - bilinear: the one or two inputs around (p + 1/2)·inputs / outputs - 1/2, half-pixel centres

    A pair is useful when 0 <= h < inputs and 0 <= p < outputs; only useful pairs move words.
    """

    outputs: int
    taps: int = 1
    inputs: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    kind: AxisKind = "conv"

    def pairs(self) -> tuple[Int64, Int64, Int64]:
        """Useful (p, r, h), each of shape (pairs,), sorted by p, then r."""
        return _pairs(self)

    @property
    def useful_pairs(self) -> int:
        """Number of useful (p, r) pairs."""
        return len(_pairs(self)[0])

    @property
    def used_inputs(self) -> int:
        """Number of inputs that at least one useful pair reads."""
        return _used(self)[1]

    @property
    def used_taps(self) -> int:
        """Number of taps that at least one useful pair needs."""
        return _used(self)[0]


@lru_cache(maxsize=4096)
def _pairs(axis: Axis) -> tuple[Int64, Int64, Int64]:
    p, r = (i.ravel() for i in np.indices((axis.outputs, axis.taps), dtype=np.int64))
    if axis.kind == "conv":
        h = p * axis.stride + r * axis.dilation - axis.pad
        useful = (h >= 0) & (h < axis.inputs)
    elif axis.kind == "deconv":
        h, phase = np.divmod(p + axis.pad - r * axis.dilation, axis.stride)
        useful = (phase == 0) & (h >= 0) & (h < axis.inputs)
    elif axis.kind == "adaptive":
        h = p * axis.inputs // axis.outputs + r
        useful = h < -(-(p + 1) * axis.inputs // axis.outputs)
    else:
        # twice the source position times `outputs`, clipped at the near edge, in exact integers
        twice = np.maximum((2 * p + 1) * axis.inputs - axis.outputs, 0)
        near, fraction = np.divmod(twice, 2 * axis.outputs)
        h = near + r
        useful = (h < axis.inputs) & ((r == 0) | (fraction > 0))
    return p[useful], r[useful], h[useful]


@lru_cache(maxsize=4096)
def _used(axis: Axis) -> tuple[int, int]:
    _, r, h = _pairs(axis)
    return len(np.unique(r)), len(np.unique(h))


@dataclass(frozen=True)
class Conv:
    """A layer that is a (grouped) convolution nest over N K C P Q R S.

    Pooling is a Conv with `has_weights` False and one group per channel; fc has 1 x 1 axes.
    """

    name: str
    op: str
    N: int
    K: int
    C: int
    groups: int
    rows: Axis
    cols: Axis
    widths: Widths = Widths()
    has_weights: bool = True

    @cached_property
    def dims(self) -> dict[str, int]:
        """Extents of N K C P Q R S inside one group."""
        rows, cols = self.rows, self.cols
        return {
            "N": self.N, "K": self.K // self.groups, "C": self.C // self.groups,
            "P": rows.outputs, "Q": cols.outputs, "R": rows.taps, "S": cols.taps,
        }  # fmt: skip

    @property
    def macs(self) -> int:
        """Nominal MACs, N·K·(C/groups)·R·S·P·Q, padding included; 0 without weights.

        A deconv counts input in place of output positions: each meets all taps, and the zeros
        that a naive form puts between inputs are no work.
        """
        if not self.has_weights:
            return 0
        pixels = math.prod(
            axis.inputs if axis.kind == "deconv" else axis.outputs
            for axis in (self.rows, self.cols)
        )
        taps = self.rows.taps * self.cols.taps
        return self.N * self.K * (self.C // self.groups) * taps * pixels

    @cached_property
    def useful_macs(self) -> int:
        """MACs that are not on padding (for pooling: window positions read)."""
        pairs = self.rows.useful_pairs * self.cols.useful_pairs
        return self.N * self.K * (self.C // self.groups) * pairs

    @cached_property
    def weights_words(self) -> int:
        """Weights that at least one useful MAC reads."""
        if not self.has_weights:
            return 0
        return self.K * (self.C // self.groups) * self.rows.used_taps * self.cols.used_taps

    @cached_property
    def inputs_words(self) -> int:
        """Unpadded inputs that at least one useful MAC reads, whole batch."""
        return self.N * self.C * self.rows.used_inputs * self.cols.used_inputs

    @property
    def outputs_words(self) -> int:
        """Outputs, whole batch; each is written once even where no useful MAC feeds it."""
        return self.N * self.K * self.rows.outputs * self.cols.outputs

    @property
    def words(self) -> tuple[int, int, int]:
        """Used words of weights, inputs, outputs: the compulsory traffic."""
        return self.weights_words, self.inputs_words, self.outputs_words

    def group(self) -> Conv:
        """One of the layer's groups as a layer of its own."""
        return self if self.groups == 1 else self._group

    @cached_property
    def _group(self) -> Conv:
        return replace(self, K=self.K // self.groups, C=self.C // self.groups, groups=1)

    def transposed(self) -> Conv:
        """The same layer with rows and columns exchanged."""
        return replace(self, rows=self.cols, cols=self.rows)


@dataclass(frozen=True)
class Stream:
    """A layer that only passes words through: element-wise ops, softmax, lrn, nearest upsampling.

    `live_inputs` is how many input words must be on the chip together (DESIGN.md section 4):
    one per operand, a broadcast operand whole, a softmax row, an lrn channel window. Of these
    `fresh_inputs` (one per operand that is not broadcast) are new with every output word.
    """

    name: str
    op: str
    N: int
    K: int
    inputs_words: int
    outputs_words: int
    live_inputs: int
    fresh_inputs: int = 1
    widths: Widths = Widths()

    weights_words = 0
    macs = 0
    useful_macs = 0

    @property
    def words(self) -> tuple[int, int, int]:
        """Used words of weights, inputs, outputs: the compulsory traffic."""
        return 0, self.inputs_words, self.outputs_words


Layer = Conv | Stream


def operand_bytes(words: tuple[int, int, int], widths: Widths) -> int:
    """Bytes of so many finished weights, inputs, outputs, each operand rounded up once."""
    bits = (widths.weights, widths.inputs, widths.outputs)
    return sum(-(-count * width // 8) for count, width in zip(words, bits, strict=True))
