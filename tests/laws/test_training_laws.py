"""Laws of an iteration, on every shipped network and convention."""

from __future__ import annotations

import numpy as np
import pytest

from accelsim.spec import InputError, shipped_names
from accelsim.training.memory import CATEGORIES
from accelsim.training.saved import SAVED
from accelsim.trainings import train

NETWORKS = shipped_names("networks")


def trained(name, **options):
    try:
        return train(name, **options)
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("name", NETWORKS)
def test_laws(name, saved):
    found = trained(name, batch=2, saved=saved, optimizer="adam")
    memory = found.memory
    ops, tensors = memory.graph.ops, memory.graph.tensors
    there = {each.name for each in tensors.values() if each.kind in ("input", "parameters")}
    there |= {each.name for each in tensors.values() if each.kind in ("buffers", "optimizer")}
    for op in ops:
        assert there.issuperset(op.reads), f"{op.name} reads what is not there yet"
        there.update(op.writes)
    assert there == set(tensors)
    made = [name for op in ops for name in op.writes if tensors[name].kind == "gradients"]
    weights = [each.name for each in tensors.values() if each.kind == "parameters"]
    assert sorted(made) == sorted(f"d {each}" for each in weights)
    total = np.zeros(len(ops), np.int64)
    for each, life in memory.lives.items():
        total[life.birth : life.last + 1] += tensors[each].bytes
    assert total.tolist() == [row["live_bytes"] for row in found.table]
    for row in found.table:
        assert row["live_bytes"] == sum(row[f"{each}_bytes"] for each in CATEGORIES)
    final = found.table[-1]
    assert final["saved_bytes"] == final["transient_bytes"] == 0
    assert found.summary["structural_min_bytes"] <= found.summary["peak_bytes"] == total.max()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_ideal_keeps_least(name):
    kept = {saved: trained(name, saved=saved).summary["saved_bytes"] for saved in SAVED}
    assert kept["ideal"] <= min(kept["torch"], kept["vdnn"])


@pytest.mark.parametrize("name", ["resnet18", "googlenet_2014", "unet", "mobilenet_v3_small"])
def test_bytes_are_linear_in_the_batch(name):
    one, two, three = (trained(name, batch=batch).memory for batch in (1, 2, 3))
    steps = (two.total_bytes - one.total_bytes, three.total_bytes - two.total_bytes)
    assert steps[0].tolist() == steps[1].tolist()
    assert two.bytes_of("parameters") == one.bytes_of("parameters")
