"""What a gateway is to do, as plain data: read from the settings by a face, carried out by `opened`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.analyse import triage
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.gateway.purge import Keeping
from stowgate.gateway.ways import WayOut
from stowgate.look.looking import Looking
from stowgate.outbox.routing import Rule
from stowgate.policy import Policy
from stowgate.store.spool_folder import RESERVE


@dataclass(frozen=True, slots=True)
class Recipient:
    """A profile beside the unit's own.

    key -- reference of its key; empty: SPOOL/profile-NAME.key, made on first use
    """

    name: str
    policy: Policy
    key: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One gateway.

    base          -- folder of the configuration, which relative paths of keys count from
    unit_key      -- reference of the spool's key, see `vault.unit_key`
    project_key   -- reference of the project's key; empty: SPOOL/project.key, made on first use
    complete_after -- by source: seconds without a new object after which a study counts as complete
    issuers       -- by source: default Issuer of Patient ID
    ways, rules   -- where clean objects can go, and which go where
    recipients    -- the profiles that rules name
    keeping       -- how long what has arrived is kept
    triage        -- rules of urgency
    looking       -- what pictures are looked at for on the way
    """

    spool: Path
    policy: Policy
    base: Path = Path()
    unit: str = ""
    unit_key: str = "file:unit.key"
    project_key: str = ""
    reserve: int = RESERVE
    workers: int = 2
    limits: Limits = DEFAULT
    complete_after: Mapping[str, float] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    ways: tuple[WayOut, ...] = ()
    rules: tuple[Rule, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    keeping: Keeping = field(default_factory=Keeping)
    looking: Looking = field(default_factory=Looking)
    triage: tuple[triage.Rule, ...] = field(default_factory=triage.rules)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The descriptions that headers are looked at for."""
        return tuple(dict.fromkeys(pattern for rule in self.rules for pattern in rule.descriptions))
