"""Systolic cycles and SRAM accesses equal SCALE-Sim 3.0.0's when a layer runs as one tile.

`tests/data/systolic.csv`: its total is one cycle short, and counts folds·(rows + cols) writes of
outputs too many under `os`; it rounds output sizes up.
"""

from __future__ import annotations

import csv

import pytest
from cases import DATA

from accelsim.dataflow.schedule import Block
from accelsim.hardware.format import SystolicArray
from accelsim.timing.pe_array import Accesses, accesses, array_cycles, folds

ROWS = list(csv.DictReader((DATA / "systolic.csv").read_text().splitlines()))


def case(row: dict[str, str]) -> tuple[SystolicArray, Block]:
    """The array of a row, and its layer as one block."""
    H, W, R, S, C, K, stride, rows, cols = (
        int(row[key])
        for key in ("ifmap_h", "ifmap_w", "filt_h", "filt_w", "channels", "num_filt", "stride",
                    "array_h", "array_w")
    )  # fmt: skip
    P, Q = -(-(H - R) // stride) + 1, -(-(W - S) // stride) + 1
    pe = SystolicArray.model_construct(
        kind="systolic", rows=rows, cols=cols, dataflow=row["dataflow"], overlap_folds=False
    )
    return pe, Block(1, K, C, P, Q, R, S)


def test_every_dataflow_and_many_arrays_are_among_the_rows():
    assert len(ROWS) == 308
    assert {row["dataflow"] for row in ROWS} == {"os", "ws", "is"}
    assert len({(row["array_h"], row["array_w"]) for row in ROWS}) >= 11


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_cycles(dataflow):
    for row in (row for row in ROWS if row["dataflow"] == dataflow):
        cycles = int(row["total_cycles"]) + 1 - int(row["stall_cycles"])
        assert array_cycles(*case(row)) == cycles, row


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_sram_accesses(dataflow):
    for row in (row for row in ROWS if row["dataflow"] == dataflow):
        pe, block = case(row)
        outputs = int(row["sram_ofmap_writes"])
        if dataflow == "os":
            outputs -= folds(pe, block) * (pe.rows + pe.cols)
        found = accesses(pe, block)
        psums = outputs - block.K * block.P * block.Q
        assert found == Accesses(
            int(row["sram_filter_reads"]), int(row["sram_ifmap_reads"]), outputs, psums
        ), row
