"""What `run` reports replays: SRAM, traffic and result of small networks on every preset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelsim.cli import main
from accelsim.hardware.accelerator import load_accelerator
from accelsim.runs import run
from accelsim.spec import shipped_names
from accelsim.verify import verify_run

SMALL = """
name: small
input: {C: 3, H: 23, W: 19}
layers:
  - {name: first, op: conv, K: 12, R: 3, S: 3, pad: 1, stride: 2, norm: batch, act: relu}
  - {name: pool, op: pool, kind: max, R: 3, S: 3, stride: 2, pad: 1}
  - {name: depth, op: conv, K: 12, R: 3, S: 3, pad: 1, groups: 12}
  - {name: wide, op: conv, K: 20, R: 3, S: 3, pad: 2, dilation: 2}
  - {name: point, op: conv, K: 12, R: 1, S: 1, from: wide}
  - {name: sum, op: add, from: [point, depth]}
  - {name: up, op: deconv, K: 7, R: 4, S: 4, stride: 2, pad: 1}
  - {name: mean, op: global_pool}
  - {name: fc, op: fc, K: 30}
  - {name: soft, op: softmax}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.mark.parametrize("name", shipped_names("accelerators"))
def test_small_network(name, small):
    device = load_accelerator(name)
    little = 16 * 1024 if device.pe.kind == "row_stationary" else 900  # two banks beside weights
    for accelerator in (device, replace(device, sram_bytes=little)):
        found = verify_run(run(small, accelerator, batch=2))
        assert found.summary["replay_agrees"], [
            row for row in found.table if row["replay_agrees"] == "no"
        ]


def test_command(small, capsys):
    assert main(["run", str(small), "-a", "diannao", "--replay", "--format", "csv"]) == 0
    printed = capsys.readouterr()
    assert "Replayed: 10 of 10 rows ran exactly as said." in printed.err
    assert printed.out.count("yes") == 10


def test_a_row_that_says_too_little_is_found(small):
    found = run(small, "systolic_ws_32x32", layer="first")
    (own,) = found.runs
    weights, *others = own.choice.held_bits
    less = replace(own, choice=replace(own.choice, held_bits=(weights - 8, *others)))
    verified = verify_run(replace(found, runs=(less,)))
    assert not verified.summary["replay_agrees"]
    more = replace(own, choice=replace(own.choice, held_bits=(weights + 8, *others)))
    assert not verify_run(replace(found, runs=(more,))).summary["replay_agrees"]
