"""The library's front door: de-identify a data set, bytes or a folder. The command line is a skin over it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stowgate.batch import Settled
from stowgate.deident.actions import Record
from stowgate.deident.explain import Recorder
from stowgate.deident.profile import policy_from
from stowgate.dicom.emit import MemoryEmitter
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.source import ByteSource, MemorySource
from stowgate.errors import Rejected
from stowgate.folder_run import Report, Request, opened
from stowgate.layout import DEFAULT as DEFAULT_LAYOUT
from stowgate.objects import Change, Clean
from stowgate.pipeline import cleaned, in_plain_encoding
from stowgate.policy import Policy
from stowgate.vault.key import Key
from stowgate.verify import gate

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def deidentify_bytes(
    data: bytes, policy: Policy, key: bytes, issuer: str = "", record: Record | None = None, limits: Limits = DEFAULT
) -> bytes:
    """De-identify one Part 10 object in memory; `data` is not changed.

    key -- the project key, 32 bytes. Raises `Rejected` with the code of why it is held, quarantined or was stopped by
    the gate.
    """
    return _in_memory(data, policy, key, issuer, record, limits)[0]


def _in_memory(
    data: bytes, policy: Policy, key: bytes, issuer: str, record: Record | None, limits: Limits
) -> tuple[bytes, Clean]:
    def emitted(source: ByteSource) -> tuple[bytes, Clean]:
        clean = cleaned(source, policy, key, issuer, limits, record=record)
        emitter = MemoryEmitter()
        emitter.emit(clean.pieces, source)
        gate.check(source, MemorySource(emitter.data), policy, clean.names, "", key)
        return bytes(emitter.data), clean

    with tempfile.TemporaryDirectory(prefix="stowgate-") as folder:
        return in_plain_encoding(MemorySource(data), limits, Path(folder), emitted)


@dataclass(frozen=True, slots=True)
class Result:
    """A de-identified data set and what was done to it."""

    dataset: Dataset
    report: ObjectReport


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What was done to one object: the changes in order, with new values only, and codes of what was noticed."""

    changes: tuple[Change, ...] = field(repr=False)
    findings: tuple[str, ...]
    counts: dict[str, int]
    policy: str
    """Digest of the policy."""


def deidentify(
    dataset: Dataset,
    profile: str | Policy = "basic",
    key: bytes | Key | None = None,
    *,
    retain: Iterable[str] = (),
    clean: Iterable[str] = (),
    issuer: str = "",
) -> Result:
    """De-identify a pydicom data set; the input stays untouched.

    profile -- "basic" with the options named in `retain` and `clean`, or a whole `Policy`
    key     -- the project key (`vault.key.Key`, or its 32 bytes); without one the result can never be joined by
               another object of the same patient, because a key of its own is made and forgotten
    Raises `Rejected` with the code of why the object is held or quarantined, `Misconfigured` for a wrong option.
    """
    policy = profile if isinstance(profile, Policy) else policy_from(profile, retain, clean)
    recorder = Recorder()
    data, found = _in_memory(_written(dataset), policy, _secret(key), issuer, recorder.record, DEFAULT)
    return Result(_read(data), ObjectReport(recorder.changes, found.findings, found.counts, policy.digest))


def deidentify_folder(
    inputs: Path | str | Iterable[Path | str],
    out: Path | str,
    profile: str | Policy = "basic",
    *,
    retain: Iterable[str] = (),
    clean: Iterable[str] = (),
    state: Path | str | None = None,
    layout: str = DEFAULT_LAYOUT,
    workers: int = 1,
    limit: int | None = None,
    dry_run: bool = False,
    each: Callable[[Settled], None] = lambda _settled: None,
) -> Report:
    """De-identify files and folders into a clean tree below `out`; what `stowgate deid` does.

    state -- folder of the project key and the ledger; default ${XDG_STATE_HOME:-~/.local/state}/stowgate
    each  -- told of every input once it is durable
    Raises `Misconfigured` when a person has to change something, `Temporary` when the disk fails; a repeat goes on.
    """
    policy = profile if isinstance(profile, Policy) else policy_from(profile, retain, clean)
    places = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    request = Request(
        [Path(place) for place in places],
        Path(out),
        policy,
        None if state is None else Path(state),
        layout=layout,
        workers=workers,
        limit=limit,
        dry_run=dry_run,
    )
    with opened(request) as run:
        for settled in run.settled():
            each(settled)
        return run.report()


def _secret(key: bytes | Key | None) -> bytes:
    if key is None:
        return Key.new().secret
    return key.secret if isinstance(key, Key) else Key(key).secret


def _written(dataset: Dataset) -> bytes:
    """The data set as a Part 10 object; pydicom's complaints quote values, so they go no further."""
    from pydicom import dcmwrite
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    for keyword, code in (("SOPClassUID", "missing_sop_class"), ("SOPInstanceUID", "missing_instance_uid")):
        if not dataset.get(keyword):
            raise Rejected(code)
    buffer = io.BytesIO()
    try:
        with _quiet():
            meta = FileMetaDataset(getattr(dataset, "file_meta", None) or {})
            copy = FileDataset("", dict(dataset), file_meta=meta)
            meta.TransferSyntaxUID = meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)
            dcmwrite(buffer, copy, enforce_file_format=True)
    except Exception:  # noqa: BLE001 - whatever pydicom says may quote a value
        raise Rejected("cannot_normalise") from None
    return buffer.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing that pydicom has to say about a value gets out, neither as a warning nor into a log."""
    import logging
    import warnings

    logger = logging.getLogger("pydicom")
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _read(data: bytes) -> Dataset:
    from pydicom import dcmread

    return dcmread(io.BytesIO(data))
