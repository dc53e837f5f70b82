"""A DICOMweb server as a destination: STOW-RS of the exact stored bytes, reconciled by UID; QIDO-RS as evidence."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from stowgate.deliver.dest import Dest
from stowgate.deliver.dest_tls import DestTls, context_of
from stowgate.deliver.http import Broken, ask, client, is_json
from stowgate.deliver.multipart import Body
from stowgate.deliver.sink import Answer, Found, Instance, Journal, Parcel, Sink, Trial
from stowgate.deliver.status import REFUSED
from stowgate.deliver.stow_answer import instances_of, said_of
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence
from stowgate.vault.secret import load

if TYPE_CHECKING:
    import httpx

_JSON = {"Accept": "application/dicom+json"}
_UNKNOWN, _LATER = Answer(Delivery.SENT, "peer_broke_off"), Answer(Delivery.QUEUED, "peer_broke_off")
_UNSAID = Answer(Delivery.SENT, "peer_said_nothing")
_AT_ONCE = 20
"""UIDs of one question: an address has to stay short."""


class StowDest(Dest):
    """A [[dest]] of kind "stow": a DICOMweb server."""

    kind: Literal["stow"] = Field(description="Objects are sent by STOW-RS.")
    url: str = Field(description='Address of its DICOMweb service, such as "https://pacs.example/dicom-web".')
    auth: str = Field(
        default="",
        pattern=r"^(|file:.+|env:[A-Za-z_][A-Za-z0-9_]*|systemd:[A-Za-z0-9_.-]+)$",
        description='Bearer token, or with user the password: "env:NAME", "file:PATH" or "systemd:NAME".',
    )
    user: str = Field(
        default="", max_length=64, pattern=r"^[!-9;-~]*$", description="User name, for basic authentication."
    )
    evidence: Literal["status", "presence"] = Field(
        default="presence", description="presence asks by QIDO-RS whether it is there; status trusts its word."
    )
    tls: DestTls | None = Field(default=None, description="Authorities and certificate of our own, for https.")

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname or found.username or found.query:
            raise ValueError("must be an address that begins with http:// or https:// and holds no user")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _user_has_password(self) -> StowDest:
        if self.user and not self.auth:
            raise ValueError("needs auth with user")
        return self

    @property
    def where(self) -> str:
        """The address."""
        return self.url

    def sink(self) -> Sink:
        """See `Dest.sink`."""
        return StowSink(self.url, self.auth, self.user, self.tls)


class StowSink:
    """See `deliver.sink.Sink`. What the answer does not speak of is sent by itself, or asked for."""

    def __init__(self, url: str, auth: str = "", user: str = "", tls: DestTls | None = None) -> None:
        self._url, self._auth, self._user, self._tls = url, auth, user, tls
        self._client: httpx.Client | None = None

    def open(self) -> None:
        """Read secrets and certificates anew: they may have been renewed."""
        self.close()
        secret = load(self._auth, shortest=4).text if self._auth else ""
        if self._user:
            secret = "Basic " + base64.b64encode(f"{self._user}:{secret}".encode()).decode("ascii")
        elif secret:
            secret = f"Bearer {secret}"
        self._client = client(context_of(self._tls) if self._tls else None, secret)

    def close(self) -> None:
        """Let go of the connections."""
        if self._client:
            self._client.close()
            self._client = None

    def reachable(self) -> bool:
        """Whether somebody listens there."""
        import socket

        found = urlsplit(self._url)
        try:
            place = (found.hostname or "", found.port or (443 if found.scheme == "https" else 80))
            socket.create_connection(place, 5.0).close()
        except (OSError, OverflowError, UnicodeError, ValueError):
            return False
        return True

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:  # noqa: ARG002 - half a request is none
        """Together, then one by one what a refusal of all did not speak of."""
        answers, unsaid = self._sent(parcel.instances)
        if len(parcel.instances) == 1:
            return {**answers, **dict.fromkeys(unsaid, REFUSED)}
        for one in parcel.instances:
            if one.uid in unsaid:
                alone, left = self._alone(one)
                answers |= {**alone, **dict.fromkeys(left, REFUSED)}
                if any(answer is _LATER or answer is _UNKNOWN for answer in alone.values()):
                    break
        return {one.uid: answers.get(one.uid, _LATER) for one in parcel.instances}

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:  # noqa: ARG002 - the peer itself says it
        """By QIDO-RS: as lists, then one by one for those that a list does not find."""
        there: set[str] = set()
        instances = parcel.instances
        for at in range(0, len(instances), _AT_ONCE):
            there |= self._there(instances[at : at + _AT_ONCE])
        for one in instances:
            if len(instances) > 1 and one.uid not in there:
                there |= self._there([one])
        present, lost = Found(Evidence.PRESENCE), Found(code="peer_lost_object")
        return {one.uid: present if one.uid in there else lost for one in instances}

    def read_back(self, instance: Instance) -> Found:  # noqa: ARG002 - it is not asked for its bytes yet
        """Nothing: not read again here."""
        return Found()

    def trial(self) -> Iterator[Trial]:
        """Ask it by QIDO-RS for an instance that nobody has."""
        try:
            self.open()
            found = self._asked(f"{self._url}/instances?SOPInstanceUID=2.25.0&limit=1")
        except (Misconfigured, Temporary) as error:
            yield Trial("QIDO-RS", str(error), error.code)
            return
        if found:
            yield Trial("QIDO-RS", "It knows an instance that nobody can have made.", "peer_not_dicom")
        else:
            yield Trial("QIDO-RS", "It answers, and can be asked what it has.")

    def _alone(self, one: Instance) -> tuple[dict[str, Answer], set[str]]:
        """As `_sent`; what fails now is a failure of the way, because others were answered for already."""
        try:
            return self._sent((one,))
        except Temporary:
            return {one.uid: _LATER}, set()

    def _sent(self, instances: Sequence[Instance]) -> tuple[dict[str, Answer], set[str]]:
        """Answers by UID, and those that a refusal does not speak of."""
        body = Body(instances, os.urandom(16).hex())
        headers = {**_JSON, "Content-Type": body.content_type, "Content-Length": str(len(body))}
        uids = [one.uid for one in instances]
        try:
            answered = ask(self._opened(), "POST", f"{self._url}/studies", headers, iter(body))
        except Broken:
            return {uid: _UNKNOWN if uid in body.sent else _LATER for uid in uids}, set()
        said = said_of(answered.body, uids) if is_json(answered) else {}
        unsaid = {uid for uid in uids if uid not in said}
        if answered.code < 300:
            if not is_json(answered):  # a log-in page says 200, too
                raise Temporary("peer_not_dicom", self._url)
            return {**dict.fromkeys(unsaid, _UNSAID), **said}, set()
        if answered.code == 409 and len(uids) == 1:  # some say so of what they have: asking tells whether it is ours
            return {**dict.fromkeys(unsaid, Answer(Delivery.SENT)), **said}, set()
        if answered.code == 404 and not said:
            raise Misconfigured("peer_not_dicom", self._url)
        return said, unsaid

    def _there(self, instances: Sequence[Instance]) -> set[str]:
        uids = [one.uid for one in instances]
        where = f"{self._url}/studies/{instances[0].ref.names.study}/instances"
        return self._asked(f"{where}?SOPInstanceUID={','.join(uids)}&limit={len(uids)}", len(uids) > 1) & set(uids)

    def _asked(self, address: str, as_list: bool = False) -> set[str]:
        """UIDs in the answer to a question; a list that it does not understand finds nothing."""
        try:
            answered = ask(self._opened(), "GET", address, _JSON)
            if answered.code == 404 or (answered.code >= 400 and as_list):  # some say 404 of a study that is not there
                return set()
            if answered.code >= 400:
                raise Misconfigured("peer_cannot_be_asked", self._url)
            if answered.body and not is_json(answered):
                raise Temporary("peer_not_dicom", self._url)
            return instances_of(answered.body)
        except ValueError:
            raise Temporary("peer_not_dicom", self._url) from None
        except Broken:
            raise Temporary("peer_broke_off", self._url) from None

    def _opened(self) -> httpx.Client:
        if self._client is None:
            self.open()
        assert self._client is not None  # noqa: S101 - just opened
        return self._client
