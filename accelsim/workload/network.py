"""A network: its layers as a DAG in file order, every shape, parameter and MAC known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelsim.fields import Change, with_fields
from accelsim.spec import Document, InputError, parse, read_shipped
from accelsim.units import did_you_mean, quote, suggest
from accelsim.workload.format import (
    MAX_EXTENT,
    MAX_WORDS,
    BitWidths,
    GlobalPoolLayer,
    Layer,
    NetworkFile,
    PoolLayer,
    UpsampleLayer,
    Weighted,
)
from accelsim.workload.layer import Conv, Stream
from accelsim.workload.shapes import (
    Inferred,
    Shape,
    ShapeError,
    dims,
    follow,
    infer,
    too_many_words,
)
from accelsim.workload.standalone import own_shapes
from accelsim.workload.widths import WidthChoice, whole_option

_WEIGHTED = ("conv", "deconv", "fc", "matmul")


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a network. Shapes are (N, C, H, W); `inputs` are names of nodes or `input`.

    `layer` is None where no words move (concat, flatten, ...). `fused` is True for a norm or act
    that only a conv, deconv, fc or matmul feeds and that alone consumes it: it has no row.
    `adaptive` is True for a pooling whose file says the size of its output, not of its window.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    in_shapes: tuple[Shape, ...]
    out_shape: Shape
    params: int
    macs: int
    layer: Conv | Stream | None
    fused: bool
    kind: str
    adaptive: bool = False


@dataclass(frozen=True)
class Network:
    """A network file with shapes; `nodes` are in file order, which is topological.

    `input_shape` is None for a file of stand-alone layers. `default_widths` says that some operand
    has its width from no one and counts 8 bits. `sha256` is the file's.
    """

    name: str
    source: str
    path: str
    sha256: str
    input_shape: Shape | None
    default_widths: bool
    nodes: tuple[Node, ...]

    @property
    def params(self) -> int:
        """Parameters, biases and norms included."""
        return sum(node.params for node in self.nodes)

    @property
    def macs(self) -> int:
        """Nominal MACs, whole batch."""
        return sum(node.macs for node in self.nodes)

    @property
    def layers(self) -> tuple[Node, ...]:
        """The nodes that move words on their own: a row of the results each."""
        return tuple(node for node in self.nodes if node.layer is not None and not node.fused)

    def layer(self, name: str) -> Node:
        """The node of this name; raises InputError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        right = suggest(name, (node.name for node in self.nodes), most=8)
        raise InputError(f"{self.path}: no layer {quote(name)}; {right}")


@dataclass(frozen=True, slots=True)
class _Link:
    """A node before its shapes: a layer of the file, or the norm or act of its shorthand."""

    index: int
    spec: Layer
    name: str
    op: str
    kind: str
    inputs: tuple[str, ...]
    size_of: str | None


def load_network(
    name_or_path: str | Path | Document,
    *,
    batch: int | None = None,
    input: tuple[int, int, int] | None = None,
    bits: int | Mapping[str, int] | None = None,
    psum_bits: int | None = None,
    word_bits: BitWidths | None = None,
    changes: Iterable[Change] = (),
) -> Network:
    """Load a network by its shipped name or its file.

    `batch` and `input` (C, H, W) replace the file's; `input` needs a fully convolutional network.
    `bits` (all operands, or some by name) and `psum_bits` come before the file's widths,
    `word_bits`, an accelerator's, after them. `changes` are fields by path with other values.
    Raises InputError, whose text is one line, for any fault of the file or the arguments.
    """
    document = with_fields(read_shipped("networks", name_or_path), changes)
    path = document.path
    file = parse(document, NetworkFile)
    if batch is not None:
        batch = whole_option("batch", batch, MAX_EXTENT)
    widths = WidthChoice(file.bits, bits, psum_bits, word_bits)
    links = _link(document, file)
    shape = None
    if file.input is not None:
        shape = (batch or file.input.N, file.input.C, file.input.H, file.input.W)
    nodes = _infer(document, links, shape, batch, widths, None)
    if input is not None:
        if shape is None:
            wrong = "stand-alone layers have sizes of their own; only a file with `input` resizes"
            raise InputError(f"{path}: {wrong}")
        if len(input) != 3:
            raise InputError(f"input: {len(input)} sizes are given; three are wanted, C, H, W")
        C, H, W = (whole_option("input", size, MAX_EXTENT) for size in input)
        shape = shape[0], C, H, W
        nodes = _infer(document, links, shape, batch, widths, nodes)
    return Network(file.name, file.source, path, document.sha256, shape, widths.default_used, nodes)


def check_file(path: str | Path) -> str:
    """One line on what a network file holds; raises InputError if it is wrong."""
    network = load_network(str(path) if "/" in str(path) else f"./{path}")
    counts = f"{network.params} parameters, {network.macs} MACs"
    return f"{path}: network {network.name}, {len(network.layers)} layers, {counts}"


def _link(document: Document, file: NetworkFile) -> list[_Link]:
    """The nodes with their producers: shorthand written out, every name looked up."""
    links: list[_Link] = []
    last = {"input": "input"}  # what a name in `from` stands for: the layer's last node
    taken: set[str] = set()
    above = "input"
    for index, layer in enumerate(file.layers):
        try:
            producers = _producers(layer, above, file.input is not None)
            inputs = tuple(_look_up(name, last, layer, file) for name in producers)
            size_of = None
            if isinstance(layer, UpsampleLayer) and isinstance(layer.size, str):
                size_of = _look_up(layer.size, last, layer, file, key="size")
        except ShapeError as error:
            raise _fault(document, index, error) from None
        chain: list[tuple[str, str, str, tuple[str, ...]]] = [
            (layer.name, layer.op, getattr(layer, "kind", ""), inputs)
        ]
        if isinstance(layer, Weighted):
            for op, kind in (("norm", layer.norm), ("act", layer.act)):
                if kind is not None:
                    chain.append((f"{layer.name}.{op}", op, kind, (chain[-1][0],)))
        for name, op, kind, producer in chain:
            if name in taken:
                wrong = f"{quote(name)} is the name of an earlier layer; give each its own"
                raise document.fault(("layers", index, "name"), wrong)
            taken.add(name)
            links.append(_Link(index, layer, name, op, kind, producer, size_of))
            last[name] = name
        last[layer.name] = above = chain[-1][0]
    return links


def _producers(layer: Layer, above: str, in_network: bool) -> tuple[str, ...]:
    named = layer.from_
    if not in_network:
        if named is not None:
            raise ShapeError(
                "from", "stand-alone layers have no producers; give the file an `input`"
            )
        if layer.op in ("concat", "reshape", "flatten", "shuffle", "dropout", "identity"):
            raise ShapeError("op", f"{layer.op} cannot stand alone; give the file an `input`")
        return ()
    if layer.op in ("add", "mul", "concat"):
        if named is None or len(named) < 2:
            raise ShapeError("from", f"{layer.op} takes two or more producers; write from: [a, b]")
        return named
    most = 2 if layer.op == "matmul" else 1
    if named is not None and len(named) > most:
        right = "two at most" if most == 2 else "one; join several by add, mul or concat"
        raise ShapeError("from", f"{len(named)} producers, {layer.op} takes {right}")
    return named or (above,)


def _look_up(
    name: str, last: dict[str, str], layer: Layer, file: NetworkFile, key: str = "from"
) -> str:
    if name in last:
        return last[name]
    if name == layer.name:
        raise ShapeError(key, f"{quote(name)} is this layer itself; name only layers above")
    if any(other.name == name for other in file.layers):
        raise ShapeError(key, f"{quote(name)} is below this layer; name only layers above")
    close = did_you_mean(name, last)
    right = f"did you mean `{close}`" if close else "name a layer above, or `input`"
    raise ShapeError(key, f"{quote(name)} is no layer; {right}")


def _fused(links: list[_Link]) -> set[str]:
    """Norms and acts that are the only consumer of a conv, deconv, fc, matmul or a fused one."""
    consumers = Counter(name for link in links for name in link.inputs)
    carriers = {link.name for link in links if link.op in _WEIGHTED}
    fused: set[str] = set()
    for link in links:
        if link.op in ("norm", "act") and link.inputs:
            producer = link.inputs[0]
            if consumers[producer] == 1 and (producer in carriers or producer in fused):
                fused.add(link.name)
    return fused


def _infer(
    document: Document,
    links: list[_Link],
    shape: Shape | None,
    batch: int | None,
    widths: WidthChoice,
    original: tuple[Node, ...] | None,
) -> tuple[Node, ...]:
    """Shapes for all nodes; `original` are the nodes at the file's own size when it is resized."""
    known: dict[str, Shape] = {}
    if shape is not None:
        known["input"] = shape
        if math.prod(shape) > MAX_WORDS:
            raise document.fault(("input",), too_many_words("input", shape))
    fused = _fused(links)
    nodes: list[Node] = []
    for position, link in enumerate(links):
        try:
            if link.inputs:
                shapes = [known[name] for name in link.inputs]
            else:
                shapes = own_shapes(link.spec, batch)
            if original is not None:
                _check_resizable(link, shapes, original[position])
            found = _infer_node(link, shapes, known, widths)
            if link.name == link.spec.name:
                _check_written(
                    link.spec, shapes, found.out, batch is not None, original is not None
                )
        except ShapeError as error:
            resized = f" (input resized to {dims(shape)})" if shape and original else ""
            raise _fault(document, link.index, error, resized) from None
        known[link.name] = found.out
        nodes.append(
            Node(
                link.name, link.op, link.inputs, tuple(shapes), found.out, found.params,
                found.layer.macs if found.layer else 0, found.layer, link.name in fused, link.kind,
                _adaptive(link.spec),
            )
        )  # fmt: skip
    return tuple(nodes)


def _adaptive(spec: Layer) -> bool:
    if isinstance(spec, PoolLayer):
        return spec.out is not None
    return isinstance(spec, GlobalPoolLayer)


def _infer_node(
    link: _Link, shapes: list[Shape], known: dict[str, Shape], widths: WidthChoice
) -> Inferred:
    bits = widths.of(link.spec.bits)
    if link.op in ("norm", "act"):
        return follow(link.name, link.op, link.kind, shapes[0], bits)
    if link.op in ("add", "mul") and link.inputs:
        # a producer named twice is read once
        shapes = list(dict(zip(link.inputs, shapes, strict=True)).values())
    return infer(link.spec, shapes, known.get(link.size_of or ""), bits)


def _check_written(
    spec: Layer, shapes: list[Shape], out: Shape, rebatched: bool, resized: bool
) -> None:
    """Sizes that the file writes although they follow must be the ones that follow."""
    N, C, H, W = out if len(shapes) > 1 else shapes[0]
    follows = {"C": math.prod((C, H, W)) if spec.op == "fc" else C}
    if not rebatched:
        follows["N"] = N
    if not resized:
        follows |= {"H": H, "W": W, "P": out[2], "Q": out[3]}
    for key, value in follows.items():
        written = getattr(spec, key)
        if written is not None and written != value:
            wrong = f"{key} {written} is written, {value} follows from the layers above"
            raise ShapeError(key, f"{wrong}; write {value} or leave it out")


def _check_resizable(link: _Link, shapes: list[Shape], original: Node) -> None:
    """A resize may not change how many words an fc or reshape takes, nor what broadcasts."""
    own, shape = original.in_shapes[0], shapes[0]
    if link.op in ("fc", "reshape") and math.prod(shape[1:]) != math.prod(own[1:]):
        wrong = f"takes {dims(own)} at the file's own size, gets {dims(shape)}"
        raise ShapeError("", f"{wrong}; only a fully convolutional network can be resized")
    if link.op in ("add", "mul") and len(set(original.in_shapes)) == 1 != len(set(shapes)):
        wrong = " and ".join(dict.fromkeys(map(dims, shapes)))
        right = "they are equal at the file's own size, keep its input channels"
        raise ShapeError("from", f"{wrong} do not fit together; {right}")


def _fault(document: Document, index: int, error: ShapeError, more: str = "") -> InputError:
    where: tuple[str | int, ...] = ("layers", index)
    return document.fault((*where, error.key) if error.key else where, f"{error}{more}")
