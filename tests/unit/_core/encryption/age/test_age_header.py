"""The header: bounded, strict, and cut anywhere."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    Decryptor,
    Encryptor,
    HeaderError,
    HeaderMacError,
    NoMatchError,
    NotAgeError,
    ScryptIdentity,
    ScryptRecipient,
    Stanza,
    X25519Identity,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age.header import (
    MAX_HEADER_SIZE,
    MAX_STANZAS,
    HeaderParser,
    encode_header,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from hypothesis import given
from hypothesis import strategies as st
from support.age_files import decrypt, encrypt, pieces

KEY = X25519Identity.generate()
OTHER = X25519Identity.generate()
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
stanzas = st.builds(Stanza, type=words, arguments=st.lists(words, max_size=3).map(tuple), body=st.binary(max_size=200))


@given(
    stanzas=st.lists(stanzas, min_size=1, max_size=5),
    rest=st.binary(max_size=50),
    sizes=st.lists(st.integers(1, 200), max_size=5),
)
def test_any_header_is_read_as_it_was_written_however_it_is_cut(
    stanzas: list[Stanza], rest: bytes, sizes: list[int]
) -> None:
    text = encode_header(stanzas, b"k" * 16)
    parser = HeaderParser()
    headers = [header for piece in pieces(text, sizes) if (header := parser.feed(piece))]
    [header] = headers
    assert header.stanzas == tuple(stanzas)
    assert header.size == len(text)
    assert header.is_authentic(b"k" * 16)
    assert not header.is_authentic(b"K" * 16)
    whole = HeaderParser()
    assert whole.feed(text + rest) == header
    assert whole.rest() == rest


def test_the_stanzas_are_shown_even_where_no_identity_matches() -> None:
    outcome = decrypt(encrypt(b"", [KEY.recipient, OTHER.recipient]), [X25519Identity.generate()])
    assert outcome.header is not None
    assert [stanza.type for stanza in outcome.header.stanzas] == ["X25519", "X25519"]


def test_no_match_names_what_the_file_wants_and_what_was_given() -> None:
    wrong = [X25519Identity.generate(), X25519Identity.generate()]
    error = decrypt(encrypt(b"x", [KEY.recipient, OTHER.recipient]), wrong).error
    assert isinstance(error, NoMatchError)
    assert "2 recipient(s), 2 of type X25519" in str(error)
    for identity in wrong:
        assert str(identity.recipient) in str(error)
        assert str(identity) not in str(error)


def test_no_match_of_a_file_with_a_passphrase_asks_for_that() -> None:
    error = decrypt(encrypt(b"x", [ScryptRecipient("secret", 1)]), [KEY]).error
    assert isinstance(error, NoMatchError)
    assert "1 of type scrypt" in str(error)
    assert "passphrase" in str(error)


def test_no_match_is_short_whatever_a_hostile_file_lists() -> None:
    many = [Stanza(f"{number}-" + "x" * 1000, (), b"") for number in range(50)]
    error = decrypt(encode_header(many, b"k" * 16) + bytes(40), [ScryptIdentity("secret")]).error
    assert isinstance(error, NoMatchError)
    assert len(str(error)) < 500


def test_every_one_of_several_recipients_and_any_of_several_identities_opens() -> None:
    data = encrypt(b"text", [KEY.recipient, OTHER.recipient])
    for identities in ([KEY], [OTHER], [X25519Identity.generate(), OTHER]):
        assert decrypt(data, identities).released == b"text"


def test_two_files_for_one_recipient_share_nothing() -> None:
    first, second = (encrypt(b"the same", [KEY.recipient]).split(b"\n") for _ in range(2))
    assert set(first) & set(second) == {b"age-encryption.org/v1"}


def test_a_removed_recipient_shows_in_the_mac() -> None:
    lines = encrypt(b"text", [KEY.recipient, OTHER.recipient]).split(b"\n")
    assert isinstance(decrypt(b"\n".join(lines[:3] + lines[5:]), [KEY]).error, HeaderMacError)


def test_a_header_without_end_is_given_up_at_the_limit() -> None:
    decryptor = Decryptor([KEY])
    decryptor.update(b"age-encryption.org/v1\n")
    stanza = Stanza("example.com/x", ("a",), bytes(48 * 100)).encode()
    fed = 0
    with pytest.raises(HeaderError, match="larger than 1048576 bytes"):
        while fed < 2 * MAX_HEADER_SIZE:
            decryptor.update(stanza)
            fed += len(stanza)
    assert fed <= MAX_HEADER_SIZE


def test_a_line_without_end_is_given_up_at_the_limit() -> None:
    outcome = decrypt(b"age-encryption.org/v1\n-> " + b"x" * 3 * MAX_HEADER_SIZE, [KEY], sizes=(65536,))
    assert "larger than" in str(outcome.error)


def test_the_limit_does_not_depend_on_how_the_header_comes() -> None:
    size = len(encode_header([Stanza("x", ("a",), b"")], b"k" * 16))
    for extra, accepted in ((0, True), (1, False)):
        text = encode_header([Stanza("x", ("a" * (1 + MAX_HEADER_SIZE - size + extra),), b"")], b"k" * 16)
        for sizes in ((), (1000,), (MAX_HEADER_SIZE,)):
            error = decrypt(text + bytes(100), [KEY], sizes=sizes).error
            assert type(error) is (NoMatchError if accepted else HeaderError)


def test_no_more_recipients_are_accepted_than_can_be_read_back() -> None:
    stanza = KEY.recipient.wrap(b"k" * 16)

    class Same:
        def wrap(self, file_key: bytes) -> Stanza:
            return stanza

    with pytest.raises(ConfigError, match="too many"):
        Encryptor([Same()] * (MAX_HEADER_SIZE // len(stanza.encode()) + 1))


def test_encryption_to_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="no recipient"):
        Encryptor([])


def test_decryption_without_an_identity_is_refused() -> None:
    with pytest.raises(ConfigError, match="no identity"):
        Decryptor([])


def test_a_passphrase_must_be_the_only_recipient() -> None:
    for recipients in ([ScryptRecipient("a", 1), KEY.recipient], [ScryptRecipient("a", 1), ScryptRecipient("b", 1)]):
        with pytest.raises(ConfigError, match="cannot be combined"):
            Encryptor(recipients)


@pytest.mark.parametrize("data", [b"", b"PGDMP\x01", b"Salted__12345678", b"\x1f\x8b", b"agf", b"{}", b"age"])
@pytest.mark.parametrize("sizes", [(), (1,)])
def test_what_is_no_age_file_is_said_not_to_be_one(data: bytes, sizes: tuple[int, ...]) -> None:
    outcome = decrypt(data, [KEY], sizes=sizes)
    assert isinstance(outcome.error, HeaderError)
    if data != b"age":
        assert isinstance(outcome.error, NotAgeError)
        assert "not an age file" in str(outcome.error)


def test_a_header_without_a_stanza_is_malformed() -> None:
    assert type(decrypt(encode_header([], b"k" * 16) + bytes(40), [KEY]).error) is HeaderError


def test_another_version_is_named_as_the_reason() -> None:
    data = encrypt(b"", [KEY.recipient]).replace(b"org/v1", b"org/v2", 1)
    assert "only version v1" in str(decrypt(data, [KEY]).error)


def test_an_error_names_the_step_that_it_was_given() -> None:
    decryptor = Decryptor([KEY], name="decrypt backup.dump.age")
    for _ in range(2):
        with pytest.raises(NotAgeError, match=r"decrypt backup\.dump\.age: not an age file"):
            decryptor.update(b"nothing")
    with pytest.raises(NotAgeError):
        decryptor.finalize()


def test_more_stanzas_than_a_thousand_are_refused_before_any_is_tried() -> None:
    stanza = Stanza("X25519", ("A" * 43,), b"x" * 32)
    accepted = HeaderParser().feed(encode_header([stanza] * MAX_STANZAS, b"k" * 16))
    assert accepted is not None
    assert len(accepted.stanzas) == MAX_STANZAS == 1000
    with pytest.raises(HeaderError, match="more than 1000 recipient stanzas"):
        HeaderParser().feed(encode_header([stanza] * (MAX_STANZAS + 1), b"k" * 16))
