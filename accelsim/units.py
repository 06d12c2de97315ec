"""Quantities as people write them (`108 KiB`, `25.6GB/s`, `100ns`) to exact numbers, and back.

Ki = 1024, k = 1000; `kB`, `MB`, `GB` are decimal, and `KB` alone is refused as ambiguous.
A number without a unit counts the base unit. Every parser raises ValueError with one line,
"what is wrong; what would be right".
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from fractions import Fraction

MAX_BYTES = 2**50
MAX_BYTES_PER_S = 10**15
MAX_HZ = 10**12
MAX_NS = 10**9

_BINARY = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DECIMAL = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE: dict[str, int | Fraction] = {"": 1, "B": 1, **_BINARY, **_DECIMAL}
_BANDWIDTH: dict[str, int | Fraction] = {
    "" if unit == "" else f"{unit}/s": scale for unit, scale in _SIZE.items()
}
_FREQUENCY: dict[str, int | Fraction] = {
    "": 1, "Hz": 1, "kHz": 10**3, "MHz": 10**6, "GHz": 10**9,
}  # fmt: skip
_TIME: dict[str, int | Fraction] = {
    "": 1, "ps": Fraction(1, 1000), "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9,
}  # fmt: skip
_TRUTH = {"true": ("true", "yes", "on", "y", "1"), "false": ("false", "no", "off", "n", "0")}
_INTEGRAL = re.compile(
    r"0[xX][0-9a-fA-F]{1,16}|0[oO][0-7]{1,20}|0[bB][01]{1,60}"
    r"|[+-]?[0-9]{1,3}([,_][0-9]{3})+"
    r"|[+-]?[0-9]{1,4000}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?"
)
_NUMBER = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?) *([A-Za-z/]{0,8})")


def parse_bytes(text: str) -> int:
    """Bytes of a size: `65536`, `1e6`, `64KiB`, `1.5 MiB`, `4 MB`; 1 to 2**50."""
    return _whole(text, _SIZE, "bytes", "64KiB", MAX_BYTES)


def parse_bytes_per_s(text: str) -> int:
    """Bytes per second of a bandwidth: `25.6GB/s`, `25600000000`; 1 to 10**15."""
    return _whole(text, _BANDWIDTH, "bytes per second", "25.6GB/s", MAX_BYTES_PER_S)


def parse_hz(text: str) -> int:
    """Hertz of a frequency: `200MHz`, `1.2 GHz`; 1 to 10**12."""
    return _whole(text, _FREQUENCY, "hertz", "200MHz", MAX_HZ)


def parse_ns(text: str) -> float:
    """Nanoseconds of a time: `100ns`, `1.5us`, `800 ps`; 0 to 10**9 (one second)."""
    value = _quantity(text, _TIME, "100ns")
    if value > MAX_NS:
        raise ValueError(f"{quote(text)} is too long; at most {MAX_NS} ns")
    return float(value)


def base_quantity(text: str) -> tuple[Fraction, str] | None:
    """A number and its base unit (B, B/s, Hz, ns or none): `1.5us` is 1500 ns; None for no number.

    For values whose kind is not known yet; every other parser knows which units it wants.
    """
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        return None
    number, unit = match.groups()
    if not unit:
        return Fraction(number), ""
    kinds = ((_SIZE, "B"), (_BANDWIDTH, "B/s"), (_FREQUENCY, "Hz"), (_TIME, "ns"))
    for units, base in kinds:
        if unit in units:
            return Fraction(number) * units[unit], base
    return None


def format_bytes(count: int) -> str:
    """A size in B, KiB, MiB, ... with four significant digits: 619264 is `604.8 KiB`."""
    return _scaled(count, ("B", *_BINARY), 1024)


def format_count(count: int) -> str:
    """A count with k, M, G, T, P and four significant digits: 15470264320 is `15.47 G`."""
    return _scaled(count, ("", "k", "M", "G", "T", "P"), 1000).rstrip()


def quote(text: str) -> str:
    """The text in backticks, cut to 40 characters."""
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word closest to `word`, letter case aside, or None."""
    folded = {candidate[:64].lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word[:64].lower(), folded, n=1)
    return folded[close[0]] if close else None


def suggest(word: str, known: Iterable[str], most: int | None = None) -> str:
    """What would be right instead of an unknown word: the closest known one, or (some of) all."""
    known = sorted(known)
    close = did_you_mean(word, known)
    if close:
        return f"did you mean `{close}`"
    shown, left_out = known[:most], len(known[most:]) if most else 0
    return f"known are {', '.join(shown)}{f' and {left_out} more' if left_out else ''}"


def describe(value: object) -> str:
    """What a YAML value is, for an error: `nothing`, `a list`, `a mapping` or the text itself."""
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    return quote(str(value)) if value else "nothing"


def parse_whole(text: object, low: int, high: int) -> int:
    """A whole number in plain decimal digits, `low` to `high`; `1e9`, `010`, `0x10` are refused."""
    if not isinstance(text, str) or not text:
        raise ValueError(f"{describe(text)} is given; write one whole number, {low} to {high}")
    value = _meant(text)
    if value is None:
        raise ValueError(f"{quote(text)} is not a whole number; write one, {low} to {high}")
    if not low <= value <= high:
        size = "negative" if value < 0 else "too small" if value < low else "too large"
        raise ValueError(f"{quote(text)} is {size}; {low} to {high} are allowed")
    if text == str(value):
        return value
    octal = int(text, 8) if re.fullmatch("0[0-7]+", text) else value
    if octal != value:
        raise ValueError(f"{quote(text)} is ambiguous; write {value}, or {octal} if octal is meant")
    raise ValueError(f"{quote(text)} is not in plain digits; write {value}")


def parse_truth(text: object) -> bool:
    """`true` or `false`; YAML 1.1's `yes`, `no`, `on`, `off` are refused."""
    if text == "true" or text == "false":
        return text == "true"
    if not isinstance(text, str):
        raise ValueError(f"{describe(text)} is given; write true or false")
    meant = next((right for right, words in _TRUTH.items() if text.lower() in words), None)
    raise ValueError(f"{quote(text)} is not true or false; write {meant or 'true or false'}")


def parse_share(text: object) -> float:
    """A share: a number from 0 to 1, `0.387` or `3e-2`."""
    try:
        found = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        found = math.nan
    if not 0 <= found <= 1:
        raise ValueError(f"{describe(text)} is no share; write a number from 0 to 1")
    return found


def parse_choice(text: object, known: Iterable[str]) -> str:
    """One of the known words."""
    if isinstance(text, str) and text in known:
        return text
    if not isinstance(text, str) or not text:
        raise ValueError(f"{describe(text)} is given; known are {', '.join(sorted(known))}")
    raise ValueError(f"{quote(text)} is not known; {suggest(text, known)}")


def _meant(text: str) -> int | None:
    """The integer that a text means in any common notation, if it is one."""
    if not _INTEGRAL.fullmatch(text):
        return None
    if text[:2].lower() in ("0x", "0b", "0o"):
        return int(text, 0)
    value = Fraction(text.replace("_", "").replace(",", ""))
    return int(value) if value.denominator == 1 else None


def _quantity(text: str, units: dict[str, int | Fraction], example: str) -> Fraction:
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{quote(text)} is not a number with a unit; write for instance {example}")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"{quote(text)} {_unknown(unit, units)}")
    return Fraction(number) * units[unit]


def _unknown(unit: str, units: dict[str, int | Fraction]) -> str:
    if unit.startswith("KB") and "KiB" + unit[2:] in units:
        rate = unit[2:]
        return f"is ambiguous; did you mean KiB{rate} = 1024 or kB{rate} = 1000"
    known = [name for name in units if name]
    close = did_you_mean(unit, known)
    right = f"did you mean {close}" if close else f"known units are {', '.join(known)}"
    return f"has an unknown unit; {right}"


def _whole(text: str, units: dict[str, int | Fraction], base: str, example: str, most: int) -> int:
    value = _quantity(text, units, example)
    if value.denominator != 1:
        raise ValueError(
            f"{quote(text)} is not a whole number of {base}; write for instance {example}"
        )
    if not 1 <= value <= most:
        size = "small" if value < 1 else "large"
        raise ValueError(f"{quote(text)} is too {size}; 1 to {most} {base} are allowed")
    return int(value)


def _scaled(count: int, names: tuple[str, ...], step: int) -> str:
    scale = 0
    # 1023.96 KiB would round to 1024 KiB: it goes up a unit as 1 MiB
    while scale + 1 < len(names) and float(f"{count / step**scale:.4g}") >= step:
        scale += 1
    digits = str(count) if scale == 0 else f"{count / step**scale:.4g}"
    return f"{digits} {names[scale]}"
