"""What a DICOMweb server is asked: to store, what it has, and what it holds; with the log-in of its destination."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stowgate.deliver.dest_tls import DestTls, context_of
from stowgate.deliver.http import Answered, Broken, Heard, client, exchange, is_json, judge, whole
from stowgate.deliver.login import Access, Fixed, Login, login_of
from stowgate.deliver.multipart import Body
from stowgate.deliver.sink import Found, Instance
from stowgate.deliver.stow_answer import instances_of
from stowgate.errors import Misconfigured, Temporary
from stowgate.vault.secret import Secret

if TYPE_CHECKING:
    import httpx

_JSON = {"Accept": "application/dicom+json"}
_NOBODY = "2.25.0"
"""A UID that no object has."""

_GONE = frozenset((404, 410))
_AGAIN = 300.0
"""Seconds until an object is asked for again whose retrieval the server stumbles over."""


class DicomWeb:
    """One server. Errors are those of `deliver.http`."""

    def __init__(self, url: str, access: Access, tls: DestTls | None) -> None:
        self._url, self._access, self._tls = url, access, tls
        self._client: httpx.Client | None = None
        self._login: Login = Fixed(Secret(""))
        self._gives = False
        """Whether it has given an object back before."""

    def open(self) -> None:
        """Read secrets and certificates anew: they may have been renewed. A token stays while its secret does."""
        self.close()
        login = login_of(self._access, self._tls)
        if login != self._login:
            self._login = login
        self._client = client(self._url, context_of(self._tls) if self._tls else None)

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

    def log_in(self) -> None:
        """Get what has to be shown."""
        self._login.header()

    def store(self, instances: Sequence[Instance]) -> tuple[Answered | None, set[str]]:
        """STOW-RS (PS3.18 10.5). The answer, None where the connection broke; and which UIDs went out whole.

        500 is left to the caller: many say so of one object that they stumble over.
        """
        body = Body(instances, os.urandom(16).hex())
        headers = {**_JSON, "Content-Type": body.content_type, "Content-Length": str(len(body))}
        try:
            with self._asked("POST", f"{self._url}/studies", headers, body) as heard:
                return whole(heard, spared=(500,)), body.sent
        except Broken:
            return None, body.sent

    def there(self, instances: Sequence[Instance]) -> set[str]:
        """UIDs among these of one study that it has, by QIDO-RS (PS3.18 10.6).

        A list that it does not understand finds nothing. Misconfigured("peer_cannot_be_asked") where it cannot say.
        """
        uids = [one.uid for one in instances]
        where = f"{self._url}/studies/{instances[0].ref.names.study}/instances"
        return self._found(f"{where}?SOPInstanceUID={','.join(uids)}&limit={len(uids)}", len(uids) > 1) & set(uids)

    def knows_nobody(self) -> bool:
        """Whether it finds nothing where nothing can be."""
        return not self._found(f"{self._url}/instances?SOPInstanceUID={_NOBODY}&limit=1", as_list=False)

    def may_give(self) -> bool:
        """Whether it can be asked for objects at all, as far as it says so of one that is not there."""
        with self._wado(_NOBODY, _NOBODY, _NOBODY) as heard:
            return heard.code < 300 or heard.code in _GONE

    def read_back(self, instance: Instance) -> Found:
        """What it holds of this one, by WADO-RS (PS3.18 10.4): see `Sink.read_back`.

        Found(wait) where it stumbles over this one; "peer_reencoded" where it gives another transfer syntax.
        """
        from stowgate.deliver.wado import compared

        names = instance.ref.names
        try:
            with self._wado(names.study, names.series, instance.uid) as heard:
                if heard.code == 500:
                    return Found(code="peer_busy", wait=_AGAIN)
                if heard.code == 200:
                    found = compared(heard, instance)
                    self._gives = True
                    return found
                gone = heard.code in _GONE
        except Broken:
            raise Temporary("peer_broke_off", self._url) from None
        # who gives nothing back says 404, too, so the list of what it has is asked
        if gone and (self._gives or self._is_unlisted(instance)):
            return Found(code="peer_lost_object")
        return Found()

    def _is_unlisted(self, instance: Instance) -> bool:
        try:
            return instance.uid not in self.there([instance])
        except Misconfigured as error:
            if error.code != "peer_cannot_be_asked":
                raise
            return False

    @contextmanager
    def _wado(self, study: str, series: str, uid: str) -> Iterator[Heard]:
        from stowgate.deliver.wado import ACCEPT

        headers = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
        address = f"{self._url}/studies/{study}/series/{series}/instances/{uid}"
        with self._asked("GET", address, headers) as heard:
            if heard.code not in (403, 500):  # who may only send is no stranger
                judge(heard)
            yield heard

    def _found(self, address: str, as_list: bool) -> set[str]:
        """UIDs in the answer to a question."""
        try:
            with self._asked("GET", address, _JSON) as heard:
                answered = whole(heard)
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

    @contextmanager
    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes] | None = None
    ) -> Iterator[Heard]:
        """A request; after a 401 once more, where there may be a better token."""
        if self._client is None:
            self.open()
        assert self._client is not None  # noqa: S101 - just opened
        with exchange(self._client, method, url, {**headers, **self._login.header()}, body) as heard:
            if heard.code != 401 or not self._login.renew():
                yield heard
                return
        with exchange(self._client, method, url, {**headers, **self._login.header()}, body) as heard:
            yield heard
