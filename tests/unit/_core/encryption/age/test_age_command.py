"""Agreement in both directions with the ``age`` command. With keys only: its passphrases want a terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.age import X25519Identity, parse_identities
from support.age_files import BORDER_SIZES, decrypt, encrypt, plaintext
from support.programs import find_tool

both_forms = pytest.mark.parametrize("armor", [False, True], ids=["binary", "armored"])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[X25519Identity, Path]]:
    """Three identities, each in a file for the command."""
    folder = tmp_path_factory.mktemp("keys")
    made = [(X25519Identity.generate(), folder / f"key{number}") for number in range(3)]
    for identity, path in made:
        path.touch(0o600)
        path.write_text(f"# public key: {identity.recipient}\n{identity}\n")
    return made


def _run(*command: str | Path, data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@both_forms
def test_age_reads_ours_with_each_of_several_recipients(
    age: Path, keys: list[tuple[X25519Identity, Path]], armor: bool
) -> None:
    for size in BORDER_SIZES:
        data = encrypt(plaintext(size), [identity.recipient for identity, _ in keys], armor=armor)
        for _, path in keys:
            assert _run(age, "-d", "-i", path, data=data) == plaintext(size)


@both_forms
def test_we_read_age_with_each_of_several_recipients(
    age: Path, keys: list[tuple[X25519Identity, Path]], armor: bool
) -> None:
    recipients = [word for identity, _ in keys for word in ("-r", str(identity.recipient))]
    for size in BORDER_SIZES:
        data = _run(age, "-e", *recipients, *(["-a"] if armor else []), data=plaintext(size))
        for identity, _ in keys:
            outcome = decrypt(data, [identity], sizes=(50_000,))
            assert outcome.error is None
            assert outcome.released == plaintext(size)


def test_age_refuses_ours_cut_at_the_end_of_a_chunk(age: Path, keys: list[tuple[X25519Identity, Path]]) -> None:
    data = encrypt(plaintext(131072), [keys[0][0].recipient])[: -65536 - 16]
    with pytest.raises(subprocess.CalledProcessError):
        _run(age, "-d", "-i", keys[0][1], data=data)


def test_the_file_of_age_keygen_is_read() -> None:
    keygen = find_tool("age-keygen")
    if keygen is None:
        pytest.skip("age-keygen is not here: `make tools` found no way to get it")
    text = _run(keygen).decode()
    [identity] = parse_identities(text)
    assert f"# public key: {identity.recipient}\n" in text
    assert f"\n{identity}\n" in text
