"""OpenPGP keys for the tests of encryption, made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from support.gpg_keys import PASSPHRASE, GnupgHome, Keys, make_key


@pytest.fixture(scope="session", autouse=True)
def _no_gnupg_home_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing looks into the home of whoever runs the tests, or starts an agent there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNUPGHOME", str(tmp_path_factory.mktemp("none") / "gnupg"))
        yield


@pytest.fixture(scope="session")
def gpg_keys() -> Iterator[Keys]:
    """See :class:`Keys`; the homes are for reading."""
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    home, other, empty = GnupgHome(), GnupgHome(), GnupgHome()
    ops = make_key(home, "ops@example.org")
    escrow = make_key(home, "escrow@example.org")
    protected = make_key(other, "protected@example.org", passphrase=PASSPHRASE)
    # What was just typed stays in the agent's memory for a while.
    other.close()
    yield Keys(home, ops, escrow, protected, empty)
    for each in (home, other, empty):
        each.close()
