"""What was usual before, so that a fleet is compared with what it was: written to and read from JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from stowgate.analyse.features import NAMES
from stowgate.analyse.outliers import Centre
from stowgate.errors import Misconfigured

KIND, VERSION = "stowgate-baseline", 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """Centres by protocol."""

    centres: Mapping[str, Centre] = field(default_factory=dict)

    @classmethod
    def of(cls, centres: Mapping[str, Centre], before: Baseline | None = None) -> Baseline:
        """These, with what was known before of other protocols."""
        return cls({**(before.centres if before else {}), **centres})

    def to_json(self) -> str:
        """As a file holds it; NaN is null."""
        protocols = {
            name: {
                "number": centre.number,
                "features": {
                    feature: {"middle": middle, "scale": scale}
                    for feature, middle, scale in zip(NAMES, centre.middle, centre.scale, strict=True)
                    if math.isfinite(middle)
                },
            }
            for name, centre in sorted(self.centres.items())
        }
        return json.dumps({"kind": KIND, "version": VERSION, "protocols": protocols}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Baseline:
        """Raises Misconfigured("bad_baseline") for what is none, or of another version."""
        try:
            told = json.loads(text)
            if (told["kind"], told["version"]) != (KIND, VERSION):
                raise ValueError
            return cls({name: _centre(one) for name, one in told["protocols"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Misconfigured("bad_baseline") from None


def _centre(told: Mapping[str, object]) -> Centre:
    features = told["features"]
    if not isinstance(features, dict) or not isinstance(told["number"], int):
        raise TypeError
    pairs = [features.get(name, {"middle": math.nan, "scale": math.nan}) for name in NAMES]
    middle, scale = (tuple(float(pair[key]) for pair in pairs) for key in ("middle", "scale"))
    if any(one <= 0 for one in scale):
        raise ValueError
    return Centre(middle, scale, told["number"])
