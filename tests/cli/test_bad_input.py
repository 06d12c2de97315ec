"""Wrong files: one line that says where, what is wrong and what would be right; exit code 2."""

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accelsim.cli import main
from accelsim.spec import InputError
from accelsim.workload.network import load_network

BAD = Path(__file__).parent.parent / "data" / "bad"
MESSAGES = json.loads((BAD / "messages.json").read_text("utf-8"))


def refusal(path: str) -> str:
    """What the user reads about this file: one line on stderr, nothing on stdout, exit code 2."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert main(["min-sram", path]) == 2
    assert out.getvalue() == ""
    assert err.getvalue().endswith("\n")
    return err.getvalue().removesuffix("\n")


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_wrong_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    assert refusal(name) == MESSAGES[name]


def test_every_wrong_file_has_its_message() -> None:
    assert sorted(path.name for path in BAD.glob("*.yaml")) == sorted(MESSAGES)
    assert len(MESSAGES) >= 40
    assert all("\n" not in message for message in MESSAGES.values())


def test_files_that_cannot_be_kept_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("name: net\n")
    Path("folder.yaml").mkdir()
    with open("huge.yaml", "wb") as file:
        file.truncate(100 * 10**6)
    Path("large.yaml").write_text("# " + "x" * 2**22)
    assert refusal("nett.yaml") == "nett.yaml: no such file; did you mean net.yaml"
    assert refusal("a/b.yaml") == "a/b.yaml: no such file; the folder a is not there either"
    assert refusal("folder.yaml") == "folder.yaml: is a directory; name one YAML file"
    too_large = "is larger than 4 MiB; a network takes a few KiB"
    assert refusal("huge.yaml") == f"huge.yaml: {too_large}"
    assert refusal("large.yaml") == f"large.yaml: {too_large}"
    assert refusal("/dev/zero") == f"/dev/zero: {too_large}"
    assert refusal("two\nlines.yaml").startswith("two\\nlines.yaml: no such file; ")
    assert refusal("x" * 300 + ".yaml").endswith(
        ".yaml: cannot be read: File name too long; name a readable file"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.yaml").touch(mode=0)
    expected = "secret.yaml: cannot be read: Permission denied; name a readable file"
    assert refusal("secret.yaml") == expected


def test_unknown_bare_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    shows = "`accelsim list` shows all"
    assert refusal("vgg61") == f"vgg61: no shipped file of this name; did you mean vgg16? {shows}"
    assert refusal("qqqqqq") == f"qqqqqq: no shipped file of this name; {shows}"
    assert refusal("mine") == f"mine: no shipped file of this name; did you mean ./mine? {shows}"


VALID = """\
name: valid
source: "for the mutations below"
input: {N: 2, C: 3, H: 32, W: 32}
bits: {weights: 4, psums: 32}
layers:
  - {name: conv1, op: conv, K: 16, R: 3, S: 3, stride: [1, 2], pad: [1, 1, 0, 2], norm: batch}
  - {name: dw, op: conv, K: 16, R: 3, S: 3, pad: 1, groups: 16, bias: false, bits: 8}
  - {name: pool1, op: pool, kind: max, R: 3, S: 3, stride: 2, ceil: true}
  - {name: up, op: upsample, size: dw, kind: bilinear}
  - {name: sum, op: add, from: [dw, up]}
  - {name: gate, op: global_pool}
  - {name: scaled, op: mul, from: [sum, gate]}
  - {name: both, op: concat, from: [scaled, dw]}
  - {name: grow, op: deconv, K: 8, R: 2, S: 2, stride: 2, output_pad: 1, act: prelu}
  - {name: lrn1, op: lrn, size: 3}
  - {name: view, op: reshape, out: [8, 33, 65]}
  - {name: small, op: pool, kind: avg, out: [3, 4]}
  - {name: rows, op: matmul, K: 5}
  - {name: probabilities, op: softmax}
  - {name: flat, op: flatten}
  - {name: fc1, op: fc, K: 10, C: 60, act: sigmoid}
"""
SCALARS = [
    *("", "0", "-1", "1e9", "010", "no", "64", "conv", "relu", "[1, 2]", "{a: b}", "~", "*a"),
    *("&a x", "!!int 3", "999999999999", "1048576", "input", "'", '"', "#", "- - -"),
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """The valid file with a few lines, words, characters or bytes changed."""
    text = VALID
    for _ in range(draw(st.integers(1, 3))):
        lines = text.split("\n")
        row = draw(st.integers(0, len(lines) - 1))
        words = lines[row].replace(",", " ,").replace("}", " }").split(" ")
        at = draw(st.integers(0, len(words) - 1))
        column = draw(st.integers(0, len(lines[row])))
        match draw(st.sampled_from(["delete", "double", "swap", "replace", "drop", "insert"])):
            case "delete":
                del lines[row]
            case "double":
                lines.insert(row, lines[row])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[row], lines[other] = lines[other], lines[row]
            case "replace":
                words[at] = draw(st.sampled_from(SCALARS))
                lines[row] = " ".join(words)
            case "drop":
                del words[at]
                lines[row] = " ".join(words)
            case "insert":
                added = draw(st.text(max_size=3) | st.sampled_from(list("{}[]:,-?&*!|>'\"%@`#\t")))
                lines[row] = lines[row][:column] + added + lines[row][column:]
        text = "\n".join(lines) or "\n"
    raw = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        cut = draw(st.integers(0, len(raw)))
        raw = raw[:cut] + draw(st.binary(max_size=3)) + raw[cut:]
    return raw


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
@example(VALID.encode())
def test_any_mutation_loads_or_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_bytes(raw)
    try:
        load_network(path)
    except InputError as error:
        message = str(error)
        assert message.startswith(f"{path}:")
        assert message.isprintable()
        assert len(message) < 1000


def test_the_unmutated_file_loads(tmp_path: Path) -> None:
    path = tmp_path / "valid.yaml"
    path.write_text(VALID)
    assert load_network(path).nodes[-1].out_shape == (2, 10, 1, 1)
