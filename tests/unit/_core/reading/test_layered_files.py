"""What is inside of a file's encryption and compression, and what a restore opens to read it."""

from __future__ import annotations

import contextlib
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption import identities
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.ciphers import CIPHERS
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.detect import GZIP, XZ
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.identities import Decryption
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, FormatError, SourceError
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.access import open_access
from ansible_collections.mobul.backup.plugins.module_utils._core.reading.legacy_file import (
    STEP,
    FileStream,
    LayeredFile,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.file_contents import FileContents
from ansible_collections.mobul.backup.plugins.module_utils._core.stream.files import READ_BYTES, RegularFile
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = "0123456789abcdef" * 4
SCRIPT = b"-- PostgreSQL database dump\nSELECT 1;\n-- PostgreSQL database dump complete\n"


def enveloped(data: bytes) -> bytes:
    """An envelope of AES-256-GCM around *data*."""
    iv = bytes(range(16))
    whole = AESGCM(bytes.fromhex(KEY)).encrypt(iv, data, None)
    return json.dumps({"iv": iv.hex(), "authTag": whole[-16:].hex(), "data": whole[:-16].hex()}).encode()


def opened(path: Path, data: bytes) -> RegularFile:
    """A file with *data* in it."""
    path.write_bytes(data)
    return RegularFile(str(path), step=STEP)


def test_layers_come_off_from_the_outermost_to_the_innermost_every_time(tmp_path: Path) -> None:
    with opened(tmp_path / "old", gzip.compress(enveloped(lzma.compress(SCRIPT)))) as file:
        layered = LayeredFile(file, Decryption.parse([KEY]))
        for _reading in range(2):
            unwrapped = layered.unwrap_layers()
            assert unwrapped.layers == (GZIP, CIPHERS["envelope"].formats[0], XZ)
            assert unwrapped.head == SCRIPT
            assert b"".join(unwrapped.pieces) == SCRIPT


def test_what_lies_below_more_layers_than_any_procedure_makes_is_no_text(tmp_path: Path) -> None:
    data = SCRIPT
    for _layer in range(5):
        data = gzip.compress(data)
    with opened(tmp_path / "old", data) as file:
        unwrapped = LayeredFile(file, Decryption.parse()).unwrap_layers()
    assert unwrapped.problem == "it is gzip"
    assert len(unwrapped.layers) == 4


def test_a_file_that_expands_beyond_what_is_allowed_ends_and_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identities, "_ALWAYS_ALLOWED", 100_000)
    with opened(tmp_path / "bomb", gzip.compress(gzip.compress(bytes(20_000_000)))) as file:
        with pytest.raises(FormatError, match=r"come more than 100,000 .*raise max_expansion"):
            list(LayeredFile(file, Decryption.parse(max_expansion=10)).unwrap_layers().pieces)
        assert (
            sum(map(len, LayeredFile(file, Decryption.parse(max_expansion=1_000_000)).unwrap_layers().pieces))
            == 20_000_000
        )


def test_only_one_layer_may_take_much_memory(tmp_path: Path) -> None:
    with opened(tmp_path / "old", lzma.compress(gzip.compress(lzma.compress(SCRIPT)))) as file:
        unwrapped = LayeredFile(file, Decryption.parse()).unwrap_layers()
    assert unwrapped.layers == (XZ, GZIP)
    assert unwrapped.problem == "it is xz"


def test_a_script_in_an_envelope_is_read_for_a_database(tmp_path: Path) -> None:
    with opened(tmp_path / "old.enc", enveloped(SCRIPT)) as file:
        contents = FileContents(file, Decryption.parse([KEY]))
        read: list[bytes] = []
        contents.source().run(read.append)
    assert b"".join(read) == SCRIPT
    assert contents.toc is None


def test_a_file_that_changes_between_two_readings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old"
    with opened(path, b"x" * (2 * READ_BYTES)) as file:
        stream = FileStream(LayeredFile(file, Decryption.parse()))
        stream.run(len)
        with path.open("ab") as more:
            more.write(b"x")
        with pytest.raises(SourceError, match="changed while it was read"):
            stream.run(len)


@pytest.fixture
def params() -> dict[str, Any]:
    """The parameters that the modules have in common, with nothing that a set could be read from."""
    keys = dict.fromkeys(["passphrase", "gnupghome", "openssl_kdf", "openssl_md", "openssl_iter", "src", "location"])
    broken = {"name": "broken", "type": "local", "path": "not absolute"}
    return {
        **keys,
        "max_expansion": 2000,
        "max_toc_size": 128,
        "identities": [],
        "verify_key": ["/nowhere/signing.pub"],
        "locations": [broken],
    }


def test_a_file_is_opened_without_a_look_at_what_only_sets_need(params: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(SCRIPT)
    with contextlib.ExitStack() as stack:
        access = open_access({**params, "src": str(tmp_path / "old")}, stack)
        assert access.file is not None
        assert access.file.read_at(0, 100) == SCRIPT
        assert (access.verify_keys, access.locations) == ((), ())
    with contextlib.ExitStack() as stack, pytest.raises(BackupError, match="read the verify key"):
        open_access(params, stack)


def test_only_the_location_that_was_named_is_taken(params: dict[str, Any], tmp_path: Path) -> None:
    places = [{"name": name, "type": "local", "path": str(tmp_path / name)} for name in ("near", "far")]
    given = {**params, "verify_key": [], "locations": places}
    with contextlib.ExitStack() as stack:
        assert [one.name for one in open_access(given, stack).locations] == ["near", "far"]
        assert [one.name for one in open_access({**given, "location": "far"}, stack).locations] == ["far"]
        with pytest.raises(BackupError, match="there is no location 'elsewhere'"):
            open_access({**given, "location": "elsewhere"}, stack)
