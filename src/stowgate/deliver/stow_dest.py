"""The settings of a DICOMweb server as a destination."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from stowgate.deliver.dest import Dest
from stowgate.deliver.dest_tls import DestTls
from stowgate.deliver.login import Access
from stowgate.deliver.sink import Sink
from stowgate.deliver.stow import StowSink


class StowDest(Dest):
    """A [[dest]] of kind "stow": a DICOMweb server."""

    kind: Literal["stow"] = Field(description="Objects are sent by STOW-RS.")
    url: str = Field(description='Address of its DICOMweb service, such as "https://pacs.example/dicom-web".')
    auth: str = Field(
        default="",
        pattern=r"^(|file:.+|env:[A-Za-z_][A-Za-z0-9_]*|systemd:[A-Za-z0-9_.-]+)$",
        description="Bearer token, with user the password, with token_url the secret of the client: "
        '"env:NAME", "file:PATH" or "systemd:NAME".',
    )
    user: str = Field(
        default="", max_length=64, pattern=r"^[!-9;-~]*$", description="User name, for basic authentication."
    )
    token_url: str = Field(
        default="",
        description="Where tokens are fetched by OAuth 2.0 client credentials (RFC 6749 4.4): begins with https://.",
    )
    client_id: str = Field(default="", max_length=256, description="Our name there.")
    scope: str = Field(
        default="", max_length=1024, pattern=r"^[!-~ ]*$", description="What the token is to be good for, if it asks."
    )
    audience: str = Field(
        default="", max_length=1024, pattern=r"^[!-~]*$", description="For whom the token is to be, if it asks."
    )
    evidence: Literal["status", "presence", "content"] = Field(
        default="presence",
        description="content retrieves every object again by WADO-RS and compares, which costs the way back; presence "
        "asks by QIDO-RS whether it is there; status trusts its word.",
    )
    tls: DestTls | None = Field(default=None, description="Authorities and certificate of our own, for https.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname or found.username or found.query:
            raise ValueError("must be an address that begins with http:// or https:// and holds no user")
        return url.rstrip("/")

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        found = urlsplit(url)
        near = found.hostname in ("127.0.0.1", "::1", "localhost")
        if url and (found.scheme not in ("https", "http" if near else "https") or not found.hostname or found.username):
            raise ValueError("must be an address that begins with https:// and holds no user")
        return url

    @model_validator(mode="after")
    def _fit_together(self) -> StowDest:
        if self.user and not self.auth:
            raise ValueError("needs auth with user")
        if self.token_url and not (self.auth and self.client_id):
            raise ValueError("needs auth and client_id with token_url")
        if self.token_url and self.user:
            raise ValueError("takes user or token_url, not both")
        if not self.token_url and (self.client_id or self.scope or self.audience):
            raise ValueError("needs token_url with client_id, scope and audience")
        return self

    @property
    def where(self) -> str:
        """The address."""
        return self.url

    def sink(self) -> Sink:
        """See `Dest.sink`."""
        access = Access(self.auth, self.user, self.token_url, self.client_id, self.scope, self.audience)
        return StowSink(self.url, access, self.tls, content=self.evidence == "content")
