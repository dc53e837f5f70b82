"""A DICOMweb peer that remembers all that came, and whose first answer can be every mix that an answer can be."""

from __future__ import annotations

import json

from tests.deliver.web import JSON, Reply, Web


class Mixed(Web):
    """See `Web`.

    came   -- every file that it was to store, however often
    mixes  -- whether it says of the first request also what is below, and of UIDs that were in none
    warned -- the UID that it stores with a warning
    both   -- a UID that it says it stored, whatever else it says of it
    silent -- of the first request alone, then
    """

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.mixes, self.warned, self.both = False, "", ""
        super().__init__()
        self.keeps = lambda file: self.came.append(file) or file  # type: ignore[func-returns-value]

    def stored(self, body: bytes, kind: str) -> Reply:
        code, headers, said = super().stored(body, kind)
        if not self.mixes or len(self.posts) > 1:
            return code, headers, said
        self.silent = set()
        told = json.loads(said)
        good, bad = told["00081199"]["Value"], told["00081198"]["Value"]
        for one in good:
            if one["00081155"]["Value"] == [self.warned]:
                one["00081196"] = {"vr": "US", "Value": [0xB000]}
        names = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in ("2.25.1", "2.25.2")]
        good += [{"00081155": {"vr": "UI", "Value": [self.both]}}, names[0]]
        bad.append({**names[1], "00081197": {"vr": "US", "Value": [0xC000]}})
        return code, JSON, json.dumps(told).encode()
