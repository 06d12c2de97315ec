"""Replay of layers that only pass words through: one output word after another."""

from __future__ import annotations

import numpy as np

from accelsim.dataflow.schedule import Buffering
from accelsim.replay.engine import DoesNotFit, Replayed
from accelsim.workload.layer import Int64, Stream


def replay_stream(
    layer: Stream, capacity_bits: int | None = None, buffering: Buffering = "single"
) -> Replayed:
    """Pass every word through, output after output; raises DoesNotFit beyond the capacity."""
    first, last = _lives(layer)
    steps = layer.outputs_words
    ahead = late = 0
    if buffering == "prefetch":
        ahead = late = 1
    inputs = _covered(np.maximum(first - ahead, 0), last, steps)
    outputs = _covered(np.arange(steps), np.minimum(np.arange(steps) + late, steps - 1), steps)
    bits = inputs * layer.widths.inputs + outputs * layer.widths.outputs
    copies = 2 if buffering == "double" else 1
    at = int(bits.argmax())
    peak = int(bits[at]) * copies
    if capacity_bits is not None and peak > capacity_bits:
        raise DoesNotFit(peak, capacity_bits)
    return Replayed(
        peak_bits=peak,
        peak_words=(0, int(inputs[at]) * copies, int(outputs[at]) * copies),
        weights_read_words=0,
        inputs_read_words=len(first),
        psums_read_words=0,
        psums_write_words=0,
        outputs_write_words=steps,
        macs=0,
        blocks=steps,
        correct=bool((first <= last).all() and len(first) == layer.inputs_words),
        groups=1,
        all_groups=1,
    )


def _lives(layer: Stream) -> tuple[Int64, Int64]:
    """First and last output that each input word is there for."""
    outputs = np.arange(layer.outputs_words)
    if layer.op == "softmax":  # the whole row from its first output on; each word till its own
        row = layer.live_inputs
        return outputs // row * row, outputs
    if layer.op == "lrn":  # pixel by pixel, a window of channels around each output
        channel = outputs % layer.K
        before, after = layer.live_inputs // 2, (layer.live_inputs - 1) // 2
        first = outputs - np.minimum(channel, after)
        return first, outputs + np.minimum(layer.K - 1 - channel, before)
    if layer.op == "upsample":  # each input serves the outputs nearest to it
        inputs = np.arange(layer.inputs_words)
        share = layer.outputs_words / layer.inputs_words
        first = np.floor(inputs * share).astype(np.int64)
        return first, np.maximum(np.floor((inputs + 1) * share).astype(np.int64) - 1, first)
    # one word of each full operand per output; a broadcast operand whole, image by image
    held = layer.live_inputs - layer.fresh_inputs
    image = layer.outputs_words // layer.N
    start = np.repeat(np.arange(layer.N) * image, held)
    fresh = np.tile(outputs, layer.fresh_inputs)
    return np.concatenate([fresh, start]), np.concatenate([fresh, start + image - 1])


def _covered(first: Int64, last: Int64, steps: int) -> Int64:
    """How many of the lives cover each step."""
    change = np.bincount(first, minlength=steps + 1) - np.bincount(last + 1, minlength=steps + 1)
    return np.asarray(change[:steps].cumsum())
