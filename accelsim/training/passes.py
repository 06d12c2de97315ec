"""The two backward passes of a layer with weights, as nests of the same kind as its forward pass.

All three do the same MACs, w[k,c,r,s] with x[n,c,h,w] and y[n,k,p,q] where h = p·stride +
r·dilation - pad; they differ in which of the three is accumulated (rows; columns likewise):

    forward           y[n,k,p] += w[k,c,r] · x[n,c,h]      reduced over c, r
    backward-data    dx[n,c,h] += w[k,c,r] · dy[n,k,p]     reduced over k, r
    backward-weight  dw[k,c,r] += dy[n,k,p] · x[n,c,h]     reduced over n, p

Backward-data is a transposed convolution: output h, input p, tap r meet where h = p·stride +
r·dilation - pad, which is `Axis` of kind deconv with K and C exchanged. A strided layer's taps fall
into phases that share no output, and no zero is ever multiplied. Backward-data of a deconv is a
conv for the same reason. At stride 1 it is an ordinary conv with the taps in reverse, r' = R-1-r:

    p = h + r'·dilation - ((R-1)·dilation - pad)

and is said so where it has as many outputs as inputs and hence as many nominal MACs: the search of
a conv's tiles is the faster one.

Backward-weight is a convolution of x with dy for a filter: output r, tap p, input h, so stride and
dilation change places. The batch is reduced, as channels are otherwise, and the input channels of a
group are independent pictures, as a batch is:

    pass nest:  N = C/groups   K = K   C = N·groups   outputs R, S   taps P, Q   groups

Its `weights` are dy, its `inputs` x, its `outputs` dw. Of a deconv dy and x change places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from accelsim.spec import InputError
from accelsim.units import parse_choice
from accelsim.workload.layer import Axis, Conv, Widths
from accelsim.workload.network import Network, Node

Pass = Literal["forward", "backward-data", "backward-weight", "training"]
PASSES: tuple[Pass, ...] = ("forward", "backward-data", "backward-weight", "training")


def backward_data(layer: Conv) -> Conv:
    """The nest that makes d-inputs from d-outputs (its inputs) and the weights."""
    own, axes = layer.widths, (layer.rows, layer.cols)
    turned = _reversed if all(map(_is_reversible, axes)) else _exchanged
    return replace(
        layer,
        name=f"{layer.name}.backward-data",
        K=layer.C,
        C=layer.K,
        rows=turned(layer.rows),
        cols=turned(layer.cols),
        widths=Widths(own.weights, own.outputs, own.inputs, own.psums),
    )


def backward_weight(layer: Conv) -> Conv:
    """The nest that makes d-weights: d-outputs are its weights (of a deconv its inputs)."""
    own, groups = layer.widths, layer.groups
    N, K, weights, inputs = layer.C // groups, layer.K, own.outputs, own.inputs
    if layer.rows.kind == "deconv":
        N, K, weights, inputs = layer.K // groups, layer.C, own.inputs, own.outputs
    return replace(
        layer,
        name=f"{layer.name}.backward-weight",
        N=N,
        K=K,
        C=layer.N * groups,
        rows=_as_filter(layer.rows),
        cols=_as_filter(layer.cols),
        widths=Widths(weights, inputs, own.weights, own.psums),
    )


def in_pass(network: Network, wanted: Pass) -> Network:
    """The network with the rows of one pass, or for `training` of all, backward last layer first.

    Backward rows are of conv, deconv, fc and matmul; a layer that depends on no parameter through
    its inputs, as the first, has no backward-data. Raises InputError for an unknown pass.
    """
    try:
        parse_choice(wanted, PASSES)
    except ValueError as error:
        raise InputError(f"pass: {error}") from None
    if wanted == "forward":
        return network
    trained = depends_on_parameters(network)
    nodes = list(network.nodes) if wanted == "training" else []
    for node in reversed(network.nodes):
        if not isinstance(node.layer, Conv) or not node.layer.has_weights:
            continue
        if wanted != "backward-weight" and any(trained[name] for name in node.inputs or ("",)):
            nodes.append(_node(node, backward_data(node.layer)))
        if wanted != "backward-data":
            nodes.append(_node(node, backward_weight(node.layer)))
    return replace(network, nodes=tuple(nodes))


def depends_on_parameters(network: Network) -> dict[str, bool]:
    """Whether each value has a gradient: whether any parameter is upstream of it.

    "" stands for the inputs of stand-alone layers, of which nothing is known: they have one.
    """
    found = {"input": False, "": True}
    for node in network.nodes:
        found[node.name] = bool(node.params) or any(found[name] for name in node.inputs)
    return found


def _node(node: Node, layer: Conv) -> Node:
    return replace(node, name=layer.name, layer=layer, params=0, macs=layer.macs)


def _exchanged(axis: Axis) -> Axis:
    """Inputs and outputs change places; a conv becomes a deconv, a deconv a conv."""
    kind = _kind(axis)
    return replace(
        axis, outputs=axis.inputs, inputs=axis.outputs, kind="deconv" if kind == "conv" else "conv"
    )


def _is_reversible(axis: Axis) -> bool:
    same = axis.kind == "conv" and axis.stride == 1 and axis.outputs == axis.inputs
    return same and axis.pad <= (axis.taps - 1) * axis.dilation


def _reversed(axis: Axis) -> Axis:
    return replace(axis, pad=(axis.taps - 1) * axis.dilation - axis.pad)


def _as_filter(axis: Axis) -> Axis:
    """Taps become outputs; the operand that lies stride apart becomes the filter."""
    far, near = axis.outputs, axis.inputs
    if _kind(axis) == "deconv":
        far, near = near, far
    return Axis(axis.taps, far, near, stride=axis.dilation, dilation=axis.stride, pad=axis.pad)


def _kind(axis: Axis) -> Literal["conv", "deconv"]:
    """Layers with weights have axes of these kinds alone."""
    assert axis.kind in ("conv", "deconv")
    return axis.kind
