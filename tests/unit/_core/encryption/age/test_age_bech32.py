"""Bech32 as BIP 173 has it, without its limit on the length."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import bech32
from hypothesis import given
from hypothesis import strategies as st

# Valid strings of BIP 173 whose data is a whole number of bytes, or empty.
VALID = (
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
)
INVALID = {
    "pzry9x0s0muk": "lacks its prefix",
    "1pzry9x0s0muk": "lacks its prefix",
    "10a06t8": "lacks its prefix",
    "x1b4n0q5v": "character 3",
    "li1dgmt3": "too short",
    "de1lg7wt\xff": "character 9",
    "\x201nwldj5": "prefix has a character",
    "\x7f1axkwrx": "prefix has a character",
    "A1G7SGD8": "checksum",
    "A12uEL5L": "mixed",
    "": "too short",
}


@pytest.mark.parametrize("text", VALID)
def test_a_valid_string_is_read_and_written_alike(text: str) -> None:
    prefix, data = bech32.decode(text)
    assert bech32.encode(prefix, data) == text.lower()


@pytest.mark.parametrize("text", INVALID, ids=ascii)
def test_an_invalid_string_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=INVALID[text]):
        bech32.decode(text)


@given(data=st.binary(max_size=2000), prefix=st.text(st.characters(min_codepoint=33, max_codepoint=64), min_size=1))
def test_any_data_survives_the_round_trip(data: bytes, prefix: str) -> None:
    text = bech32.encode(prefix, data)
    assert bech32.decode(text) == (prefix, data)
    assert bech32.decode(text.upper()) == (prefix, data)


@given(data=st.binary(min_size=32, max_size=32), place=st.integers(4, 61), other=st.sampled_from(bech32._ALPHABET))
def test_one_wrong_character_never_passes(data: bytes, place: int, other: str) -> None:
    text = bech32.encode("age", data)
    if text[place] != other:
        with pytest.raises(ValueError, match="checksum"):
            bech32.decode(text[:place] + other + text[place + 1 :])


def test_bits_that_do_not_fill_a_byte_must_be_zero_and_few() -> None:
    def text(values: list[int]) -> str:
        checked = bech32._polymod([*bech32._expand("age"), *values, *[0] * 6]) ^ 1
        values = values + [(checked >> 5 * (5 - place)) & 31 for place in range(6)]
        return "age1" + "".join(bech32._ALPHABET[value] for value in values)

    assert bech32.decode(text([0, 0b00100])) == ("age", b"\x01")
    for values in ([0, 0b00101], [0, 4, 0], [0]):
        with pytest.raises(ValueError, match="padding"):
            bech32.decode(text(values))
