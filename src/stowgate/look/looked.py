"""What was seen of one object, as its looker tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stowgate.analyse.finding import Finding
from stowgate.pixels.image import Image


@dataclass(frozen=True, slots=True)
class Header:
    """Which object it is and where it was made, as its header says; "" where it does not. Of a clean object: clean.

    station  -- Station Name, else Device Serial Number, else Manufacturer's Model Name
    acquired -- seconds since 1970 (see `dicom.acquired`), None where it does not say
    burned_in -- whether Burned In Annotation says that words stand in the picture
    """

    study: str = ""
    series: str = ""
    instance: str = ""
    station: str = ""
    acquired: float | None = None
    burned_in: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """One object that has a picture.

    frames   -- how many of its frames were looked at; of very many it is some, from the first to the last
    findings -- what is amiss with them
    features -- measured numbers by name, the median over the frames; what could not be measured is left out
    urgent   -- codes of what was measured that makes a study urgent, see `analyse.measured`
    digest   -- SHA-256 (hex) of the decoded frames that were looked at: equal for equal pictures
    side     -- of a mammogram the side of the chest wall in the picture, "L" or "R"; "" where it cannot be told
    """

    header: Header = field(repr=False)
    image: Image
    frames: int
    findings: tuple[Finding, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    urgent: tuple[str, ...] = ()
    digest: str = ""
    side: str = ""

    @property
    def codes(self) -> tuple[str, ...]:
        """Of its findings, each once, in their order."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))
