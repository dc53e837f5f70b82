"""What a conformance statement says of the ways out: the services used, and each destination as we call it."""

from __future__ import annotations

from collections.abc import Iterator

from stowgate.deliver.association import FIND, IMPLICIT, VERIFICATION
from stowgate.deliver.cget import GET
from stowgate.deliver.commitment import PUSH_MODEL
from stowgate.deliver.cstore import DimseDest
from stowgate.deliver.folder import FolderDest
from stowgate.deliver.stow_dest import StowDest
from stowgate.settings import Settings
from stowgate.settings_delivery import Dest

_EVIDENCE = {
    "status": "its word is enough, it is not asked again",
    "presence": "it is asked whether each instance is there",
    "content": "each instance is read again and compared",
}


def used(settings: Settings) -> dict[str, bool]:
    """Which services this configuration uses; what is not asked for is not claimed."""
    dimse = [one for one in settings.dest if isinstance(one, DimseDest)]
    web = [one for one in settings.dest if isinstance(one, StowDest)]
    asked = [one for one in dimse if one.evidence != "status"]
    return {
        "echo": bool(dimse),
        "store": bool(dimse),
        "find": any(one.ask == "find" for one in asked),
        "get": bool(asked),
        "commitment": any(one.ask == "commitment" for one in asked),
        "stow": bool(web),
        "qido": bool(web),
        "wado": any(one.evidence != "status" for one in web),
    }


def sections(settings: Settings) -> Iterator[str]:
    """One section for each destination, and one for where reports of storage commitment are heard."""
    for dest in settings.dest:
        if isinstance(dest, DimseDest):
            yield from _node(dest, settings)
        elif isinstance(dest, StowDest):
            yield from _web(dest)
    if settings.commitment.listen:
        yield from _listener(settings)


def folders(settings: Settings) -> Iterator[str]:
    """A line for each destination that is a folder: files of PS3.10, and no network."""
    for dest in settings.dest:
        if isinstance(dest, FolderDest):
            yield f"- Destination {dest.name} (kind folder): files by PS3.10, no DICOMDIR. {_evidence(dest)}"


def security(settings: Settings) -> Iterator[str]:
    """A line for each destination on the network: in clear or not, and what it is shown."""
    for dest in settings.dest:
        if isinstance(dest, DimseDest):
            yield f"- Destination {dest.name} is called {_tls(dest.tls is not None, dest)}."
        elif isinstance(dest, StowDest):
            shows = "no credentials"
            if dest.auth:
                shows = "basic authentication" if dest.user else "a bearer token"
            if dest.token_url:
                shows = "a bearer token of OAuth 2.0 client credentials (RFC 6749 4.4)"
            yield f"- Destination {dest.name} is called {_tls(dest.url.startswith('https:'), dest)}, with {shows}."
    if settings.commitment.listen:
        speaks = "by TLS 1.2 or newer (PS3.15 B.12)" if settings.commitment.tls else "without TLS"
        yield f"- Reports of storage commitment are heard {speaks}."


def _node(dest: DimseDest, settings: Settings) -> Iterator[str]:
    yield f"### {dest.called} (destination {dest.name})\n"
    yield f"- Kind dimse: calls AE title `{dest.called}` as `{dest.calling}`, {'TLS' if dest.tls else 'without TLS'}."
    yield f"- {_evidence(dest)}"
    yield f"- At most {dest.workers} associations at a time for sending; no asynchronous operations."
    yield "- An association is begun when something is to be sent or asked, and is used again as long as it fits.\n"
    syntaxes = f"`{IMPLICIT}` Implicit VR Little Endian"
    own = "as each instance is stored, one context for each pair"
    yield "Presentation contexts proposed:\n"
    yield "| abstract syntax | transfer syntax | role |\n| --- | --- | --- |"
    yield f"| Verification `{VERIFICATION}`, by `stowgate dest test` | {syntaxes} | SCU |"
    yield f"| Storage SOP class of each instance, {_taken(settings)} | {own} | SCU |"
    find = "as evidence" if dest.ask == "find" and dest.evidence != "status" else "proposed beside Storage, not used"
    yield f"| Study Root Query/Retrieve - FIND `{FIND}`, {find} | {syntaxes} | SCU |"
    if dest.evidence != "status":
        yield f"| Study Root Query/Retrieve - GET `{GET}`, of a sample | {syntaxes} | SCU |"
        yield "| Storage SOP class of an instance that is read back by C-GET | that which it was sent in | SCP |"
        if dest.ask == "commitment":
            yield f"| Storage Commitment Push Model `{PUSH_MODEL}` | {syntaxes} | SCU |"
    yield ""
    if dest.evidence != "status" and dest.ask == "commitment":
        yield from _commitment(settings)
    yield "C-STORE: 0000, 0001 and Bxxx count as taken, A9xx, Cxxx, 0117, 0119, 0122 and 0211 as refused for good;"
    yield "after 0111 it is asked whether the instance is there, after 0124 nothing is sent until a person has acted,"
    yield "and after any other status or a broken association the instance is sent again later.\n"


def _commitment(settings: Settings) -> Iterator[str]:
    where = "on the same association"
    if settings.commitment.listen:
        where += f" or by one of the peer's own to {settings.commitment.listen}"
    yield f"Storage commitment: N-ACTION (Action Type 1) asks, N-EVENT-REPORT is heard {where}.\n"


def _listener(settings: Settings) -> Iterator[str]:
    titles = dict.fromkeys(one.calling for one in settings.dest if isinstance(one, DimseDest))
    names = ", ".join(f"`{one}`" for one in titles) or "`STOWGATE`"
    yield "### Reports of storage commitment\n"
    speaks = "TLS" if settings.commitment.tls else "without TLS"
    yield f"- Listens on {settings.commitment.listen}, {speaks}; as {names}."
    yield f"- Accepts Storage Commitment Push Model `{PUSH_MODEL}`: N-EVENT-REPORT, as its SCU. Nothing else.\n"


def _web(dest: StowDest) -> Iterator[str]:
    yield f"### {dest.url} (destination {dest.name})\n"
    yield f"- Kind stow: a DICOMweb service, {'TLS' if dest.url.startswith('https:') else 'without TLS'}."
    yield f"- {_evidence(dest)}"
    yield "- STOW-RS: POST `/studies`, `multipart/related; type=application/dicom`; answers as DICOM JSON."
    if dest.evidence == "status":
        yield "- QIDO-RS, by `stowgate dest test` and for what an answer does not speak of: GET `/instances`,"
    else:
        yield "- QIDO-RS, as evidence and by `stowgate dest test`: GET `/instances`,"
    yield "  `/studies/{study}/instances`, with `SOPInstanceUID` and `limit`."
    if dest.evidence != "status":
        how = "each" if dest.evidence == "content" else "a sample"
        yield f"- WADO-RS, of {how}: GET `/studies/{{study}}/series/{{series}}/instances/{{instance}}`."
    yield ""


def _taken(settings: Settings) -> str:
    """Nothing else can be sent than what is taken in."""
    dimse = [one for one in settings.source if one.kind == "dimse"]
    if dimse and len(dimse) == len(settings.source) and all(one.sop_classes for one in dimse):
        return "which are those of the sources"
    return "standard or private"


def _evidence(dest: Dest) -> str:
    said = f"Evidence `{dest.evidence}`: {_EVIDENCE[dest.evidence]}"
    if isinstance(dest, DimseDest) and dest.evidence == "presence":
        said += f", by {'C-FIND' if dest.ask == 'find' else 'storage commitment'}, and a sample is read back by C-GET"
    return f"{said}."


def _tls(speaks: bool, dest: DimseDest | StowDest) -> str:
    if not speaks:
        return "without TLS"
    shown = "with a certificate of our own" if dest.tls and dest.tls.certificate else "without a certificate of our own"
    return f"by TLS 1.2 or newer (PS3.15 B.12), its certificate checked, {shown}"
