"""The settings of a DIMSE source: where it listens, who may call, what is taken, and TLS."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

VERIFICATION = "1.2.840.10008.1.1"
"""SOP Class UID of C-ECHO (PS3.4 A.4)."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")]


TRIAL = "STOWGATE_TEST"
"""Who a source is called as by whoever tries it out here; its being turned away is nobody's matter."""


def address_of(text: str) -> tuple[str, int]:
    """Host without brackets and port of "HOST:PORT"; ValueError for a port there cannot be."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("must end in a port from 0 to 65535")
    return host.strip("[]"), int(port)


class Caller(_Section):
    """Somebody who may send: application entity title and address together."""

    ae: AETitle = Field(description="Calling AE title, exactly as the sender gives it.")
    ip: str = Field(description='Address or network of the sender, such as "192.168.5.20" or "192.168.5.0/24".')

    @field_validator("ip")
    @classmethod
    def _is_network(cls, ip: str) -> str:
        try:
            ipaddress.ip_network(ip, strict=False)
        except ValueError:
            raise ValueError("must be an IP address or network") from None
        return ip


class DimseTls(_Section):
    """TLS for a DIMSE source (PS3.15 B.12); such a source has a port of its own, 2762 by custom."""

    certificate: Path = Field(description="PEM file of the certificate.")
    key: Path = Field(description="PEM file of its private key.")
    ca: Path | None = Field(default=None, description="PEM file of the authorities that senders' certificates are by.")
    mutual: bool = Field(default=True, description="Whether senders have to show a certificate, too.")


class Dimse(_Section):
    """A [[source]] of kind "dimse": scanners send by C-STORE."""

    kind: Literal["dimse"] = Field(description="Scanners send by C-STORE.")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the source in counts and logs: small letters, digits, - and _."
    )
    listen: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")] = Field(description='Where it listens, "HOST:PORT".')
    ae: AETitle = Field(default="STOWGATE", description="Our AE title; calls to another one are rejected.")
    allow: tuple[Caller, ...] = Field(
        default=(), description="Who may send. Others are rejected, and `stowgate source list` shows them."
    )
    sop_classes: tuple[str, ...] = Field(default=(), description="SOP Class UIDs that are taken; empty for all.")
    transfer_syntaxes: tuple[str, ...] = Field(
        default=(), description="Transfer Syntax UIDs that are taken; empty for all."
    )
    tls: DimseTls | None = Field(default=None, description="TLS; without it the source speaks in clear.")
    max_associations: int = Field(default=50, ge=1, le=1000, description="Associations at the same time.")
    max_per_ip: int = Field(default=64, ge=1, le=1000, description="Connections of one address that may wait.")
    complete_after: float = Field(
        default=600.0,
        gt=0,
        description="Seconds without a new object after which a study counts as complete, unless it is all there.",
    )
    issuer: str = Field(
        default="", max_length=64, description="Who issued the patient IDs of this source, where objects do not say."
    )

    @field_validator("listen")
    @classmethod
    def _has_port(cls, listen: str) -> str:
        address_of(listen)
        return listen

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return address_of(self.listen)

    def allows(self, calling: str, address: str) -> bool:
        """Whether this caller is on the list."""
        found = ipaddress.ip_address(address.partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        return any(one.ae == calling and found in ipaddress.ip_network(one.ip, strict=False) for one in self.allow)
