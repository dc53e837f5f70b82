"""What a DICOMweb peer is shown: nothing, a password, a token of ours, or one that is fetched (RFC 6749 4.4)."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote_plus, urlencode

from stowgate.deliver.dest_tls import DestTls, context_of
from stowgate.deliver.http import Answered, Broken, client, exchange, place_of, whole
from stowgate.errors import Misconfigured, Temporary
from stowgate.vault.secret import Secret, load

_TOKEN = re.compile(r"[!-~]{1,16384}")
_EARLY, _MOST_EARLY = 0.1, 60.0
"""A token is let go of when a tenth of its time is left, or a minute."""


@dataclass(frozen=True, slots=True)
class Access:
    """How we are let in, as the settings have it.

    auth -- reference of the secret: a bearer token; with `user` a password; with `token_url` the client's secret
    """

    auth: str = ""
    user: str = ""
    token_url: str = ""
    client_id: str = ""
    scope: str = ""
    audience: str = ""


class Login(Protocol):
    """Gives the header of each request."""

    def header(self) -> dict[str, str]:
        """What to show; raises `Temporary` and `Misconfigured` where it cannot be had."""

    def renew(self) -> bool:
        """After it was not good enough: whether there may be a better one."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """See `Login`. The same for ever."""

    shown: Secret

    def header(self) -> dict[str, str]:
        """See `Login.header`."""
        return {"Authorization": self.shown.text} if self.shown.text else {}

    def renew(self) -> bool:
        """There is no other."""
        return False


@dataclass(slots=True)
class Tokens:
    """See `Login`. Fetched with our name and secret, kept until shortly before it ends; two with the same are equal."""

    access: Access
    secret: Secret
    tls: DestTls | None = None
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)
    _token: Secret = field(default=Secret(""), init=False, compare=False)
    _until: float = field(default=float("-inf"), init=False, compare=False)

    def header(self) -> dict[str, str]:
        """See `Login.header`. Temporary: "peer_unreachable", "peer_busy", "peer_gave_no_token"; Misconfigured:
        "peer_unauthorised", "peer_certificate".
        """
        if self.clock() >= self._until:
            self._fetch()
        return {"Authorization": f"Bearer {self._token.text}"}

    def renew(self) -> bool:
        """A token can end early; the next one is fetched anew."""
        self._until = float("-inf")
        return True

    def _fetch(self) -> None:
        began = self.clock()
        access, place = self.access, place_of(self.access.token_url)
        form = {"grant_type": "client_credentials", "scope": access.scope, "audience": access.audience}
        name = f"{quote_plus(access.client_id)}:{quote_plus(self.secret.text)}"  # RFC 6749 2.3.1
        headers = {
            "Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **_basic(name),
        }  # fmt: skip
        body = urlencode({key: value for key, value in form.items() if value}).encode("ascii")
        with client(access.token_url, self._context()) as who:
            try:
                with exchange(who, "POST", access.token_url, headers, body) as heard:
                    answered = whole(heard)
            except Broken:
                raise Temporary("peer_unreachable", place) from None
            except Temporary as error:
                code = "peer_gave_no_token" if error.code == "peer_not_dicom" else error.code
                raise Temporary(code, place, after=error.after) from None
        self._token, seconds = _granted(answered, place)
        self._until = began + seconds - min(_MOST_EARLY, seconds * _EARLY)

    def _context(self) -> Any:
        """Its certificate may be by an authority of the system, too, whatever the peer's is by."""
        if self.tls is None:
            return None
        context = context_of(self.tls)
        context.load_default_certs()
        return context


def login_of(access: Access, tls: DestTls | None) -> Login:
    """With the secret as it is now. Raises Misconfigured where it is not to be had."""
    if not access.auth:
        return Fixed(Secret(""))
    secret = load(access.auth, shortest=4)
    if access.token_url:
        return Tokens(access, secret, tls)
    if access.user:
        return Fixed(Secret(_basic(f"{access.user}:{secret.text}")["Authorization"]))
    return Fixed(Secret(f"Bearer {secret.text}"))


def _basic(name: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(name.encode()).decode('ascii')}"}


def _granted(answered: Answered, place: str) -> tuple[Secret, float]:
    """The token and how many seconds it is good for (RFC 6749 5.1, 5.2); for ever where that is not said."""
    try:
        said = json.loads(answered.body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    if answered.code == 400 and isinstance(said.get("error"), str):  # invalid_client, invalid_scope, ...
        raise Misconfigured("peer_unauthorised", place)
    token, kind, seconds = said.get("access_token"), said.get("token_type"), said.get("expires_in")
    is_token = isinstance(token, str) and _TOKEN.fullmatch(token)
    if answered.code != 200 or not is_token or not isinstance(kind, str) or kind.lower() != "bearer":
        raise Temporary("peer_gave_no_token", place)
    return Secret(str(token)), _seconds(seconds)


def _seconds(said: Any) -> float:
    """Some write the number as a text."""
    try:
        return max(0.0, float(said))
    except (TypeError, ValueError, OverflowError):
        return float("inf")
