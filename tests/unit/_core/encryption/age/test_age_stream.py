"""The payload as a stage of a pipeline: any size, any cut, and every way in which a file can end wrongly."""

from __future__ import annotations

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import (
    Decryptor,
    Encryptor,
    HeaderError,
    PayloadError,
    TrailingDataError,
    TruncatedError,
    X25519Identity,
    primitives,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.pipeline import Pipeline
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.stages import Transform
from hypothesis import given
from hypothesis import strategies as st
from support.age_files import BORDER_SIZES, CHUNK, NONCE, SEALED, decrypt, encrypt, plaintext

KEY = X25519Identity.generate()
cuts = st.lists(st.integers(1, 200_000), max_size=6)


@pytest.mark.parametrize("size", BORDER_SIZES)
def test_sizes_around_the_borders_of_chunks_survive(size: int) -> None:
    truth = plaintext(size)
    data = encrypt(truth, [KEY.recipient])
    chunks = max(1, -(-size // CHUNK))
    assert len(data) == _header_size(data) + NONCE + size + 16 * chunks
    assert decrypt(data, [KEY]).released == truth


@given(size=st.integers(0, 5 * CHUNK), writing=cuts, reading=cuts, armor=st.booleans())
def test_any_size_survives_however_it_is_cut(size: int, writing: list[int], reading: list[int], armor: bool) -> None:
    truth = plaintext(size)
    outcome = decrypt(encrypt(truth, [KEY.recipient], sizes=writing, armor=armor), [KEY], sizes=reading)
    assert outcome.error is None
    assert outcome.released == truth


@given(size=st.integers(0, 3 * CHUNK), damage=st.integers(0, 4 * CHUNK), reading=cuts)
def test_what_a_damaged_file_yields_does_not_depend_on_how_it_is_cut(
    size: int, damage: int, reading: list[int]
) -> None:
    data = bytearray(encrypt(plaintext(size), [KEY.recipient]))
    data[damage % len(data)] ^= 1
    whole, cut = decrypt(bytes(data), [KEY]), decrypt(bytes(data), [KEY], sizes=reading)
    assert whole.released == cut.released
    assert (type(whole.error), str(whole.error)) == (type(cut.error), str(cut.error))


def test_one_update_of_many_chunks_is_as_good_as_many_of_one() -> None:
    truth = plaintext(40 * CHUNK + 5)
    assert decrypt(encrypt(truth, [KEY.recipient]), [KEY]).released == truth


def test_an_old_library_without_buffers_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def __init__(self, key: bytes) -> None:
            cipher = primitives.ChaCha20Poly1305(key)
            self.encrypt, self.decrypt = cipher.encrypt, cipher.decrypt

    truth = plaintext(3 * CHUNK + 5)
    new = encrypt(truth, [KEY.recipient])
    monkeypatch.setattr(primitives, "chacha20_poly1305", Old)
    assert decrypt(new, [KEY]).released == truth
    old = encrypt(truth, [KEY.recipient], sizes=(100_000,))
    assert isinstance(decrypt(old[:-1], [KEY]).error, PayloadError)
    monkeypatch.undo()
    assert decrypt(old, [KEY]).released == truth


def test_both_are_stages_of_a_pipeline() -> None:
    truth = plaintext(3 * CHUNK)
    written: list[bytes] = []

    class Memory:
        name = "memory"

        def run(self, emit: object) -> None:
            assert callable(emit)
            for start in range(0, len(truth), 100_000):
                emit(truth[start : start + 100_000])

        def cancel(self) -> None: ...

        def write(self, chunk: bytes) -> None:
            written.append(chunk)

        def commit(self) -> None: ...

        def abort(self) -> None: ...

    stages: list[Transform] = [Encryptor([KEY.recipient]), Decryptor([KEY])]
    [outcome] = Pipeline(Memory(), stages, [Memory()]).run()
    assert outcome.error is None
    assert b"".join(written) == truth


def test_the_header_comes_with_the_first_update() -> None:
    first = Encryptor([KEY.recipient]).update(b"")
    assert first.startswith(b"age-encryption.org/v1\n-> X25519 ")


def test_full_chunks_come_out_as_soon_as_more_follows() -> None:
    encryptor = Encryptor([KEY.recipient])
    start = len(encryptor.update(b""))
    assert encryptor.update(bytes(CHUNK)) == b""
    assert len(encryptor.update(b"x")) == SEALED
    assert start > NONCE


def test_an_encryptor_is_used_once() -> None:
    encryptor = Encryptor([KEY.recipient])
    encryptor.finalize()
    for call in (encryptor.finalize, lambda: encryptor.update(b"")):
        with pytest.raises(RuntimeError):
            call()


def test_a_chunk_is_released_only_when_it_is_complete_and_authentic() -> None:
    data = encrypt(plaintext(2 * CHUNK), [KEY.recipient])
    start = _header_size(data) + NONCE
    decryptor = Decryptor([KEY])
    assert decryptor.update(data[: start + SEALED - 1]) == b""
    assert decryptor.update(data[start + SEALED - 1 : start + SEALED]) == plaintext(CHUNK)


FILE = encrypt(plaintext(2 * CHUNK), [KEY.recipient])
START = FILE.index(b"\n", FILE.index(b"\n---") + 1) + 1 + NONCE
SHORT = encrypt(plaintext(CHUNK + 100), [KEY.recipient])
ENDS = {
    "in the header": (FILE[:30], HeaderError, "ends within it", 0),
    "before the nonce": (FILE[: START - NONCE], HeaderError, "ends before its payload", 0),
    "in the nonce": (FILE[: START - 1], HeaderError, "ends before its payload", 0),
    "before the first chunk": (FILE[:START], TruncatedError, "after 0 chunk", 0),
    "in the first tag": (FILE[: START + 15], TruncatedError, "after 0 chunk", 0),
    "in the first chunk": (FILE[: START + 1000], PayloadError, "chunk 0 is not authentic.*cut off", 0),
    "after a chunk": (FILE[: START + SEALED], TruncatedError, "after 1 chunk", CHUNK),
    "just after a chunk": (FILE[: START + SEALED + 16], TruncatedError, "after 1 chunk", CHUNK),
    "in the last chunk": (FILE[:-1], PayloadError, "chunk 1 is not authentic.*cut off", CHUNK),
    "with a byte more": (FILE + b"\n", TrailingDataError, "chunk 1 is the final one", 2 * CHUNK),
    "with a chunk more": (FILE + FILE[-SEALED:], TrailingDataError, "chunk 1 is the final one", 2 * CHUNK),
    "with a file more": (FILE + FILE, TrailingDataError, "chunk 1 is the final one", 2 * CHUNK),
    "with a byte more after a short chunk": (SHORT + b"\n", PayloadError, "chunk 1 is not authentic", CHUNK),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("sizes", [(), (1000,), (SEALED,)])
def test_a_file_that_ends_wrongly_is_refused_with_the_reason(end: str, sizes: tuple[int, ...]) -> None:
    data, error, message, released = ENDS[end]
    outcome = decrypt(data, [KEY], sizes=sizes)
    assert type(outcome.error) is error
    assert outcome.error is not None
    with pytest.raises(error, match=message):
        raise outcome.error
    assert outcome.released == plaintext(2 * CHUNK)[:released]


def test_after_an_error_nothing_more_comes_out() -> None:
    data = bytearray(FILE)
    data[START] ^= 1
    decryptor = Decryptor([KEY])
    for piece in (bytes(data[: START + SEALED]), bytes(data[START + SEALED :])):
        with pytest.raises(PayloadError, match="chunk 0"):
            decryptor.update(piece)
    with pytest.raises(PayloadError, match="chunk 0"):
        decryptor.finalize()


def _header_size(data: bytes) -> int:
    return data.index(b"\n", data.index(b"\n---") + 1) + 1
