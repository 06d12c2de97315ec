"""Coded words: the formulas against data that are really encoded, what `run` makes of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelsim.cli import main
from accelsim.hardware.compression import bitmap_bits, coded_bits, rlc_bits
from accelsim.runs import run
from accelsim.spec import InputError

WORDS = 100_000
DENSITIES = st.floats(0, 1)
WIDTHS = st.sampled_from((4, 8, 16, 32))


def random_words(density: float, bits: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    values = rng.integers(1, 2**bits, WORDS, dtype=np.uint64)
    return np.where(rng.random(WORDS) < density, values, 0)


def run_length_pairs(words: np.ndarray) -> list[tuple[int, int]]:
    """Zeros before a word, at most 31, and the word; a last run of zeros ends with a zero."""
    pairs, zeros = [], 0
    for word in words.tolist():
        if word == 0 and zeros < 31:
            zeros += 1
        else:
            pairs.append((zeros, word))
            zeros = 0
    if zeros:
        pairs.append((zeros - 1, 0))
    return pairs


def packets(pairs: list[tuple[int, int]], bits: int) -> list[int]:
    """64-bit packets: pairs of 5 + bits one after another, the last bit tells the end."""
    most, packed = 63 // (5 + bits), []
    for at in range(0, len(pairs), most):
        packet = 0
        for zeros, word in pairs[at : at + most]:
            packet = packet << (5 + bits) | zeros << bits | word
        packed.append(packet << 1 | (at + most >= len(pairs)))
    return packed


def unpacked(packed: list[int], count: int, bits: int) -> list[int]:
    """Words of run-length packets."""
    most, words = 63 // (5 + bits), []
    pair_mask = (1 << (5 + bits)) - 1
    for number, packet in enumerate(packed):
        left = count - number * most
        body = packet >> 1
        for at in range(min(most, left) - 1, -1, -1):
            pair = body >> at * (5 + bits) & pair_mask
            words += [0] * (pair >> bits) + [pair & ((1 << bits) - 1)]
    return words


@settings(max_examples=15, deadline=None)
@given(DENSITIES, WIDTHS)
def test_run_length_of_random_data(density, bits):
    words = random_words(density, bits)
    pairs = run_length_pairs(words)
    packed = packets(pairs, bits)
    assert max(packed) < 2**64
    assert unpacked(packed, len(pairs), bits) == words.tolist()
    assert rlc_bits(bits, density) == pytest.approx(64 * len(packed) / WORDS, rel=0.03, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(DENSITIES, WIDTHS)
def test_bitmap_of_random_data(density, bits):
    words = random_words(density, bits)
    encoded = len(words) + bits * np.count_nonzero(words)
    assert bitmap_bits(bits, density) == pytest.approx(encoded / WORDS, rel=0.02, abs=0.01)


def test_by_hand():
    """Eyeriss: three pairs of 5 + 16 bits and one bit in 64; all zeros are 32 a pair."""
    assert rlc_bits(16, 1) == pytest.approx(64 / 3)
    assert rlc_bits(16, 0) == pytest.approx(64 / 3 / 32)
    assert bitmap_bits(8, 0.25) == 3
    assert coded_bits(1.6, 8, None) == 5
    assert coded_bits("rlc", 8, None) == coded_bits("bitmap", 8, None) == 8
    with pytest.raises(ValueError, match="words of 59 bits do not fit a run-length packet"):
        rlc_bits(59, 0.5)


@given(DENSITIES, DENSITIES, WIDTHS)
def test_more_zeros_are_never_larger(one, other, bits):
    low, high = sorted((one, other))
    for bits_of in (rlc_bits, bitmap_bits):
        assert bits_of(bits, low) <= bits_of(bits, high) + 1e-9


ACCELERATOR = """
name: coded
pe: {kind: systolic, rows: 8, cols: 8, dataflow: os}
clock_hz: 1GHz
sram_bytes: 64KiB
dram: {peak_bytes_per_s: 1GB/s}
word_bits: 16
compression: {weights: 2, inputs: rlc, outputs: bitmap}
"""
DENSITY = "layers:\n  conv2: {inputs: 0.5, outputs: 0.25}\n"


@pytest.fixture
def files(tmp_path):
    accelerator, density = tmp_path / "coded.yaml", tmp_path / "density.yaml"
    accelerator.write_text(ACCELERATOR)
    density.write_text(DENSITY)
    return accelerator, density


def test_run_moves_coded_words(files):
    accelerator, density = files
    asked = {"layer": ["conv1", "conv2"], "objective": "traffic"}
    found = run("alexnet", accelerator, density=density, **asked)
    for row, bits in zip(found.table, ((8, 16, 16), (8, rlc_bits(16, 0.5), 5)), strict=True):
        parts = [math.ceil(256 * each) for each in bits]
        words = [row[f"{name}_words"] for name in ("weights_read", "inputs_read", "outputs_write")]
        weights, inputs, outputs = (
            -(-count * own // 2048) for count, own in zip(words, parts, strict=True)
        )
        assert row["psums_read_words"] == 0
        assert row["dram_read_bytes"] == weights + inputs
        assert row["dram_write_bytes"] == outputs
        assert row["dram_cycles"] >= weights + inputs + outputs
    assert str(density) in found.meta["inputs"]
    plain = run("alexnet", accelerator, **asked)
    assert plain.summary["total_cycles"] > found.summary["total_cycles"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("layers:\n  conv22: {inputs: 0.5}\n",
         "2:3: layers.conv22: no layer with a row is named so; did you mean `conv"),
        ("layers:\n  conv2: {input: 0.5}\n",
         "2:11: layers.conv2.input: unknown key; did you mean `inputs`"),
        ("layers:\n  conv2: {inputs: 50%}\n",
         "2:11: layers.conv2.inputs: `50%` is no share; write a number from 0 to 1"),
        ("densities: {}\n", "1:1: densities: unknown key; known are layers, name, source"),
    ],
)  # fmt: skip
def test_what_is_no_density_file_is_refused(files, text, says):
    accelerator, density = files
    density.write_text(text)
    with pytest.raises(InputError) as error:
        run("alexnet", accelerator, density=density)
    assert str(error.value).startswith(f"{density}:{says}")


def test_command(files, capsys):
    accelerator, density = files
    command = ["run", "alexnet", "-a", str(accelerator), "--layer", "conv2"]
    assert main([*command, "--density", str(density)]) == 0
    assert "weights stored at 1/2, inputs rlc, outputs bitmap" in capsys.readouterr().out
    assert main(command) == 0
    assert "no densities are given, so rlc and bitmap code nothing" in capsys.readouterr().out
    assert main([*command, "--density", "not_there.yaml"]) == 2
    assert "not_there.yaml: no such file" in capsys.readouterr().err
