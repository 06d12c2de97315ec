"""Frontiers of the three passes: every point replays exactly, and none is below what must move."""

from __future__ import annotations

import pytest

from accelsim.frontiers import frontier
from accelsim.verify import verify_frontier

LAYERS = {
    "same": "C: 3, P: 6, Q: 5, K: 4, R: 3, S: 3, pad: 1",
    "strided": "C: 2, P: 4, Q: 4, K: 3, R: 3, S: 3, stride: 2, pad: 1",
    "dilated": "C: 2, P: 5, Q: 5, K: 2, R: 3, S: 2, dilation: 2",
    "depthwise": "C: 3, P: 5, Q: 4, K: 3, R: 3, S: 3, pad: 1, groups: 3",
}


@pytest.mark.parametrize("which", ["backward-data", "backward-weight"])
@pytest.mark.parametrize("name", LAYERS)
def test_points(name, which, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(f"name: net\nlayers:\n  - {{name: {name}, op: conv, N: 2, {LAYERS[name]}}}\n")
    found = verify_frontier(frontier(path, pass_=which))
    assert found.summary["replay_agrees"] and len(found.table) > 3
    traffic = [row["dram_bytes"] for row in found.table]
    assert traffic == sorted(set(traffic), reverse=True)
    assert found.table[-1]["dram_x"] == 1.0
    assert all(row["dram_words"] >= row["bound_words"] for row in found.table)
