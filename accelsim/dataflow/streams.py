"""What layers that only pass words through hold: element-wise ops, softmax, lrn, upsampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelsim.dataflow.liveness import Peak
from accelsim.dataflow.schedule import Buffering
from accelsim.workload.layer import Int64, Stream


def stream_peak(layer: Stream, buffering: Buffering = "single") -> Peak:
    """Return what a layer that only passes words through holds: one block is one output word.

    With `prefetch` the next output's new inputs are there too, and the last output leaves late.
    Live words repeat with the image, row or window, so the steps about its ends and middle tell.
    """
    steps = layer.outputs_words
    periods = {
        "softmax": layer.live_inputs,
        "lrn": layer.K,
        "upsample": steps // layer.inputs_words,
    }
    period = periods.get(layer.op, steps // layer.N)
    # a first step has no late output, a last one no next input, and an upsampled input may come
    # anew at each step or at each but the second; in the middle an lrn window is whole
    near = (0, 1, 2, period // 2 - 1, period // 2, period - 1)
    t = np.clip(near, 0, steps - 1)
    live, new = _stream_lives(layer)
    inputs, outputs = live(t), np.ones_like(t)
    if buffering == "prefetch":
        inputs = inputs + np.where(t + 1 < steps, new(t + 1), 0)
        outputs = outputs + (t > 0)
    at = (inputs * layer.widths.inputs + outputs * layer.widths.outputs).argmax()
    held = int(inputs[at]), int(outputs[at])
    bits = (0, held[0] * layer.widths.inputs, held[1] * layer.widths.outputs)
    found = Peak((0, *held), bits)
    return found.times(2) if buffering == "double" else found


def _stream_lives(layer: Stream) -> tuple[Callable[[Int64], Int64], Callable[[Int64], Int64]]:
    """Live inputs at a step, and inputs that are first used at a step, as functions of the step."""
    size = layer.live_inputs
    if layer.op == "softmax":  # a row is there from its first output on, each word until its own
        return lambda t: size - t % size, lambda t: np.where(t % size, 0, size)
    if layer.op == "lrn":  # a window of channels about each output, cut off at both ends
        K, before, after = layer.K, size // 2, (size - 1) // 2
        return (
            lambda t: np.minimum(t % K + after, K - 1) - np.maximum(t % K - before, 0) + 1,
            lambda t: np.where(t % K, t % K + after < K, min(after + 1, K)),
        )
    if layer.op == "upsample":  # an input serves the outputs next to it
        words, outputs = layer.inputs_words, layer.outputs_words
        return np.ones_like, lambda t: -t * words // outputs - -(t + 1) * words // outputs
    held, image = size - layer.fresh_inputs, layer.outputs_words // layer.N
    return (
        lambda t: np.full_like(t, size),
        lambda t: layer.fresh_inputs + np.where(t % image, 0, held),
    )
