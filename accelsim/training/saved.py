"""What a layer's forward pass keeps for its backward pass, under three named conventions.

- `torch`: PyTorch's own autograd on a CPU. conv, deconv, fc, matmul, norm, pool, mul, lrn and most
  activations keep their inputs; relu, sigmoid, tanh and softmax their output. More is kept: max
  pooling an int64 index per output, norm 8 B per channel (mean and 1/deviation), dropout 4 B per
  element, lrn three words per element (the square, its mean, the scale). Adaptive average pooling
  to 1x1 is a mean and keeps nothing; nor do add, concat and upsample.
- `vdnn`: cuDNN as vDNN (Rhu et al., MICRO 2016) used it. Layers keep their inputs; activations
  whose output tells their slope keep that and run in place, forward and backward; pooling finds
  its maxima again from its input and output; dropout keeps a byte per element.
- `ideal`: the least that still gives exact gradients without computing anything twice. Activations
  of two slopes and dropout keep a bit per element, the former none where another layer keeps their
  output; max pooling an index of ceil(log2(R·S)) bits per output, average pooling nothing.

Each tensor is kept once, whoever asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from accelsim.workload.layer import Conv
from accelsim.workload.network import Node

Saved = Literal["torch", "vdnn", "ideal"]
SAVED: tuple[Saved, ...] = ("torch", "vdnn", "ideal")

_KEEP_INPUTS = ("conv", "deconv", "fc", "matmul", "norm", "mul", "lrn")
_KEEP_OUTPUT = ("relu", "sigmoid", "tanh")
_TWO_SLOPES = ("relu", "relu6", "leaky_relu", "hardtanh", "hardsigmoid")
_OUTPUT_TELLS_SLOPE = (*_TWO_SLOPES, "sigmoid", "tanh", "elu", "selu")


@dataclass(frozen=True, slots=True)
class Keeps:
    """What one layer keeps. `more_bits` are made for the backward pass alone.

    `unless_output` says that the kept output, where someone else keeps it, does in place of them.
    `in_place` says that the output overwrites the input, where no one else needs that.
    """

    inputs: bool = False
    output: bool = False
    more_bits: int = 0
    unless_output: bool = False
    in_place: bool = False


def keeps(node: Node, saved: Saved, word_bits: int) -> Keeps:
    """What a layer keeps under a convention; `word_bits` is the width of its activations."""
    inputs, outputs = math.prod(node.in_shapes[0]), math.prod(node.out_shape)
    match node.op:
        case "pool" | "global_pool":
            return _pooling(node, saved, outputs)
        case "act":
            return _activation(node.kind, saved, outputs)
        case "softmax":
            return Keeps(output=True)
        case "dropout":
            return Keeps(more_bits={"torch": 32, "vdnn": 8, "ideal": 1}[saved] * outputs)
        case "norm":
            return Keeps(inputs=True, more_bits=64 * node.in_shapes[0][1])
        case "lrn":
            return Keeps(inputs=True, more_bits=3 * word_bits * inputs if saved == "torch" else 0)
    return Keeps(inputs=node.op in _KEEP_INPUTS)


def _activation(kind: str, saved: Saved, words: int) -> Keeps:
    if saved == "torch":
        output = kind in _KEEP_OUTPUT
        return Keeps(inputs=not output, output=output, in_place=kind == "relu")
    if kind not in _OUTPUT_TELLS_SLOPE:
        return Keeps(inputs=True)
    if saved == "ideal" and kind in _TWO_SLOPES:
        return Keeps(more_bits=words, unless_output=True, in_place=True)
    return Keeps(output=True, in_place=True)


def _pooling(node: Node, saved: Saved, outputs: int) -> Keeps:
    largest = node.kind == "max"
    if saved == "vdnn":
        return Keeps(inputs=True, output=True)
    if saved == "ideal":
        assert isinstance(node.layer, Conv)
        taps = node.layer.rows.taps * node.layer.cols.taps
        return Keeps(more_bits=(taps - 1).bit_length() * outputs if largest else 0)
    mean = node.adaptive and not largest and node.out_shape[2:] == (1, 1)
    return Keeps(inputs=not mean, more_bits=64 * outputs if largest else 0)
