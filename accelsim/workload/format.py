"""The network file, key by key: one small model per operator, every field with its bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from accelsim.spec import Model
from accelsim.units import describe, parse_choice, parse_truth, parse_whole, quote

MAX_EXTENT = 2**20
MAX_WORDS = 2**40
MAX_BITS = 64
ACTS = ("relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "mish", "sigmoid",
        "hardsigmoid", "tanh", "hardtanh", "hardswish")  # fmt: skip
NORMS = ("batch", "layer", "instance", "group")
POOLS = ("max", "avg")
UPSAMPLES = ("nearest", "bilinear", "unpool")
_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,100}")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{describe(value)} is given; write one name")
    if not _NAME.fullmatch(value):
        raise ValueError(f"{quote(value)} is not a name; use up to 100 letters, digits, _ . - /")
    return value


def _layer_name(value: Any) -> str:
    if value == "input":
        raise ValueError("`input` names the network's input; give the layer another name")
    return _name(value)


def _producers(value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and value:
        return tuple(_name(item) for item in value)
    if isinstance(value, str):
        return (_name(value),)
    raise ValueError(f"{describe(value)} is given; write a layer's name or [name, name]")


def _pair(value: Any, low: int = 1) -> tuple[int, int]:
    if isinstance(value, str):
        both = parse_whole(value, low, MAX_EXTENT)
        return both, both
    if isinstance(value, list) and len(value) == 2:
        rows, cols = (parse_whole(item, low, MAX_EXTENT) for item in value)
        return rows, cols
    raise ValueError(f"{describe(value)} is given; write one whole number or [rows, columns]")


def _pads(value: Any) -> tuple[int, int, int, int]:
    """Top, bottom, left, right."""
    if isinstance(value, list) and len(value) == 4:
        top, bottom, left, right = (parse_whole(item, 0, MAX_EXTENT) for item in value)
        return top, bottom, left, right
    if isinstance(value, str) or (isinstance(value, list) and len(value) == 2):
        rows, cols = _pair(value, 0)
        return rows, rows, cols, cols
    right_form = "one whole number, [rows, columns] or [top, bottom, left, right]"
    raise ValueError(f"{describe(value)} is given; write {right_form}")


def _size(value: Any) -> tuple[int, int] | str:
    if isinstance(value, str) and value and not value[0].isdigit() and value[0] not in "+-":
        return _name(value)
    if isinstance(value, str | list):
        return _pair(value)
    raise ValueError(f"{describe(value)} is given; write a size, [rows, columns] or a layer's name")


def _shape(value: Any) -> tuple[int, int, int]:
    if isinstance(value, list) and len(value) == 3:
        channels, rows, cols = (parse_whole(item, 1, MAX_WORDS) for item in value)
        return channels, rows, cols
    raise ValueError(f"{describe(value)} is given; write [C, H, W]")


def _bits(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    bits = str(parse_whole(value, 1, MAX_BITS))
    return {operand: bits for operand in BitWidths.model_fields}


def _layer_list(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list) and value:
        return tuple(value)
    raise ValueError(
        f"{describe(value)} is given; write at least one layer, `- {{name: ..., op: ...}}`"
    )


def one_of(known: tuple[str, ...]) -> Any:
    """The validator of a field that holds one of these words."""
    return BeforeValidator(lambda value: parse_choice(value, known))


def json_form(*forms: Any) -> WithJsonSchema:
    """What the JSON Schema says of a field: one of these forms."""
    return WithJsonSchema({"anyOf": list(forms)} if len(forms) > 1 else forms[0])


def _json_list(length: int, low: int, high: int = MAX_EXTENT) -> dict[str, Any]:
    item = {"type": "integer", "minimum": low, "maximum": high}
    return {"type": "array", "items": item, "minItems": length, "maxItems": length}


_POSITIVE = {"type": "integer", "minimum": 1, "maximum": MAX_EXTENT}
_NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1}

Extent = Annotated[
    int, BeforeValidator(lambda v: parse_whole(v, 1, MAX_EXTENT)), json_form(_POSITIVE)
]
Channels = Annotated[
    int,
    BeforeValidator(lambda v: parse_whole(v, 1, MAX_WORDS)),
    json_form({**_POSITIVE, "maximum": MAX_WORDS}),
]
Bits = Annotated[
    int,
    BeforeValidator(lambda v: parse_whole(v, 1, MAX_BITS)),
    json_form({**_POSITIVE, "maximum": MAX_BITS}),
]
Truth = Annotated[bool, BeforeValidator(parse_truth)]
Pair = Annotated[tuple[int, int], BeforeValidator(_pair), json_form(_POSITIVE, _json_list(2, 1))]
PairFromZero = Annotated[
    tuple[int, int],
    BeforeValidator(lambda v: _pair(v, 0)),
    json_form({**_POSITIVE, "minimum": 0}, _json_list(2, 0)),
]
Pads = Annotated[
    tuple[int, int, int, int],
    BeforeValidator(_pads),
    json_form({**_POSITIVE, "minimum": 0}, _json_list(2, 0), _json_list(4, 0)),
]
Size = Annotated[
    tuple[int, int] | str,
    BeforeValidator(_size),
    json_form(_POSITIVE, {"type": "string"}, _json_list(2, 1)),
]
Shape = Annotated[
    tuple[int, int, int], BeforeValidator(_shape), json_form(_json_list(3, 1, MAX_WORDS))
]
Producers = Annotated[
    tuple[str, ...], BeforeValidator(_producers), json_form({"type": "string"}, _NAMES)
]
Act = Annotated[str, one_of(ACTS), json_form({"enum": list(ACTS)})]
Norm = Annotated[str, one_of(NORMS), json_form({"enum": list(NORMS)})]
Pooling = Annotated[str, one_of(POOLS), json_form({"enum": list(POOLS)})]
Upsampling = Annotated[str, one_of(UPSAMPLES), json_form({"enum": list(UPSAMPLES)})]
Name = Annotated[str, BeforeValidator(_name)]
Text = Annotated[str, BeforeValidator(lambda v: v if isinstance(v, str) else _refuse_text(v))]


def _refuse_text(value: Any) -> str:
    raise ValueError(f"{describe(value)} is given; write a text, in quotes if it has a colon")


class BitWidths(Model):
    """Bits of a word of each operand; one that is left out comes from the next level."""

    weights: Bits | None = None
    inputs: Bits | None = None
    outputs: Bits | None = None
    psums: Bits | None = None


_BITS = {**_POSITIVE, "maximum": MAX_BITS}
_OPERAND_BITS = {
    "type": "object",
    "properties": dict.fromkeys(BitWidths.model_fields, _BITS),
    "additionalProperties": False,
}
AnyBits = Annotated[BitWidths | None, BeforeValidator(_bits), json_form(_BITS, _OPERAND_BITS)]


class Input(Model):
    """The network's input tensor."""

    N: Extent = 1
    C: Extent
    H: Extent
    W: Extent


class Layer(Model):
    """What every layer may have; N C H W P Q size a stand-alone layer, elsewhere are checked."""

    name: Annotated[str, BeforeValidator(_layer_name)]
    op: str
    from_: Producers | None = Field(None, alias="from")
    bits: AnyBits = None
    N: Extent | None = None
    C: Channels | None = None
    H: Extent | None = None
    W: Extent | None = None
    P: Extent | None = None
    Q: Extent | None = None


class Weighted(Layer):
    """A layer with weights; `norm` and `act` follow it as nodes of their own."""

    K: Extent
    bias: Truth | None = None
    norm: Norm | None = None
    act: Act | None = None


class ConvLayer(Weighted):
    """Convolution; depthwise has `groups` = C."""

    op: Literal["conv"]
    R: Extent
    S: Extent
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: Pads = (0, 0, 0, 0)
    groups: Extent = 1


class DeconvLayer(Weighted):
    """Transposed convolution."""

    op: Literal["deconv"]
    R: Extent
    S: Extent
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad: Pads = (0, 0, 0, 0)
    groups: Extent = 1
    output_pad: PairFromZero = (0, 0)


class FcLayer(Weighted):
    """Fully connected, on all C·H·W words of its input."""

    op: Literal["fc"]


class MatmulLayer(Layer):
    """Matrix product: with a parameter matrix (one producer) or of two producers."""

    op: Literal["matmul"]
    K: Extent | None = None


class PoolLayer(Layer):
    """Pooling by windows, or to a given size with `out`."""

    op: Literal["pool"]
    kind: Pooling
    R: Extent | None = None
    S: Extent | None = None
    stride: Pair | None = None
    pad: Pads = (0, 0, 0, 0)
    ceil: Truth = False
    out: Pair | None = None


class GlobalPoolLayer(Layer):
    """Pooling of the whole picture to C x 1 x 1."""

    op: Literal["global_pool"]
    kind: Pooling = "avg"


class UpsampleLayer(Layer):
    """Resizing to `size` or by `scale`."""

    op: Literal["upsample"]
    size: Size | None = None
    scale: Pair | None = None
    kind: Upsampling = "nearest"


class LrnLayer(Layer):
    """Local response normalization over `size` channels."""

    op: Literal["lrn"]
    size: Extent = 5


class NormLayer(Layer):
    """Normalization with two parameters a channel."""

    op: Literal["norm"]
    kind: Norm = "batch"


class ActLayer(Layer):
    """Activation function."""

    op: Literal["act"]
    kind: Act = "relu"


class ReshapeLayer(Layer):
    """The same words as [C, H, W]."""

    op: Literal["reshape"]
    out: Shape


class ShuffleLayer(Layer):
    """Channel shuffle between groups."""

    op: Literal["shuffle"]
    groups: Extent


class PlainLayer(Layer):
    """An operator without parameters of its own."""

    op: Literal["add", "mul", "concat", "softmax", "dropout", "flatten", "identity"]


AnyLayer = Annotated[
    ConvLayer | DeconvLayer | FcLayer | MatmulLayer | PoolLayer | GlobalPoolLayer | UpsampleLayer
    | LrnLayer | NormLayer | ActLayer | ReshapeLayer | ShuffleLayer | PlainLayer,
    Field(discriminator="op"),
]  # fmt: skip


class NetworkFile(Model):
    """A network, or without `input` a list of stand-alone layers."""

    name: Name
    source: Text = ""
    input: Input | None = None
    bits: AnyBits = None
    layers: Annotated[tuple[AnyLayer, ...], BeforeValidator(_layer_list)]


def schema() -> dict[str, Any]:
    """The JSON Schema of the network file, for editors."""
    return json_schema(NetworkFile)


def json_schema(model: type[Model]) -> dict[str, Any]:
    """The JSON Schema of a file that holds this model."""
    found: dict[str, Any] = _without_null(model.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _without_null(value: Any) -> Any:
    """A key that is not given is left out of the file, never `null`."""
    if isinstance(value, list):
        return [_without_null(item) for item in value if item != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    kept = {k: _without_null(v) for k, v in value.items() if (k, v) != ("default", None)}
    return {**kept.pop("anyOf")[0], **kept} if len(kept.get("anyOf", "ab")) == 1 else kept
