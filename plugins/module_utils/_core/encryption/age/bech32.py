"""Bech32 (BIP 173), the text form of age's keys; without BIP 173's limit on the length, as age has it."""

from __future__ import annotations

from collections.abc import Iterable

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM_LENGTH = 6


def encode(prefix: str, data: bytes) -> str:
    """The text of *data* in lower case.

    :param prefix: the human-readable part, in lower case.
    """
    values = _regroup(data, 8, 5, pad=True)
    checked = _polymod([*_expand(prefix), *values, *[0] * _CHECKSUM_LENGTH]) ^ 1
    checksum = [(checked >> 5 * (5 - place)) & 31 for place in range(_CHECKSUM_LENGTH)]
    return f"{prefix}1{''.join(_ALPHABET[value] for value in [*values, *checksum])}"


def decode(text: str) -> tuple[str, bytes]:
    """Take *text* apart.

    :return: the human-readable part in lower case, and the data.
    :raises ValueError: it is not Bech32; the message says why without repeating any of it.
    """
    if text not in (text.lower(), text.upper()):
        raise ValueError("upper and lower case are mixed")
    prefix, separator, encoded = text.lower().rpartition("1")
    if not separator or not prefix or len(encoded) < _CHECKSUM_LENGTH:
        raise ValueError("it is too short or lacks its prefix")
    if not all("!" <= character <= "~" for character in prefix):
        raise ValueError("its prefix has a character that may not be there")
    for place, character in enumerate(encoded, start=len(prefix) + 2):
        if character not in _VALUES:
            raise ValueError(f"character {place} may not be there")
    values = [_VALUES[character] for character in encoded]
    if _polymod([*_expand(prefix), *values]) != 1:
        raise ValueError("its checksum is wrong, so there is a typing error in it")
    return prefix, bytes(_regroup(values[:-_CHECKSUM_LENGTH], 5, 8, pad=False))


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= generator
    return checksum


def _expand(prefix: str) -> list[int]:
    codes = [ord(character) for character in prefix]
    return [*[code >> 5 for code in codes], 0, *[code & 31 for code in codes]]


def _regroup(values: Iterable[int], width: int, new_width: int, *, pad: bool) -> list[int]:
    """Cut a string of bits into groups of another width; without *pad* what is left over must be less and zero."""
    groups: list[int] = []
    bits = count = 0
    for value in values:
        bits = bits << width | value
        count += width
        while count >= new_width:
            count -= new_width
            groups.append(bits >> count)
            bits &= (1 << count) - 1
    if pad and count:
        groups.append(bits << (new_width - count))
    elif not pad and (count >= width or bits):
        raise ValueError("its padding is wrong")
    return groups
