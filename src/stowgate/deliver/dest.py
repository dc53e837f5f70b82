"""What the settings of every [[dest]] have in common; each kind adds its own beside its sink."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stowgate.deliver.sink import Sink
from stowgate.outbox.timetable import bandwidth_of, hours_of


class Dest(BaseModel):
    """One destination. `kind` and `evidence` are those of its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the destination in counts and logs: small letters, digits, - and _."
    )
    bwlimit: str = Field(
        default="",
        description='Bandwidth, in the words of rclone: "512K", or through the day "08:00,512K 20:00,off"; empty for '
        "all there is. K, M, G are powers of 1024, bytes each second.",
    )
    hours: tuple[str, ...] = Field(
        default=(), description='When something is sent, such as "Mon-Fri 20:00-06:00" or "Sat-Sun"; empty for always.'
    )
    workers: int = Field(
        default=4,
        ge=1,
        le=16,
        description="How many parcels are under way at a time, at most: one to begin with, and one more as long as "
        "that is measured to get more through.",
    )

    @field_validator("bwlimit")
    @classmethod
    def _is_bandwidth(cls, bwlimit: str) -> str:
        bandwidth_of(bwlimit)
        return bwlimit

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, hours: tuple[str, ...]) -> tuple[str, ...]:
        hours_of(hours)
        return hours

    @property
    def where(self) -> str:
        """The place, for people."""
        return ""

    def sink(self) -> Sink:
        """One way in to it; each worker has its own."""
        raise TypeError("a kind of destination makes its sink")
