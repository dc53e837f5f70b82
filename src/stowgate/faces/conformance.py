"""The DICOM conformance statement of one gateway, in the order of PS3.2 Annex N, from its running configuration."""

from __future__ import annotations

from collections.abc import Iterator

from stowgate.dicom.charset import TERMS
from stowgate.faces.conformance_delivery import folders, sections, security, used
from stowgate.faces.service import plan_of
from stowgate.ingest.calls import MAX_PDU
from stowgate.ingest.cstore_status import CLASS_DIFFERS, CLASS_NOT_TAKEN, FAILURE, NO_ROOM, NOT_UNDERSTOOD, SUCCESS
from stowgate.ingest.dimse_settings import Dimse
from stowgate.ingest.file_meta import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION
from stowgate.ingest.stow import Stow
from stowgate.policy import EDITION
from stowgate.settings import Settings
from stowgate.standard.uids import storage_sop_classes, transfer_syntaxes

_STATUS = (
    (SUCCESS, "Success", "The complete instance is on disk, synced, and in the ledger; or the same came before."),
    (NO_ROOM, "Refused: out of resources", "No room, the disk failed, or the gateway is stopping. Send again later."),
    (CLASS_DIFFERS, "Error: data set does not match SOP class", "SOP class or instance are not those announced."),
    (NOT_UNDERSTOOD, "Error: cannot understand", "The data set is cut short, damaged, or no DICOM."),
    (CLASS_NOT_TAKEN, "Refused: SOP class not supported", "The source is set to take other SOP classes only."),
    (FAILURE, "Processing failure", "A fault of the gateway; nothing was taken."),
)


def statement(settings: Settings, version: str) -> str:
    """The whole statement, in Markdown."""
    return "\n".join(_parts(settings, version)).rstrip() + "\n"


def _parts(settings: Settings, version: str) -> Iterator[str]:
    plan = plan_of(settings)
    yield f"# DICOM conformance statement: Stowgate {version}{f', unit {plan.unit}' if plan.unit else ''}\n"
    yield "## N.1 Overview\n"
    yield (
        "Stowgate takes composite instances into custody, de-identifies them by PS3.15 Annex E and keeps the result "
        "for delivery. This statement was made from the configuration of one gateway.\n"
    )
    dimse = [one for one in settings.source if isinstance(one, Dimse)]
    stow = [one for one in settings.source if isinstance(one, Stow)]
    yield from _services(settings, bool(dimse), bool(stow))
    yield "## N.4 Application entities\n"
    for source in dimse:
        yield from _entity(source)
    for web in stow:
        yield from _web(web, settings)
    yield from sections(settings)
    yield "## N.5 Media interchange\n\nFiles by PS3.10 are read from watched folders. No DICOMDIR is passed on.\n"
    if media := "\n".join(folders(settings)):
        yield f"{media}\n"
    yield (
        "## N.6 Character sets\n\n"
        + ", ".join(f"`{term}`" for term in TERMS if term)
        + " and the default repertoire.\n"
    )
    yield from _security(settings)
    yield "## N.8 De-identification\n"
    options = ", ".join(sorted(plan.policy.options)) or "no option"
    yield (
        f"Basic Application Level Confidentiality Profile of PS3.15 {EDITION} with {options}; policy digest "
        f"`{plan.policy.digest}`. See the de-identification conformance statement.\n"
    )
    for one in plan.recipients:
        options = ", ".join(sorted(one.policy.options)) or "no option"
        places = ", ".join(
            sorted({name for rule in plan.rules if rule.profile == one.name for name in rule.destinations})
        )
        yield (
            f"- Destinations {places or '(none)'}: profile {one.name} with a key of its own, {options}; policy digest "
            f"`{one.policy.digest}`."
        )
    yield ""
    yield f"Implementation Class UID `{IMPLEMENTATION_CLASS}`, Implementation Version Name `{IMPLEMENTATION_VERSION}`,"
    yield "in the files that are made of what came in; associations that we request name those of pynetdicom."


def _services(settings: Settings, dimse: bool, stow: bool) -> Iterator[str]:
    """The table of PS3.2 N.1: what this configuration uses and what it provides; what it does not have is a no."""
    uses = used(settings)
    yield "| service | user (SCU) | provider (SCP) |\n| --- | --- | --- |"
    for name, is_used, is_provided in (
        ("Verification", uses["echo"], dimse),
        ("Storage (C-STORE)", uses["store"], dimse),
        ("Query/Retrieve - FIND", uses["find"], False),
        ("Query/Retrieve - GET", uses["get"], False),
        ("Storage Commitment Push Model", uses["commitment"], False),
        ("Studies Web Service, Store (STOW-RS)", uses["stow"], stow),
        ("Studies Web Service, Search (QIDO-RS)", uses["qido"], False),
        ("Studies Web Service, Retrieve (WADO-RS)", uses["wado"], False),
        ("Query/Retrieve - MOVE, Worklist, MPPS", False, False),
    ):
        yield f"| {name} | {_word(is_used)} | {_word(is_provided)} |"
    yield ""


def _word(has: bool) -> str:
    return "yes" if has else "no"


def _entity(source: Dimse) -> Iterator[str]:
    yield f"### {source.ae} (source {source.name})\n"
    yield f"- Listens on {source.listen}, {'TLS' if source.tls else 'without TLS'}; maximum PDU {MAX_PDU:,} bytes."
    yield f"- At most {source.max_associations} associations; no asynchronous operations; no extended negotiation."
    callers = ", ".join(f"{one.ae} from {one.ip}" for one in source.allow) or "nobody yet"
    yield f"- Accepts associations from: {callers}. Others are rejected (calling AE title not recognised).\n"
    classes = source.sop_classes or tuple(storage_sop_classes())
    extra = "" if source.sop_classes else ", and private ones"
    yield f"Storage SOP classes ({len(classes)}{extra}):\n"
    yield "\n".join(f"- `{uid}` {storage_sop_classes().get(uid, '')}".rstrip() for uid in classes) + "\n"
    syntaxes = source.transfer_syntaxes or tuple(transfer_syntaxes())
    yield f"Transfer syntaxes ({len(syntaxes)}); the first that the sender proposes is accepted:\n"
    yield "\n".join(f"- `{uid}` {transfer_syntaxes().get(uid, '')}".rstrip() for uid in syntaxes) + "\n"
    yield "| status | meaning | when |\n| --- | --- | --- |"
    for status, meaning, when in _STATUS:
        yield f"| {status:04X} | {meaning} | {when} |"
    yield ""


def _web(source: Stow, settings: Settings) -> Iterator[str]:
    yield f"### STOW-RS (source {source.name})\n"
    yield f"- POST {source.path}/studies and {source.path}/studies/{{study}} at {settings.web.listen or 'nowhere'}."
    yield "- `multipart/related; type=application/dicom`, or one instance as `application/dicom`."
    yield f"- At most {source.parts:,} instances and {source.body_bytes:,} bytes in one upload."
    yield "- Answers 200, 202 or 409 with Referenced and Failed SOP Sequences as `application/dicom+json` or XML."
    yield "- Answers 503 or 507 where nothing is taken for now, and other 4xx where a request is no such upload.\n"


def _security(settings: Settings) -> Iterator[str]:
    yield "## N.7 Security\n"
    tls = [one for one in settings.source if isinstance(one, Dimse) and one.tls]
    for source in tls:
        mutual = (
            "and asks for a certificate" if source.tls and source.tls.mutual else "without asking for a certificate"
        )
        yield f"- Source {source.name} speaks TLS 1.2 or newer (PS3.15 B.12) {mutual}."
    if not tls:
        yield "- No DIMSE source speaks TLS."
    if settings.web.listen:
        speaks = "speaks TLS 1.2 or newer" if settings.web.certificate else "listens without TLS"
        yield f"- The web server {speaks} and asks for {'a bearer token' if settings.web.token else 'no token'}."
    yield from security(settings)
    yield "- Instances are encrypted at rest (AES-256-GCM); acts of persons are in a tamper-evident audit log.\n"
