"""Where the alerts of a test arrive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.alert_services import Desk, alert_desk
from support.certificates import Certificates, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of an authority that no system knows."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def desk(certificates: Certificates) -> Iterator[Desk]:
    """A mail server, Slack and PagerDuty."""
    with alert_desk(certificates) as found:
        yield found
