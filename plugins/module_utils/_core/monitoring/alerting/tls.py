"""How the servers of the channels prove who they are, and what it means when they cannot be reached."""

from __future__ import annotations

import ssl

from .retry import DeliveryError
from .text import one_line


def client_context(ca_cert: str | None) -> ssl.SSLContext:
    """Certificates are checked against *ca_cert*, or against the system's authorities where it is None."""
    try:
        return ssl.create_default_context(cafile=ca_cert)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(
            f"ca_cert cannot be read: {ca_cert}: {error}", hint="it is a file of certificates as PEM text"
        ) from error


def unreached(error: object, server: str) -> DeliveryError:
    """The error for what the network, or the system's TLS, says of *server*."""
    told = one_line(str(error)) or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryError(
            f"{server} does not prove who it is: {told}", hint="ca_cert names the file of another authority"
        )
    # A connection that is cut while it is made is no matter of TLS, whoever notices it.
    lasting = isinstance(error, ssl.SSLError | ValueError) and not isinstance(error, ssl.SSLEOFError)
    return DeliveryError(f"{server} cannot be reached: {told}", transient=not lasting)
