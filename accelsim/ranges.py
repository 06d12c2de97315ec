"""Ranges as people write them: `16KiB:4MiB:x2`, `8:128:+8`, `1GB/s,2GB/s` to the texts of values.

A value stays text until the field that it is for says what it means. What has a unit is written in
its base unit (`64KiB` is `65536B`): the same value has one text, however it was given. Every
parser raises ValueError with one line, "what is wrong; what would be right".
"""

from __future__ import annotations

from fractions import Fraction

from accelsim.units import base_quantity, quote

MAX_VALUES = 10_000
_EXAMPLE = "write for instance 16KiB:4MiB:x2, 8:128:+8 or 16,32,64"


def parse_range(text: str) -> tuple[str, ...]:
    """The values of `a,b,c`, of `first:last:xFACTOR` and `first:last:+STEP`, in order, each once.

    A factor's values are rounded to whole base units; `last` is there if a step meets it.
    """
    values: list[str] = []
    for part in text.split(","):
        pieces = [piece.strip() for piece in part.split(":")]
        if not all(pieces):
            raise ValueError(f"{quote(text)} has an empty value; {_EXAMPLE}")
        if len(pieces) == 1:
            values.append(_plain(pieces[0]))
        elif len(pieces) == 3:
            values += _steps(part, *pieces)
        else:
            raise ValueError(f"{quote(part)} is not first:last:step; {_EXAMPLE}")
    if len(values) > MAX_VALUES:
        raise ValueError(f"{quote(text)} has {len(values)} values; at most {MAX_VALUES} are tried")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{quote(text)} has {twice} twice; give each value once")
    return tuple(values)


def value_of(text: str) -> int | float | str:
    """A value as a number in its base unit where it is one, else its text."""
    found = base_quantity(text)
    if found is None:
        return text
    return int(found[0]) if found[0].denominator == 1 else float(found[0])


def _steps(part: str, first: str, last: str, step: str) -> list[str]:
    (low, unit), (high, other) = _number(part, first), _number(part, last)
    if unit != other:
        raise ValueError(f"{quote(part)} goes from {unit or 'a number'} to {other or 'a number'}")
    factor = step.startswith("x")
    by, its_unit = _number(part, step[1:] if factor else step.removeprefix("+"))
    if (factor and its_unit) or (not factor and its_unit != unit):
        right = "a factor has no unit" if factor else f"write it in {unit or 'plain numbers'}"
        raise ValueError(f"{quote(part)} has a step of another unit; {right}")
    if by <= (1 if factor else 0) or high < low or (factor and low == 0):
        raise ValueError(f"{quote(part)} does not go up; {_EXAMPLE}")
    values: list[str] = []
    at = low
    while at <= high and len(values) <= MAX_VALUES:
        text = _text(Fraction(round(at)) if factor and unit else at, unit)
        if not values or text != values[-1]:
            values.append(text)
        at = at * by if factor else at + by
    return values


def _number(part: str, text: str) -> tuple[Fraction, str]:
    found = base_quantity(text)
    if found is None:
        raise ValueError(f"{quote(part)}: {quote(text)} is no number with a unit; {_EXAMPLE}")
    return found


def _plain(text: str) -> str:
    """One value; without a unit it is nobody's business here."""
    found = base_quantity(text)
    return _text(*found) if found is not None and found[1] else text


def _text(value: Fraction, unit: str) -> str:
    digits = str(value) if value.denominator == 1 else f"{float(value):.9f}".rstrip("0")
    return f"{digits}{unit}"
