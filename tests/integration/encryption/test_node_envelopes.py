"""Envelopes that the real Node.js made, as the old export script does, and the reader's strictness."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.legacy.envelope import (
    EnvelopeDecryptor,
    find_iv,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, CryptoError, FormatError
from hypothesis import given
from hypothesis import strategies as st
from support.cipher_files import decrypt, run, run_through

NODE = """
const crypto = require('crypto');
const chunks = [];
process.stdin.on('data', chunk => chunks.push(chunk));
process.stdin.on('end', () => {
  const iv = crypto.randomBytes(16);
  const cipher = crypto.createCipheriv('aes-256-gcm', Buffer.from(process.env.ENCRYPTION_KEY, 'hex'), iv);
  let data = cipher.update(Buffer.concat(chunks).toString('utf8'), 'utf8', 'hex');
  data += cipher.final('hex');
  const fields = {iv: iv.toString('hex'), authTag: cipher.getAuthTag().toString('hex'), data};
  const order = process.env.ORDER.split(',');
  process.stdout.write(JSON.stringify(Object.fromEntries(order.map(name => [name, fields[name]]))));
});
"""
KEY = "9f" * 31 + "0a"
ROWS = json.dumps([{"id": number, "name": f"Zoë {number}"} for number in range(3000)], ensure_ascii=False).encode()
ORDERS = ["iv,authTag,data", "authTag,data,iv", "data,authTag,iv", "iv,data,authTag"]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def node(data: bytes, order: str = ORDERS[0]) -> bytes:
    environment = {"PATH": os.environ["PATH"], "ENCRYPTION_KEY": KEY, "ORDER": order}
    return run("node", "-e", NODE, stdin=data, environment=environment)


def sealed(data: bytes) -> dict[str, str]:
    """The same envelope without Node.js."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    iv = bytes(range(16))
    whole = AESGCM(bytes.fromhex(KEY)).encrypt(iv, data, None)
    return {"iv": iv.hex(), "authTag": whole[-16:].hex(), "data": whole[:-16].hex()}


def read(text: bytes, size: int = 100_000) -> bytes:
    return decrypt(Decryption.parse([KEY]), text, size)


@needs_node
@pytest.mark.parametrize("order", ORDERS)
def test_an_envelope_of_node_is_read_whatever_the_order_of_its_fields(order: str) -> None:
    assert read(node(ROWS, order)) == ROWS


@needs_node
def test_the_key_may_come_as_passphrase_or_in_a_file(tmp_path: object) -> None:
    encrypted = node(ROWS)
    assert decrypt(Decryption.parse(passphrase=KEY), encrypted) == ROWS
    path = f"{tmp_path}/key"
    with open(path, "w") as file:
        file.write(KEY.upper() + "\n")
    assert decrypt(Decryption.parse([path]), encrypted) == ROWS


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 5000])
@pytest.mark.parametrize("order", ORDERS)
def test_the_result_does_not_depend_on_how_the_text_is_cut(order: str, size: int) -> None:
    fields = sealed(ROWS[:3001])
    text = json.dumps({name: fields[name] for name in order.split(",")}, indent=2).encode() + b"\n"
    assert read(text, size) == ROWS[:3001]


def test_data_before_the_iv_needs_a_file_whose_end_can_be_read() -> None:
    fields = sealed(ROWS)
    text = json.dumps({name: fields[name] for name in ("data", "authTag", "iv")}).encode()
    with pytest.raises(FormatError, match="read the envelope from a file"):
        run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), text)
    assert run_through(EnvelopeDecryptor(bytes.fromhex(KEY), iv=find_iv(text[-200:])), text) == ROWS


@pytest.mark.parametrize("name", ["iv", "authTag", "data"])
def test_a_flipped_bit_in_any_field_is_refused(name: str) -> None:
    fields = sealed(ROWS)
    for position in (0, len(fields[name]) // 2, len(fields[name]) - 1):
        digits = list(fields[name])
        digits[position] = f"{int(digits[position], 16) ^ 1:x}"
        with pytest.raises(CryptoError, match="not authentic"):
            read(json.dumps({**fields, name: "".join(digits)}).encode())


def test_a_file_cut_anywhere_is_refused() -> None:
    text = json.dumps(sealed(b'[{"id": 1}]')).encode()
    for end in range(1, len(text)):
        with pytest.raises(BackupError):
            run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), text[:end])


@given(st.binary(min_size=1, max_size=30).filter(bytes.strip))
def test_nothing_but_white_space_may_follow(trailer: bytes) -> None:
    text = json.dumps(sealed(b"[]")).encode()
    assert run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), text + b" \r\n") == b"[]"
    with pytest.raises(BackupError):
        run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), text + trailer)


@given(st.data())
def test_no_mutation_of_the_text_gives_other_plaintext(data: st.DataObject) -> None:
    text = bytearray(json.dumps(sealed(ROWS[:200])).encode())
    position = data.draw(st.integers(0, len(text) - 1))
    text[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(BackupError):
        # White space and the case of a digit may change; they mean nothing.
        assert run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), bytes(text)) == ROWS[:200]


@pytest.mark.parametrize(
    "text",
    [
        b'{"iv": "00", "iv": "11", "data": "00"}',
        b'{"authTag": "0011", "iv": "00112233445566778899aabb", "data": "00"}',
        b'{"iv": "0011", "authTag": "00112233445566778899aabbccddeeff", "data": "00"}',
        b'{"iv": "00112233445566778899aabb", "data": "0g"}',
        b'{"iv": "00112233445566778899aabb", "data": "000"}',
        b'{"iv": "00112233445566778899aabb", "data": "00"}',
        b'{"iv": "00112233445566778899aabb", "other": "00"}',
        b"{}",
        b"",
        b"x" * 10_000,
        b'{"iv": "' + b"0" * 10_000,
    ],
)
def test_what_is_no_such_envelope_is_refused(text: bytes) -> None:
    with pytest.raises(BackupError):
        run_through(EnvelopeDecryptor(bytes.fromhex(KEY)), text)


def test_a_wrong_or_missing_key_is_said_without_showing_one() -> None:
    text = json.dumps(sealed(ROWS)).encode()
    wrong = "ab" * 32
    for decryption, message in (
        (Decryption.parse([wrong]), "the key does not fit"),
        (Decryption.parse(), "one key is needed, and none were given"),
        (Decryption.parse([wrong, KEY]), "one key is needed, and 2 were given"),
        (Decryption.parse(passphrase="something else"), "one key is needed"),
    ):
        with pytest.raises(CryptoError, match=message) as caught:
            decrypt(decryption, text)
        assert wrong not in repr(caught.value) and KEY not in repr(caught.value)


def test_memory_does_not_grow_with_the_file() -> None:
    import tracemalloc

    fields = sealed(random.Random(1).randbytes(8_000_000))
    text = json.dumps(fields).encode()
    del fields
    stage = EnvelopeDecryptor(bytes.fromhex(KEY))
    tracemalloc.start()
    for start in range(0, len(text), 65536):
        stage.update(text[start : start + 65536])
    stage.finalize()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
