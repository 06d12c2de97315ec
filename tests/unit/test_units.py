"""Quantities: what people write, exactly; and what people read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelsim import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("65536", 65536),
        ("1e6", 1_000_000),
        ("512B", 512),
        ("64KiB", 65536),
        ("108 KiB", 110_592),
        ("1.5MiB", 1_572_864),
        ("4 MB", 4_000_000),
        ("64kB", 64_000),
        (" 2 GiB ", 2 * 2**30),
        ("1024TiB", 2**50),
    ],
)
def test_sizes_are_exact_bytes(text: str, expected: int) -> None:
    assert units.parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64KB", "`64KB` is ambiguous; did you mean KiB = 1024 or kB = 1000"),
        ("64 kib", "`64 kib` has an unknown unit; did you mean KiB"),
        (
            "64 pages",
            "`64 pages` has an unknown unit; known units are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
        ),
        ("0.3B", "`0.3B` is not a whole number of bytes; write for instance 64KiB"),
        ("0", "`0` is too small; 1 to 1125899906842624 bytes are allowed"),
        ("1025TiB", "`1025TiB` is too large; 1 to 1125899906842624 bytes are allowed"),
        ("-4KiB", "`-4KiB` is not a number with a unit; write for instance 64KiB"),
        ("nan", "`nan` is not a number with a unit; write for instance 64KiB"),
        ("1e999", "`1e999` is not a number with a unit; write for instance 64KiB"),
        ("", "`` is not a number with a unit; write for instance 64KiB"),
    ],
)
def test_sizes_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        units.parse_bytes(text)
    assert str(refusal.value) == message


def test_bandwidth_frequency_and_time() -> None:
    assert units.parse_bytes_per_s("25.6GB/s") == 25_600_000_000
    assert units.parse_bytes_per_s("1GiB/s") == 2**30
    assert units.parse_bytes_per_s("25600000000") == 25_600_000_000
    assert units.parse_hz("200MHz") == 200_000_000
    assert units.parse_hz("1.2 GHz") == 1_200_000_000
    assert units.parse_ns("100ns") == 100.0
    assert units.parse_ns("1.5us") == 1500.0
    assert units.parse_ns("800 ps") == 0.8
    with pytest.raises(ValueError, match="`1KB/s` is ambiguous; did you mean KiB/s = 1024"):
        units.parse_bytes_per_s("1KB/s")
    with pytest.raises(ValueError, match="did you mean MHz"):
        units.parse_hz("200Mhz")
    with pytest.raises(ValueError, match="`2s` is too long; at most 1000000000 ns"):
        units.parse_ns("2s")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", "`010` is ambiguous; write 10, or 8 if octal is meant"),
        ("007", "`007` is not in plain digits; write 7"),
        ("1e2", "`1e2` is not in plain digits; write 100"),
        ("+5", "`+5` is not in plain digits; write 5"),
        ("5.0", "`5.0` is not in plain digits; write 5"),
        ("1,000", "`1,000` is not in plain digits; write 1000"),
        ("1_000", "`1_000` is not in plain digits; write 1000"),
        ("0x10", "`0x10` is not in plain digits; write 16"),
        ("2.5", "`2.5` is not a whole number; write one, 1 to 1000"),
        ("1e9", "`1e9` is too large; 1 to 1000 are allowed"),
        ("-1", "`-1` is negative; 1 to 1000 are allowed"),
        ("0", "`0` is too small; 1 to 1000 are allowed"),
        ("", "nothing is given; write one whole number, 1 to 1000"),
        ("٣", "`٣` is not a whole number; write one, 1 to 1000"),
    ],
)
def test_whole_numbers_are_plain_digits(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        units.parse_whole(text, 1, 1000)
    assert str(refusal.value) == message


def test_only_true_and_false_are_truths() -> None:
    assert units.parse_truth("true") is True
    assert units.parse_truth("false") is False
    for text, meant in {"no": "false", "Off": "false", "yes": "true", "True": "true"}.items():
        with pytest.raises(ValueError, match=f"`{text}` is not true or false; write {meant}$"):
            units.parse_truth(text)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (619_264, "604.8 KiB"),
        (2**20 - 1, "1 MiB"),
        (3 * 2**20 // 2, "1.5 MiB"),
        (2**50, "1024 TiB"),
    ],
)
def test_bytes_for_people(count: int, expected: str) -> None:
    assert units.format_bytes(count) == expected


def test_counts_for_people() -> None:
    assert units.format_count(999) == "999"
    assert units.format_count(15_470_264_320) == "15.47 G"
    assert units.format_count(138_357_544) == "138.4 M"
    assert units.format_count(999_999) == "1 M"


@given(st.integers(1, 2**20), st.sampled_from(["KiB", "MiB", "kB", "MB"]))
def test_sizes_scale_by_their_unit(number: int, unit: str) -> None:
    scale = {"KiB": 1024, "MiB": 1024**2, "kB": 1000, "MB": 1000**2}[unit]
    assert units.parse_bytes(f"{number}{unit}") == number * scale


@given(st.text())
def test_any_text_parses_or_is_refused_in_words(text: str) -> None:
    for parse in (units.parse_bytes, units.parse_bytes_per_s, units.parse_hz, units.parse_ns):
        try:
            assert parse(text) >= 0
        except ValueError as error:
            assert ";" in str(error)
