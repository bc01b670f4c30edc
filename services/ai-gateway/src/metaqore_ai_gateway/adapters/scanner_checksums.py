"""Numbers that carry a checksum: payment cards (ISO/IEC 7812, Luhn) and IBANs (ISO 13616, mod 97)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_CANDIDATES: Final = 100_000
"""So many numbers are checked in one text; one with more is not scanned, which counts as CRITICAL."""


class TooManyCandidatesError(Exception):
    """The text holds more card-like or IBAN-like numbers than are checked."""


# Patterns begin with what they are about and look behind from there: so the engine skips to the next digit, and need
# not look behind every character. A quarter of the time.
_DIGIT_GROUPS: Final = re.compile(rb"[0-9](?<![0-9A-Za-z][0-9])(?<![0-9]\.[0-9])[0-9]*+(?:[ -][0-9]++)*+")
_GOES_ON: Final = re.compile(rb"[A-Za-z]|\.[0-9]")
_SHORTEST_CARD: Final = 13
_LONGEST_CARD: Final = 19
# Issuer prefixes with the lengths that they issue.
_ISSUERS: Final = re.compile(
    rb"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    rb"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    rb"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}"
    rb"|(?:6011|6[245][0-9]{2}|35(?:2[89]|[3-8][0-9]))[0-9]{12,15}"
)
_VALUES: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def luhn_holds(digits: bytes) -> bool:
    """Whether the last of `digits` is the check digit of the others (ISO/IEC 7812-1 annex B)."""
    backwards = digits[::-1]
    return (sum(backwards[::2].translate(_VALUES)) + sum(backwards[1::2].translate(_DOUBLED))) % 10 == 0


def count_cards(text: bytes) -> int:
    """How many card numbers stand in `text`: 13 to 19 digits, in one run or in groups, of a known issuer.

    Raises `TooManyCandidatesError`.
    """
    found = checked = 0
    for run in _DIGIT_GROUPS.finditer(text):
        if len(run[0]) < _SHORTEST_CARD:
            continue
        groups = re.split(rb"[ -]", run[0])
        if _GOES_ON.match(text, run.end()):
            groups.pop()  # it is part of a word or of a decimal fraction
        start = 0
        while start < len(groups):
            length = 1
            for length, digits in enumerate(_windows(groups, start), start=1):  # noqa: B007 - used behind the loop
                checked += 1
                if _ISSUERS.fullmatch(digits) and luhn_holds(digits):
                    found += 1
                    break
            else:
                length = 1
            start += length
            if checked > MAX_CANDIDATES:
                raise TooManyCandidatesError
    return found


def _windows(groups: list[bytes], start: int) -> Iterator[bytes]:
    """The groups from `start` on, joined: first one of them, then two, up to the length of the longest card."""
    digits = b""
    for group in groups[start : start + _LONGEST_CARD]:
        digits += group
        if len(digits) > _LONGEST_CARD:
            return
        yield digits


# The IBAN registry: the length for each country.
_IBAN_LENGTHS: Final = {
    code.encode(): length
    for length, codes in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for code in codes.split()
}
_IBAN_CHECK_DIGITS: Final = re.compile(
    rb"[0-9](?<=[A-Za-z]{2}[0-9])(?<![A-Za-z0-9][A-Za-z]{2}[0-9])[0-9](?=[ -]?[A-Za-z0-9])"
)
_IBAN_COUNTRY: Final = 2
_IBAN_REST: Final = {
    length: re.compile(rb"(?:[ -]?[A-Za-z0-9]){%d}(?![A-Za-z0-9])" % (length - 4)) for length in _IBAN_LENGTHS.values()
}
_SEPARATORS: Final = b" -"


def mod97_holds(iban: str) -> bool:
    """Whether the check digits of `iban`, without separators, are right (ISO 7064 MOD 97-10)."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def count_ibans(text: bytes) -> int:
    """How many IBANs stand in `text`, with or without separators. Raises `TooManyCandidatesError`."""
    found = checked = end = 0
    for check in _IBAN_CHECK_DIGITS.finditer(text):
        begin = check.start() - _IBAN_COUNTRY
        length = _IBAN_LENGTHS.get(text[begin : check.start()].upper())
        rest = length and _IBAN_REST[length].match(text, check.end())
        if not rest or begin < end:
            continue
        checked += 1
        if checked > MAX_CANDIDATES:
            raise TooManyCandidatesError
        if mod97_holds(text[begin : rest.end()].translate(None, _SEPARATORS).decode("ascii")):
            found += 1
            end = rest.end()
    return found
