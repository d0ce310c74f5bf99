"""How the servers of the channels prove who they are, and what it means when they cannot be reached."""

from __future__ import annotations

import ssl

from ...web import https
from .retry_budget import DeliveryError


def client_context(ca_cert: str | None) -> ssl.SSLContext:
    """Certificates are checked against *ca_cert*, or against the system's authorities where it is None."""
    try:
        return https.client_context(ca_cert)
    except https.Unreached as error:
        raise undelivered(error) from error


def unreached(error: object, server: str) -> DeliveryError:
    """The error for what the network, or the system's TLS, says of *server*."""
    return undelivered(https.unreached(error, server))


def undelivered(error: https.Unreached) -> DeliveryError:
    """The error for a message to which the server has not answered."""
    return DeliveryError(str(error), hint=error.hint, transient=error.transient)
