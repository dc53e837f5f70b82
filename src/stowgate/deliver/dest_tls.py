"""TLS to a destination: whom we trust, and what we show."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from stowgate.errors import Misconfigured


class DestTls(BaseModel):
    """TLS to a destination (PS3.15 B.12)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ca: Path | None = Field(
        default=None, description="PEM file of the authorities its certificate is by; else the system's."
    )
    certificate: Path | None = Field(default=None, description="PEM file of our certificate, where it wants one.")
    key: Path | None = Field(default=None, description="PEM file of our private key.")


def context_of(tls: DestTls) -> ssl.SSLContext:
    """Certificates are checked, and so is the name in them."""
    try:
        context = ssl.create_default_context(cafile=str(tls.ca) if tls.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except (OSError, ValueError):
        raise Misconfigured("peer_certificate", "files of [[dest]] tls") from None
    return context
