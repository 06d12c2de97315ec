"""Answers derived by hand: what stays, what streams, and how widths change it."""

from __future__ import annotations

import pytest

from accelsim.dataflow.residency import once_only, tile_footprint
from accelsim.dataflow.schedule import RESIDENTS, Block
from accelsim.dataflow.streams import stream_peak
from accelsim.simulate import layer_need, min_sram, reason
from accelsim.workload.layer import Axis, Conv, Stream, Widths


def only_row(network, layer, **options):
    (row,) = min_sram(network, layer=layer, **options).rows()
    return row


def test_wide_psums_move_alexnet_conv5_from_outputs_to_inputs():
    """A group of conv5: K 128, C 192, 13 x 13, 3 x 3 taps, padding 1.

    Outputs resident, taps outermost: all 128·169 = 21,632 psums, one c's 169 inputs, one weight.
    With 32-bit psums that is 86,698 bytes; inputs resident keeps 192·169 = 32,448 inputs, one k's
    169 psums (676 bytes) and one weight. Weights (221,184) are never in question.
    """
    row = only_row("alexnet_caffe", "conv5")
    assert (row["resident"], row["min_sram_bytes"]) == ("outputs", 21_632 + 169 + 1)
    row = only_row("alexnet_caffe", "conv5", bits=8, psum_bits=32)
    assert (row["resident"], row["min_sram_bytes"]) == ("inputs", 32_448 + 4 * 169 + 1)
    assert row["min_sram_words"] == 32_448 + 169 + 1


def test_wide_psums_move_alexnet_fc6_from_outputs_to_inputs():
    """4096 psums, an input and a weight; or 9216 inputs, a weight and a psum of four bytes."""
    row = only_row("alexnet_caffe", "fc6")
    assert (row["resident"], row["min_sram_bytes"]) == ("outputs", 4096 + 1 + 1)
    row = only_row("alexnet_caffe", "fc6", bits=8, psum_bits=32)
    assert (row["resident"], row["min_sram_bytes"]) == ("inputs", 9216 + 1 + 4)


def test_wide_psums_move_resnet18_layer3_0_conv1_from_outputs_to_inputs():
    """K 256, C 128, 14 x 14 of 28 x 28, 3 x 3 taps, stride 2, padding 1.

    Outputs resident by stride phase: 256·196 psums, one phase of one channel's inputs (even or odd
    rows and columns, 14 x 14), a weight. Inputs resident: 128·784 inputs, one k's 196 psums of four
    bytes, a weight.
    """
    row = only_row("resnet18", "layer3.0.conv1")
    assert (row["resident"], row["min_sram_bytes"]) == ("outputs", 256 * 196 + 196 + 1)
    row = only_row("resnet18", "layer3.0.conv1", bits=8, psum_bits=32)
    assert (row["resident"], row["min_sram_bytes"]) == ("inputs", 128 * 784 + 4 * 196 + 1)


def test_first_layer_of_vgg16_keeps_its_weights():
    """Two rows and three words of three channels of 224 columns, one psum."""
    row = only_row("vgg16", "conv1_1")
    assert row["min_sram_words"] == 64 * 27 + 3 * (2 * 224 + 3) + 1
    assert row["reason"] == ("weights stay, 2 input rows + 3 words of 3 channels and 1 psum stream")


def test_batch_lets_weights_stay_for_image_after_image():
    one = only_row("vgg16", "conv1_1")["min_sram_words"]
    assert only_row("vgg16", "conv1_1", batch=8)["min_sram_words"] == one


def test_blocks_are_live_whole():
    """A 1x1 layer, K = C = 32, on blocks of 16 x 16: weights, 32 inputs and 16 psums of a pixel."""
    layer = Conv("", "conv", 1, 32, 32, 1, Axis(8, 1, 8), Axis(8, 1, 8))
    found = once_only(layer, block=Block(K=16, C=16), residents=("weights",))
    assert found.peak.words == 32 * 32 + 32 + 16


@pytest.mark.parametrize(
    ("layer", "buffering", "words"),
    [
        (Stream("", "add", 1, 4, 200, 100, 2, 2), "single", 3),
        (Stream("", "add", 1, 4, 200, 100, 2, 2), "prefetch", 6),
        (Stream("", "mul", 1, 4, 104, 100, 5, 1), "single", 6),
        (Stream("", "mul", 1, 4, 104, 100, 5, 1), "prefetch", 8),  # nothing new between images
        (Stream("", "softmax", 1, 10, 10, 10, 10), "single", 11),
        # a single row: ten inputs and an output, then nine inputs and two outputs
        (Stream("", "softmax", 1, 10, 10, 10, 10), "prefetch", 11),
        (Stream("", "softmax", 2, 10, 20, 20, 10), "prefetch", 13),
        (Stream("", "lrn", 1, 20, 20, 20, 5), "single", 6),
        # nine channels about each of nine: all of them at the fifth, nothing new after it
        (Stream("", "lrn", 1, 9, 9, 9, 9), "single", 10),
        (Stream("", "lrn", 1, 9, 9, 9, 9), "prefetch", 11),
        # nine about each of ten: at the fifth the last one comes beside the first nine
        (Stream("", "lrn", 1, 10, 10, 10, 9), "prefetch", 12),
        (Stream("", "upsample", 1, 1, 3, 3, 1), "prefetch", 4),
        # an input makes output 0, one 1 and 2, one 3 and 4: the third comes beside 1 and 2
        (Stream("", "upsample", 1, 1, 3, 5, 1), "prefetch", 4),
        (Stream("", "act", 1, 1, 1, 1, 1), "prefetch", 2),
        (Stream("", "act", 1, 1, 9, 9, 1), "double", 4),
    ],
)
def test_streams(layer, buffering, words):
    assert stream_peak(layer, buffering).words == words


@pytest.mark.parametrize(
    ("input_bits", "output_bits", "inputs", "outputs"), [(32, 8, 10, 1), (16, 32, 9, 2)]
)
def test_a_softmax_row_peaks_where_its_widths_say(input_bits, output_bits, inputs, outputs):
    """A row of ten: ten inputs and an output, or nine and two, or eight and two.

    328, 304 and 272 bits if inputs are wide; 192, 208 and 192 if outputs are.
    """
    widths = Widths(8, input_bits, output_bits, 8)
    found = stream_peak(Stream("", "softmax", 1, 10, 10, 10, 10, 1, widths), "prefetch")
    assert found.words_by_operand == (0, inputs, outputs)
    assert found.bits_by_operand == (0, inputs * input_bits, outputs * output_bits)


def test_an_order_of_several_families_is_named_after_what_it_keeps():
    """C alone is every family's order of 8 inputs to one output: that output stays, whole.

    Of one input to 8 outputs the input stays. Only families asked for are named.
    """
    to_one = Conv("", "fc", 1, 1, 8, 1, Axis(1), Axis(1))
    from_one = Conv("", "fc", 1, 8, 1, 1, Axis(1), Axis(1))
    assert once_only(to_one).schedule.order == ("C",)
    assert once_only(to_one).schedule.resident == "outputs"
    assert once_only(from_one).schedule.order == ("K",)
    assert once_only(from_one).schedule.resident == "inputs"
    for resident in RESIDENTS:
        assert once_only(to_one, residents=(resident,)).schedule.resident == resident


def test_a_layer_all_in_its_padding_needs_nothing():
    axis = Axis(1, 2, 1, 1, 2, 1)  # taps at -1 and 1 of a single input at 0
    layer = Conv("", "conv", 1, 2, 2, 1, axis, axis)
    assert (layer.useful_macs, layer.outputs_words) == (0, 2)
    assert once_only(layer).peak.bits == 0


def test_streamed_reason_names_rows_and_columns():
    wide = Conv("", "conv", 1, 2, 2, 1, Axis(9, 3, 9, pad=1), Axis(40, 3, 40, pad=1))
    assert "input column" in reason(layer_need(wide))


def test_whole_tiles_hold_twice_what_streams_when_prefetched():
    """4 x 4 outputs of 3 x 3 taps on 6 x 6 inputs, K 5, C 2; one resident operand after another."""
    layer = Conv("", "conv", 1, 5, 2, 1, Axis(4, 3, 6), Axis(4, 3, 6), Widths(8, 8, 16, 16))
    tiles = {
        "weights": (90, 2 * 3 * 6, 1),
        "inputs": (18, 72, 1),  # 8·18 + 16 bits stream, less than 8 + 16·16
        "outputs": (1, 36, 80),
    }
    for resident, held in tiles.items():
        at = ("weights", "inputs", "outputs").index(resident)
        for buffering, copies in (("single", 1), ("prefetch", 2), ("double", 2)):
            found = tile_footprint(layer, residents=(resident,), buffering=buffering)
            stay = 1 if buffering == "prefetch" else copies
            assert found.words_by_operand == tuple(
                words * (stay if operand == at else copies) for operand, words in enumerate(held)
            )


def test_whole_tiles_hold_outputs_that_wait_finished():
    """One row of 7 outputs, 8-bit psums and 32-bit outputs: with prefetch either may be there."""
    layer = Conv("", "conv", 1, 1, 2, 1, Axis(1), Axis(7, 1, 7), Widths(8, 8, 32, 8))
    for buffering, bits in (("single", 8), ("prefetch", 32), ("double", 2 * 8)):
        found = tile_footprint(layer, residents=("outputs",), buffering=buffering)
        assert found.bits_by_operand[2] == 7 * bits


def test_whole_tiles_of_a_pool_have_no_weights():
    pool = Conv("", "pool", 1, 3, 3, 3, Axis(4, 3, 9, 2), Axis(4, 3, 9, 2), has_weights=False)
    assert tile_footprint(pool, residents=("weights",)).words_by_operand == (0, 3 * 9, 1)


def test_whole_tiles_of_uneven_pooling():
    """12 inputs pooled to 7: windows of two or three."""
    axis = Axis(7, 3, 12, kind="adaptive")
    pool = Conv("", "pool", 1, 1, 1, 1, axis, axis, has_weights=False)
    assert tile_footprint(pool, residents=("weights",)).words == 3 * 12 + 1


def test_whole_tiles_of_a_deconv():
    """4 x 4 taps, stride 2, 8 x 8 outputs of 4 x 4 inputs: an output row needs two input rows."""
    axis = Axis(8, 4, 4, 2, 1, 1, "deconv")
    layer = Conv("", "deconv", 1, 5, 3, 1, axis, axis)
    assert tile_footprint(layer, residents=("weights",)).words == 5 * 3 * 16 + 3 * 2 * 4 + 1
    spread = Axis(11, 4, 4, 2, 2, 1, "deconv")  # taps two apart: four input rows, that is all
    layer = Conv("", "deconv", 1, 5, 3, 1, spread, spread)
    assert tile_footprint(layer, residents=("weights",)).words == 5 * 3 * 16 + 3 * 4 * 4 + 1


def test_psum_width_reaches_the_peak():
    narrow = Conv("", "fc", 1, 8, 8, 1, Axis(1), Axis(1), Widths(8, 8, 8, 32))
    assert once_only(narrow, residents=("outputs",)).peak.bits_by_operand == (8, 8, 256)
