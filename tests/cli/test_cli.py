"""The command line: what each command prints where, its exit code, what it imports."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import accelsim
from accelsim.cli import COMMANDS, main
from accelsim.spec import shipped_names

COLUMNS = (
    "network layer op macs weights_words inputs_words outputs_words min_sram_words min_sram_bytes "
    "resident order weights_resident_words inputs_resident_words outputs_resident_words "
    "tile_sram_words bound_words gap_x"
).split()
SUMMARY = "min_sram_words min_sram_bytes limiting_layer compulsory_words compulsory_bytes".split()
FAMILIES = [f"min_sram_{stays}_resident_bytes" for stays in ("weights", "inputs", "outputs")]
SMALL = """\
name: small
input: {C: 2, H: 6, W: 6}
layers:
  - {name: first, op: conv, K: 3, R: 3, S: 3, act: relu}
  - {name: half, op: pool, kind: max, R: 2, S: 2}
  - {name: second, op: conv, K: 4, R: 2, S: 2}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    return "small.yaml"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    found = capsys.readouterr()
    return code, found.out, found.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which a command is refused."""
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err.rstrip("\n")


def test_alone_it_helps(capsys):
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert all(f"  {command} " in out for command in COMMANDS)
    assert run(capsys, "--help") == (0, out, "")
    assert run(capsys, "--version") == (0, f"accelsim {accelsim.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(command, capsys):
    code, out, err = run(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: accelsim {command}")


def test_table_names_the_limiting_layer_and_who_set_the_widths(capsys):
    code, out, err = run(capsys, "min-sram", "vgg16")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if " <- " in line] == ["conv3_2"]
    assert "vgg16 needs 604.5 KiB (619,008 bytes)" in out
    assert "8 bits a word, psums too, as nothing sets them" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) > 120  # nothing is cut where no terminal is


def test_widths_that_were_given_are_said(capsys):
    out = run(capsys, "min-sram", "vgg16", "--bits", "16", "--layer", "conv1_1")[1]
    assert "16 bits a word." in out
    out = run(capsys, "min-sram", "vgg16", "--psum-bits", "32", "--layer", "conv1_1")[1]
    assert "weights 8, inputs 8, outputs 8, psums 32, 8 where nothing sets them" in out


def test_several_networks_have_a_row_each(capsys):
    code, out, _ = run(capsys, "min-sram", "vgg16", "alexnet")
    assert code == 0
    rows = [line.split() for line in out.splitlines()[2:4]]
    assert [row[0] for row in rows] == ["vgg16", "alexnet"]
    assert "<-" in rows[0] and "<-" not in rows[1]


def test_csv_and_json_have_the_same_columns(capsys):
    code, out, err = run(capsys, "min-sram", "vgg16", "--format", "csv")
    assert code == 0
    assert err.startswith("Counted with convention exact")
    rows = list(csv.DictReader(io.StringIO(out)))
    code, out, err = run(capsys, "min-sram", "vgg16", "--format", "json")
    found = json.loads(out)
    assert [{name: str(value) for name, value in row.items()} for row in found["rows"]] == rows
    assert [name for name in rows[0] if name in COLUMNS] == COLUMNS
    assert set(SUMMARY) | {f"conv_fc_{name}" for name in SUMMARY} <= set(found["summary"])
    meta = found["meta"]
    assert (meta["version"], meta["command"]) == (accelsim.__version__, "min-sram")
    assert (meta["convention"], meta["buffering"]) == ("exact", "single")
    assert all(len(sha256) == 64 for sha256 in meta["inputs"].values())
    assert found["summary"]["min_sram_words"] == 619_008


def test_options_reach_the_answer(small, capsys):
    def need(*options: str) -> int:
        out = run(capsys, "min-sram", small, "--format", "json", *options)[1]
        return int(json.loads(out)["summary"]["min_sram_bytes"])

    alone = need()
    assert need("--buffering", "double") == 2 * alone
    assert need("--bits", "16") == 2 * alone
    assert need("--resident", "outputs") == alone < need("--resident", "weights")
    assert need("--block", "K=3,C=2") > alone
    assert need("--resident", "inputs", "--batch", "4") > need("--resident", "inputs")
    assert need("--input", "2x12x12") > alone
    assert need("--layer", "sec*") == need("--layer", "second") < need("--layer", "first")
    assert need("--layer", "second", "--layer", "first") == alone


def test_families_are_three_more_columns(small, capsys):
    out = run(capsys, "min-sram", small, "--families", "--format", "json")[1]
    for row in json.loads(out)["rows"]:
        assert min(row[name] for name in FAMILIES) == row["min_sram_bytes"]


def test_at_most(small, capsys):
    """71 words by hand: 48 outputs stay, a band of 3·6 + 4 inputs of one channel, a weight."""
    code, whole, _ = run(capsys, "min-sram", small, "--at-most", "1KiB")
    assert code == 0
    code, out, err = run(capsys, "min-sram", small, "--at-most", "64B")
    assert (code, out) == (3, whole)
    assert err == (
        "accelsim min-sram: small needs 71 B (71 bytes) because of layer first, "
        "more than 64 B (64 bytes)\n"
    )


def test_output_file_is_whole_or_as_it_was(small, tmp_path, capsys):
    assert run(capsys, "min-sram", small, "-o", "found.csv")[:2] == (0, "")
    text = Path("found.csv").read_text()
    assert text.startswith("network,layer,op,")
    Path("link.csv").symlink_to("found.csv")
    assert run(capsys, "min-sram", small, "--bits", "16", "-o", "link.csv")[0] == 0
    assert Path("link.csv").is_symlink()
    assert Path("found.csv").read_text() != text
    assert refused(capsys, "min-sram", small, "-o", ".").startswith(".: cannot be written: ")
    line = refused(capsys, "min-sram", small, "-o", "no/such.csv")
    assert line.startswith("no/such.csv: cannot be written: No such file or directory; ")
    assert sorted(os.listdir()) == ["found.csv", "link.csv", "small.yaml"]


def test_explain(small, capsys):
    code, out, err = run(capsys, "explain", small, "first")
    assert (code, err) == (0, "")
    assert "for p in 4:" in out and "weight[k,c,r,s]" in out and "proven least" in out
    found = json.loads(run(capsys, "explain", small, "first", "--format", "json")[1])
    assert found["meta"]["command"] == "explain"
    assert [row["operand"] for row in found["rows"]] == ["weights", "inputs", "psums"]
    assert set(found["summary"]["families"]) == {"weights", "inputs", "outputs"}
    assert refused(capsys, "explain", small, "frist") == (
        "small.yaml: no layer `frist` with a row; did you mean `first`"
    )
    assert "stands for 2 layers" in refused(capsys, "explain", small, "*s*")


@pytest.mark.parametrize("saved", ["found.json", "found.csv"])
def test_plot(saved, small, capsys):
    run(capsys, "min-sram", small, "--families", "-o", saved)
    assert run(capsys, "plot", saved) == (0, "", "wrote found.png\n")
    assert Path("found.png").read_bytes().startswith(b"\x89PNG")
    for ending, start in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert run(capsys, "plot", saved, "-o", f"it.{ending}")[0] == 0
        first = Path(f"it.{ending}").read_bytes()
        assert first.startswith(start)
        run(capsys, "plot", saved, "-o", f"it.{ending}")
        assert Path(f"it.{ending}").read_bytes() == first  # the same result, the same file
    run(capsys, "min-sram", small, "-o", saved)
    assert "--families" in run(capsys, "plot", saved)[2]


def test_plot_refuses(small, capsys):
    run(capsys, "min-sram", small, "-o", "found.json")
    Path("list.json").write_text('{"rows": [1]}')
    Path("cut.json").write_text('{"rows": ')
    Path("empty.csv").write_text("")
    run(capsys, "list", "-o", "list.csv")
    assert "a picture ends in .png, .svg, .pdf" in refused(
        capsys, "plot", "found.json", "-o", "it.bmp"
    )
    assert refused(capsys, "plot", "gone.json").startswith("gone.json: cannot be read: No such")
    for name in ("list.json", "empty.csv", "small.yaml"):
        assert refused(capsys, "plot", name).startswith(f"{name}: has no rows of equal columns; ")
    assert refused(capsys, "plot", "cut.json").startswith("cut.json: is not JSON: ")
    assert refused(capsys, "plot", "list.csv").startswith("list.csv: no column layer; ")


def test_check(small, capsys):
    code, out, err = run(capsys, "check", small)
    assert (code, err) == (0, "")
    assert out.startswith("small.yaml: network small, 3 layers, ")
    Path("wrong.yaml").write_text(SMALL.replace("K: 3", "K: 0"))
    code, out, err = run(capsys, "check", "wrong.yaml", small)
    assert (code, out.count("\n"), err.count("\n")) == (2, 1, 1)
    assert err.startswith("wrong.yaml:4:29: layers[first].K: ")


def test_list_and_schema(capsys):
    code, out, err = run(capsys, "list", "--format", "csv")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert tuple(row["network"] for row in rows) == shipped_names("networks")
    assert run(capsys, "list")[1].count("\n") == len(rows) + 3
    assert json.loads(run(capsys, "schema")[1])["properties"]["layers"]


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("min-sram vgg16 --fromat csv", "unknown option --fromat; did you mean --format"),
        ("min-sram vgg16 --bit=8", "unknown option --bit; did you mean --bits"),
        ("min-sram", "name networks, or --all"),
        ("min-sram vgg16 --format xml", "--format: `xml` is not known; known are csv, json, table"),
        ("min-sram vgg16 --batch 0", "--batch: `0` is too small; 1 to 1048576 are allowed"),
        ("min-sram vgg16 --batch", "--batch: expected one argument"),
        ("min-sram vgg16 --at-most 64KB",
         "--at-most: `64KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"),
        ("min-sram vgg16 --block K=16,X=2",
         "--block: `X=2` is not DIM=EXTENT with one of N K C P Q R S; "
         "write for instance K=16,C=16"),
        ("min-sram vgg16 --block K=1,K=2", "--block: K is given twice; keep one"),
        ("min-sram vgg16 --block K=-1",
         "--block: K: `-1` is negative; 1 to 1048576 are allowed"),
        ("min-sram vgg16 --input 3x9",
         "--input: `3x9` is not CxHxW; write for instance 3x1080x1920"),
        ("min-sram vgg16 --resident weight",
         "--resident: `weight` is not known; did you mean `weights`"),
        ("explain vgg16 conv1_1 conv1_2",
         "unexpected `conv1_2`; usage: accelsim explain NET LAYER [options]"),
    ],
)  # fmt: skip
def test_wrong_options(line, right, capsys):
    assert refused(capsys, *line.split()) == f"accelsim {line.split()[0]}: {right}"


def test_wrong_commands(capsys):
    assert refused(capsys, "min-sarm") == (
        "accelsim: unknown command `min-sarm`; did you mean min-sram"
    )
    assert refused(capsys, "--verison") == (
        "accelsim: unknown option `--verison`; did you mean --version"
    )
    assert "is named `vgg16` like" in refused(capsys, "min-sram", "vgg16", "vgg16")


def test_our_bug_is_one_line(capsys, monkeypatch):
    def broken() -> None:
        raise KeyError("some\nthing")

    monkeypatch.setattr("accelsim.workload.format.schema", broken)
    monkeypatch.delenv("ACCELSIM_DEBUG", raising=False)
    code, out, err = run(capsys, "schema")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "our bug, please report it: KeyError" in err
    monkeypatch.setenv("ACCELSIM_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["schema"])


def test_ctrl_c(capsys, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("accelsim.workload.format.schema", interrupted)
    assert run(capsys, "schema") == (130, "", "accelsim: stopped\n")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    program = line.replace("accelsim", f"'{sys.executable}' -m accelsim")
    return subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )


def test_a_reader_that_has_enough_is_no_error():
    done = shell("set -o pipefail; accelsim schema | head -n 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")
    done = shell("accelsim min-sram alexnet --at-most 1B | true; exit ${PIPESTATUS[0]}")
    assert done.returncode in (0, 3)
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_is_said():
    done = shell("accelsim list > /dev/full")
    assert done.returncode == 2
    assert done.stderr == (
        "accelsim: stdout cannot be written: No space left on device; use -o FILE\n"
    )


def test_stdout_without_unicode():
    done = shell("PYTHONIOENCODING=ascii accelsim min-sram alexnet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "-----" in done.stdout


@pytest.mark.parametrize(
    "line", ["", "--help", "min-sram alexnet", "check networks/alexnet.yaml", "list"]
)
def test_light_commands_import_nothing_heavy(line):
    program = (
        "import sys; from accelsim.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'numba', 'matplotlib', 'matplotlib.pyplot', 'rich'} & sys.modules.keys(); "
        "sys.exit(code or f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *line.split()],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_package_is_cheap_and_its_names_are_there():
    program = (
        "import sys, accelsim; print(sorted({'numpy', 'yaml', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
    assert all(hasattr(accelsim, name) for name in accelsim.__all__)
    assert set(accelsim.__all__) <= set(dir(accelsim))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = accelsim.nothing
