"""YAML text into strict models: what is read, what is refused, where the fault is."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BeforeValidator

from accelsim import spec
from accelsim.units import parse_bytes, parse_truth, parse_whole


class Memory(spec.Model):
    sram: Annotated[int, BeforeValidator(parse_bytes)]
    banks: Annotated[int, BeforeValidator(lambda value: parse_whole(value, 1, 64))] = 1
    shared: Annotated[bool, BeforeValidator(parse_truth)] = False


class Chip(spec.Model):
    name: str
    memories: Annotated[tuple[Memory, ...], BeforeValidator(tuple)] = ()


def load(tmp_path: Path, text: str) -> Chip:
    path = tmp_path / "chip.yaml"
    path.write_text(text, "utf-8")
    return spec.parse(spec.read(path), Chip)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(spec.InputError) as error:
        load(tmp_path, text)
    return str(error.value).removeprefix(f"{tmp_path / 'chip.yaml'}:")


def test_the_field_decides_what_a_text_means(tmp_path: Path) -> None:
    chip = load(tmp_path, "name: no\nmemories: [{sram: 108 KiB, banks: '4', shared: true}]\n")
    assert chip.name == "no"
    assert chip.memories[0] == Memory.model_validate(
        {"sram": "110592", "banks": "4", "shared": "true"}
    )
    assert load(tmp_path, "name: 1e9").name == "1e9"
    assert load(tmp_path, "name: 2020-01-01").name == "2020-01-01"


def test_models_are_frozen(tmp_path: Path) -> None:
    chip = load(tmp_path, "name: a")
    with pytest.raises(ValueError, match="frozen"):
        chip.name = "b"


def test_faults_point_at_line_and_column(tmp_path: Path) -> None:
    text = "name: a\nmemories:\n  - sram: 1MiB\n  - sram: 64KB\n"
    expected = "`64KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"
    assert refused(tmp_path, text) == f"4:5: memories[1].sram: {expected}"
    assert refused(tmp_path, "memories: []\n").startswith("1:1: name is missing; ")
    assert refused(tmp_path, "name: a\nnmae: b\n") == "2:1: nmae: unknown key; did you mean `name`"


def test_document_knows_its_hash_and_places(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a:\n  b: [x, {name: n, c: 1}]\n")
    document = spec.read(path)
    assert document.data == {"a": {"b": ["x", {"name": "n", "c": "1"}]}}
    assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(document.fault(("a", "b", 1, "c"), "odd; mend it")).endswith(
        "a.yaml:2:20: a.b[n].c: odd; mend it"
    )
    # what is not there is shown at its nearest parent
    assert str(document.fault(("a", "b", 1, "d"), "odd")).endswith("a.yaml:2:10: a.b[n].d: odd")
    assert str(document.fault((), "odd")).endswith("a.yaml:1:1: odd")


def test_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert spec.read(path).data == {"a": "1", "b": "2"}
    path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\xff")
    with pytest.raises(spec.InputError, match=r"a.yaml:1:5: byte 0xff is not UTF-8"):
        spec.read(path)


@pytest.mark.parametrize("depth", [60, 64])
def test_nesting_to_the_limit_is_read(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("[" * depth + "]" * depth)
    assert spec.read(path).data is not None


@pytest.mark.parametrize("text", ["[" * 65 + "]" * 65, "- " * 65 + "a", "[" * 10**6, "{" * 10**6])
def test_nesting_beyond_the_limit_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(spec.InputError, match="nested deeper than 64 levels"):
        spec.read(path)


def test_shipped_names(tmp_path: Path) -> None:
    names = spec.shipped_names("networks")
    assert "vgg16" in names
    assert spec.find_shipped("networks", "vgg16").is_file()
    assert spec.find_shipped("networks", "googlenet").name == "googlenet_2014.yaml"
    assert spec.find_shipped("networks", "a/vgg16") == Path("a/vgg16")
    assert spec.find_shipped("networks", "vgg16.yaml") == Path("vgg16.yaml")
    with pytest.raises(spec.InputError, match="did you mean resnet50"):
        spec.find_shipped("networks", "resnet-50")


def test_shipped_files_are_found_from_anywhere(tmp_path: Path) -> None:
    root = Path(spec.__file__).parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from accelsim import spec; "
        "print(spec.find_shipped('networks', 'vgg16').is_file())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_messages_are_printable() -> None:
    assert str(spec.InputError("a\nb\x1b[0m\udcff é")) == "a\\nb\\x1b[0m\\udcff é"


def test_large_files_are_read_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a:\n" + "- {name: x, op: conv, K: 64, R: 3, S: 3}\n" * 20_000)
    start = time.process_time()
    assert len(spec.read(path).data["a"]) == 20_000
    assert time.process_time() - start < 3
