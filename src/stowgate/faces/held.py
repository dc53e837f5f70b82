"""The keys of a spool as commands need them: there, whole, and those that what is held was made with."""

from __future__ import annotations

from pathlib import Path

from stowgate.errors import Misconfigured, StowgateError
from stowgate.settings import Profile, Settings
from stowgate.store.custody_view import read_custody
from stowgate.vault.epochs import look
from stowgate.vault.folder import KEY, LEDGER, key_name
from stowgate.vault.key import Key, load
from stowgate.vault.unit_key import EPOCHS, Keyring, UnitKey, has_epochs, load_unit_key


def project_key(settings: Settings, spool: Path) -> Key:
    """The project key. Misconfigured: "key_missing" and the like, "wrong_key" where the ledger is another's."""
    key = load(settings.state.key or f"file:{spool / KEY}")
    owner = _owner(spool / LEDGER)
    if owner not in ("", key.id):
        raise Misconfigured("wrong_key", f"it was made with key {owner}, this is key {key.id}")
    return key


def recipient_key(one: Profile, spool: Path) -> Key | None:
    """The key of a [[profile]], None where it is made at the first start. Misconfigured as `project_key`."""
    path, owner = spool / key_name(one.name), _owner(spool / LEDGER, one.name)
    if not (one.key or owner or path.exists()):
        return None
    key = load(one.key or f"file:{path}")
    if owner not in ("", key.id):
        raise Misconfigured("wrong_key", f"profile {one.name} was made with key {owner}, this is key {key.id}")
    return key


def unit_key(settings: Settings, spool: Path, base: Path) -> UnitKey:
    """The unit's key. Misconfigured: "key_missing" and the like, "wrong_key" where it does not open the spool."""
    key = load_unit_key(settings.spool.key, spool, Keyring(base))
    foreign = look(spool / EPOCHS, key).foreign if has_epochs(spool) else frozenset()
    if foreign:
        raise Misconfigured("wrong_key", f"key {key.id} does not open {len(foreign)} of the spool's epochs")
    return key


def _owner(ledger: Path, profile: str = "") -> str:
    """A ledger that cannot be read says nothing here: what is wrong with it is said where it is opened."""
    try:
        with read_custody(ledger) as view:
            return view.key_of_profile(profile) if profile else view.owner()
    except StowgateError:
        return ""
