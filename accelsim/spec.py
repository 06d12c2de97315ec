"""YAML files into strict models: every scalar stays text until its field's type says what it means.

A fault is one `InputError` whose text is one line,
`file:line:column: path.to.field: what is wrong; what would be right`.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from accelsim.units import describe, did_you_mean, format_bytes, quote, suggest

MAX_FILE_BYTES = 4 * 2**20
MAX_DEPTH = 64

Step = str | int
_ALIASES = {"networks": {"googlenet": "googlenet_2014"}}
_TAGS = {"op": "conv", "kind": "systolic"}  # what tells one model of a union from another
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_BRACKETS = re.compile(rf"(?:[\[{{][^\[\]{{}}]*){{{MAX_DEPTH}}}[\[{{]")


class InputError(ValueError):
    """A file or an option that cannot be used; its text is one line for the user."""

    def __init__(self, message: str) -> None:
        if not message.isprintable():
            message = "".join(
                c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
                for c in message
            )
        super().__init__(message)


class Model(BaseModel):
    """A mapping with a closed set of keys; unknown and missing ones are named."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"{describe(data)} is given; write a mapping, `key: value`")
        known, required = _keys(cls)
        if not data.keys() <= known:
            key = next(key for key in data if key not in known)
            wrong = f"unknown key; {suggest(key, known)}"
            raise PydanticCustomError("key", "{wrong}", {"wrong": wrong, "key": key})
        for key in required:
            if key not in data:
                raise ValueError(f"{key} is missing; required are {', '.join(required)}")
        return data


M = TypeVar("M", bound=BaseModel)


@cache
def _keys(model: type[BaseModel]) -> tuple[frozenset[str], tuple[str, ...]]:
    named = {field.alias or name: field for name, field in model.model_fields.items()}
    return frozenset(named), tuple(k for k, field in named.items() if field.is_required())


@dataclass(frozen=True)
class Document:
    """A YAML file as plain dicts, lists and texts; it knows where each of them stands."""

    path: str
    text: str
    sha256: str
    data: Any

    def fault(self, where: tuple[Step, ...], wrong: str) -> InputError:
        """The error that says what is wrong at this key path (its nearest parent that exists)."""
        node: Any = yaml.compose(self.text, Loader=_LOADER)
        mark = node.start_mark
        for step in where:
            if isinstance(node, yaml.MappingNode):
                pairs = {key.value: (key, value) for key, value in node.value}
                if step not in pairs:
                    break
                key, node = pairs[step]
                mark = key.start_mark
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                mark = node.start_mark
            else:
                break
        label = self._label(where)
        return _fault(self.path, mark, f"{label}: {wrong}" if label else wrong)

    def _label(self, where: tuple[Step, ...]) -> str:
        """`layers[conv1].stride`: list items go by their name where they have one."""
        data, label = self.data, ""
        for step in where:
            inside = isinstance(data, dict | list) and (isinstance(step, int) or step in data)
            data = data[step] if inside else None
            if isinstance(step, int):
                name = data.get("name") if isinstance(data, dict) else None
                label += f"[{name[:60] if isinstance(name, str) and name else step}]"
            else:
                label += f".{step[:60]}" if label else step[:60]
        return label


def read(path: str | Path) -> Document:
    """Read one YAML document of at most 4 MiB, nested at most 64 deep, without aliases or tags.

    Raises InputError for any fault of the file or its YAML.
    """
    name = str(path)
    raw = _bytes(name)
    if b"\0" in raw:
        raise InputError(f"{name}: is binary (a zero byte); a YAML text file is wanted")
    plain = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = plain.decode()
    except UnicodeDecodeError as error:
        before = plain[: error.start].decode()
        what = f"byte 0x{plain[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise InputError(f"{name}:{_line_column(before)}: {what}") from None
    odd = _UNPRINTABLE.search(text)
    if odd:
        what = f"control character {odd[0]!a}; remove it"
        raise InputError(f"{name}:{_line_column(text[: odd.start()])}: {what}")
    try:
        data = _build(name, text)
    except yaml.MarkedYAMLError as error:
        raise _syntax_fault(name, text, error) from None
    except yaml.YAMLError as error:
        raise InputError(f"{name}: is not YAML: {' '.join(str(error).split())}") from None
    return Document(name, text, hashlib.sha256(raw).hexdigest(), data)


def read_shipped(kind: str, name: str | Path | Document) -> Document:
    """The document of a shipped name or a file, see `find_shipped`; one that is read stays."""
    return name if isinstance(name, Document) else read(find_shipped(kind, str(name)))


def parse(document: Document, model: type[M]) -> M:
    """The document as this model; raises InputError for the first fault found."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    raise document.fault(*_translate(document.data, first))


def _bytes(path: str) -> bytes:
    if os.path.isdir(path):
        raise InputError(f"{path}: is a directory; name one YAML file")
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {_sibling(Path(path))}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}; name a readable file") from None
    if len(raw) > MAX_FILE_BYTES:
        limit = format_bytes(MAX_FILE_BYTES)
        raise InputError(f"{path}: is larger than {limit}; a network takes a few KiB")
    return raw


def _sibling(path: Path) -> str:
    try:
        names = sorted(p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    except OSError:
        return f"the folder {path.parent} is not there either"
    close = did_you_mean(path.name, names)
    return f"did you mean {path.parent / close}" if close else "`accelsim list` shows shipped ones"


def _build(name: str, text: str) -> Any:
    """Plain dicts, lists and texts from parser events: one pass, no recursion, no resolving."""
    loader = _LOADER(text)
    next_event = loader.get_event
    root: list[Any] = []
    stack: list[tuple[Any, bool, str | None]] = []
    here: Any = root
    mapping, key = False, None
    while True:
        event = next_event()
        kind = event.__class__
        value: Any
        if kind is yaml.ScalarEvent:
            value = event.value
        elif kind is yaml.MappingStartEvent:
            value = {}
        elif kind is yaml.SequenceStartEvent:
            value = []
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            here, mapping, key = stack.pop()
            continue
        elif kind is yaml.StreamEndEvent:
            break
        elif kind is yaml.AliasEvent:
            raise _fault(name, event.start_mark, "aliases are not read; write the values out")
        elif kind is yaml.DocumentStartEvent and root:
            raise _fault(name, event.start_mark, "a second document; one file holds one")
        else:
            continue
        if event.tag is not None or event.anchor is not None:
            raise _fault(name, event.start_mark, _decoration(event))
        if not mapping:
            here.append(value)
        elif key is None:
            if kind is not yaml.ScalarEvent:
                what = "a mapping" if kind is yaml.MappingStartEvent else "a list"
                raise _fault(name, event.start_mark, f"{what} as a key; write a word")
            if value in here:
                raise _fault(name, event.start_mark, f"{quote(value)} is repeated; keep one")
            key = value
            continue
        else:
            here[key] = value
            key = None
        if kind is not yaml.ScalarEvent:
            if len(stack) >= MAX_DEPTH:
                raise _too_deep(name, text, event.start_mark)
            stack.append((here, mapping, key))
            here, mapping, key = value, kind is yaml.MappingStartEvent, None
    if not root:
        raise InputError(f"{name}: is empty; a mapping is wanted, `key: value`")
    return root[0]


def _fault(name: str, mark: Any, wrong: str) -> InputError:
    return InputError(f"{name}:{mark.line + 1}:{mark.column + 1}: {wrong}")


def _too_deep(name: str, text: str, mark: Any) -> InputError:
    """Points at the bracket that is one too deep; libyaml looks ahead and may stop elsewhere."""
    wrong = f"nested deeper than {MAX_DEPTH} levels; a network file needs 4"
    brackets = _BRACKETS.search(text)
    if brackets is None:
        return _fault(name, mark, wrong)
    return InputError(f"{name}:{_line_column(text[: brackets.end() - 1])}: {wrong}")


def _line_column(before: str) -> str:
    """Where the character after this text stands, `line:column`."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def _decoration(event: Any) -> str:
    if event.tag is not None:
        tag = quote(event.tag.replace("tag:yaml.org,2002:", "!!"))
        return f"tag {tag}; tags are not read, remove it"
    return f"anchor {quote('&' + event.anchor)}; anchors are not read, write the values out"


def _syntax_fault(name: str, text: str, error: yaml.MarkedYAMLError) -> InputError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return InputError(f"{name}: is not YAML: {error.problem}")
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        return _fault(name, mark, "a tab; YAML is indented with spaces only")
    if "nesting depth" in str(error.problem):
        return _too_deep(name, text, mark)
    if "mapping values are not allowed" in str(error.problem):
        wrong = (
            "a colon where none can be; put a text with a colon in quotes, check the indentation"
        )
        return _fault(name, mark, wrong)
    context = f" {error.context}" if error.context else ""
    if error.context_mark and error.context_mark.line != mark.line:
        context += f" that starts on line {error.context_mark.line + 1}"
    wrong = f"is not YAML: {error.problem}{context}; check brackets, colons and indentation"
    return _fault(name, mark, wrong)


def _translate(data: Any, error: Any) -> tuple[tuple[Step, ...], str]:
    """Where one of pydantic's errors is and what is wrong, in our words."""
    where: list[Step] = []
    for step in error["loc"]:
        if isinstance(data, dict):
            if step not in data or step == data.get("op"):
                continue  # which model of a union is meant, which pydantic puts between
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
        else:
            break
        where.append(step)
    context = error.get("ctx", {})
    if error["type"] == "key":
        return (*where, context["key"]), context["wrong"]
    if "error" in context:
        return tuple(where), str(context["error"])
    if error["type"] == "union_tag_invalid":
        known = context["expected_tags"].replace("'", "").split(", ")
        wrong = f"{quote(context['tag'])} is not known; {suggest(context['tag'], known)}"
        return (*where, context["discriminator"].strip("'")), wrong
    if error["type"] == "union_tag_not_found" and isinstance(data, dict):
        key = context["discriminator"].strip("'")
        wrong = f"a list or mapping as {key}" if key in data else f"{key} is missing"
        return tuple(where), f"{wrong}; write for instance `{key}: {_TAGS[key]}`"
    if not isinstance(data, dict):
        return tuple(where), f"{describe(data)} is given; write a mapping, `key: value`"
    message = error["msg"]
    return tuple(where), f"{message}; `accelsim schema` shows what would be right"


def find_shipped(kind: str, name: str) -> Path:
    """The file a name stands for: a path if it has a slash or ends in .yaml, else a shipped file.

    `kind` is the folder, `networks` or `accelerators`. Raises InputError for an unknown bare name.
    """
    if "/" in name or os.sep in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    name = _ALIASES.get(kind, {}).get(name, name)
    known = shipped_names(kind)
    if name in known:
        return _folder(kind) / f"{name}.yaml"
    close = did_you_mean(name, known)
    right = f"did you mean {close}? " if close else ""
    if os.path.exists(name):
        right = f"did you mean ./{name}? "
    raise InputError(
        f"{name or quote(name)}: no shipped file of this name; {right}`accelsim list` shows all"
    )


def shipped_names(kind: str) -> tuple[str, ...]:
    """Sorted bare names of the files shipped under `networks` or `accelerators`."""
    return tuple(sorted(path.stem for path in _folder(kind).glob("*.yaml")))


def _folder(kind: str) -> Path:
    package = Path(__file__).parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / kind
