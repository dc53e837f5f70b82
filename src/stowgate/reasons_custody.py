"""The codes of custody: what the spool, its keys, its callers, its uploads and its commands say. Joins `reasons`."""

from __future__ import annotations

from stowgate.reason import Reason, failed, finding, held, quarantined

CUSTODY: dict[str, Reason] = {
    # custody: what the spool, its keys and its callers say
    "spool_reserve": failed(
        "The spool has reached its reserve, so nothing new is taken in; what is held is safe.",
        "Make room, or wait until what is held has been delivered; then intake opens by itself.",
    ),
    "spool_failed": failed(
        "The disk under the spool failed while an object was made durable, so intake has stopped.",
        "Check the disk. What was answered with success is safe; start the gateway again when the disk is sound.",
    ),
    "intake_stopped": failed(
        "The gateway is stopping or was told to take nothing in.", "Send again later; nothing was lost."
    ),
    "spool_damaged": quarantined("An object in the spool is not what was written there: its seal does not fit."),
    "spool_in_use": failed(
        "Another process works with this spool.", "Stop that one first; two gateways never share a spool."
    ),
    "spool_closed": failed(
        "The spool is closed to this account.", "Use the account that the gateway runs under, or root."
    ),
    "spool_unwritable": failed(
        "The spool cannot be made or written.", "Name another folder in [spool] path, or correct its permissions."
    ),
    "no_descriptors": failed(
        "The process has no file descriptor left, so nothing new is taken in for the moment.",
        "Fewer senders at once, or a higher limit (LimitNOFILE= of the service). It goes on by itself.",
    ),
    "payload_lost": failed(
        "The ledger knows an object that is not on its shelf.",
        "This must never happen: keep the disk as it is and report this with the audit log.",
    ),
    "config_exists": failed("There is a configuration already, and it is never changed.", "Name another file with -c."),
    "no_spool": failed("The gateway has not run yet, so there is nothing to look at.", "Start it with `stowgate run`."),
    "destination_refused": quarantined(
        "Its destination will not have this object; others go on.",
        "When the cause is gone, `stowgate quarantine release` lets it be judged and sent again.",
    ),
    # delivery: what destinations and the ways to them say
    "peer_unreachable": failed(
        "The destination cannot be reached.", "Nothing is lost: it is tried again by itself as soon as there is a way."
    ),
    "peer_busy": failed(
        "The destination has no room or no time right now.", "It is tried again by itself, when the destination said."
    ),
    "peer_broke_off": failed(
        "The connection broke before the destination had answered for everything.",
        "It is asked what has arrived, and the rest is sent again by itself.",
    ),
    "peer_said_nothing": failed(
        "The destination took what was sent and did not say what became of this object.",
        "It is asked, or sent again, by itself.",
    ),
    "peer_lost_object": failed(
        "The destination had said that it stored this, and does not have it.", "It is sent again by itself."
    ),
    "destination_forgotten": failed(
        "A person gave this destination up after it was taken out of the configuration.",
        "It goes where the routes say now; nothing was deleted for this.",
    ),
    "original_stopped": held(
        "This goes where what it is a copy of does not, and that one is held, quarantined or being deleted here; "
        "or a person sent it to a destination that the configuration has no more.",
        "Decide about that one first, or bring the destination back, then release this one; nothing was lost.",
    ),
    "copy_of_purged": quarantined(
        "The same instance came before, was delivered and deleted here; this one is encoded otherwise.",
        "They cannot be compared. Send it as it first came, or drop it if it is the same; nothing was lost.",
    ),
    "copy_of_lost": quarantined(
        "The same instance came before, was delivered and deleted here, and its destination has lost it; this one is "
        "encoded otherwise.",
        "It may be all that is left, so do not drop it: have it sent as it first came, or export it; nothing was lost.",
    ),
    "peer_lost_purged": failed(
        "The destination does not have this any more, and it was deleted here after it had been verified there.",
        "It cannot be sent again from here: ask the destination for its backup, or the scanner to send it once more.",
    ),
    "peer_has_other_bytes": quarantined(
        "The destination holds other bytes under this name than were sent.",
        "It is never written over: find out there whose it is. Nothing is deleted here.",
    ),
    "peer_reencoded": failed(
        "The destination gives this object back in another transfer syntax than it was sent in, so it is there, and "
        "its bytes cannot be compared.",
        'Have it keep what it gets as it is, or set evidence = "presence".',
    ),
    "peer_gives_nothing_back": failed(
        "The destination does not give objects back, so their content cannot be compared.",
        'Have it answer WADO-RS to this gateway, or set evidence = "presence"; then `stowgate dest resume`.',
    ),
    "peer_gave_no_token": failed(
        "What answers at token_url of the destination gave no token.",
        "Check token_url; on a guest network a log-in page may stand in between. It is tried again by itself.",
    ),
    "peer_refuses": failed(
        "The destination refused this object without saying that it is for good.",
        "It is asked whether it has it, and gets it again by itself; after five refusals the object is quarantined.",
    ),
    "peer_keeps_refusing": quarantined(
        "The destination refused this object five times in the same way while it worked, and does not have it.",
        "Look there for the reason; then `stowgate quarantine release` has it sent again. Nothing is deleted here.",
    ),
    "peer_object_too_large": quarantined(
        "The destination, or a proxy in front of it, takes no object as large as this one.",
        "Raise the limit there (client_max_body_size of nginx), then `stowgate quarantine release`.",
    ),
    "peer_refused_object": quarantined(
        "The destination refused this object for good.", "Look there for the reason; nothing is deleted here."
    ),
    "peer_takes_no_such_object": quarantined(
        "The destination takes no objects of this SOP class in this transfer syntax.",
        "Have it accept them, or route them elsewhere; then `stowgate quarantine release`.",
    ),
    "peer_not_dicom": failed(
        "What answers at the address of the destination does not speak DICOM.",
        "Check host and port; on a guest network a log-in page may stand in between. It is tried again by itself.",
    ),
    "peer_certificate": failed(
        "The destination and this gateway do not trust each other's certificates.",
        "Check the date of this machine, then ca, certificate and host of its tls; then `stowgate dest resume`.",
    ),
    "peer_cannot_be_asked": failed(
        "The destination cannot be asked what it has.",
        'Have it allow queries of this gateway, or set evidence = "status"; then `stowgate dest resume`.',
    ),
    "peer_unauthorised": failed(
        "The destination does not let this gateway in.",
        "Correct AE title, name, password or certificate on either side. A change in the "
        "configuration takes effect when the gateway is started anew; then `stowgate dest resume`. Nothing is lost.",
    ),
    "paused_by_person": failed(
        "A person has paused this destination.", "`stowgate dest resume` lets it go on. Nothing is lost."
    ),
    "held_by_person": held("A person holds this object back.", "`stowgate queue release` lets it go on."),
    "not_confirmed": failed(
        "This cannot be taken back, and nobody is at a terminal to confirm it; nothing was done.",
        "Add --yes if it is meant.",
    ),
    "output_exists": failed("There is a file of this name already, and it is never written over.", "Name another."),
    "unknown_name": failed("The configuration has nothing of this name.", "Name one that is there."),
    "unknown_item": failed(
        "There is nothing of this id, or several begin like it.",
        "Give at least 6 digits of one that `stowgate queue list`, `quarantine list` or `study list` shows.",
    ),
    "study_short": finding(
        "Nothing more came of a study although its headers tell of more instances.",
        "See at the sender whether it sent all; what comes later still joins the study. `stowgate study list` counts.",
    ),
    "caller_not_allowed": failed(
        "A caller that is not on the list was turned away.",
        "`stowgate source list` shows it; allow it in the [[source]] if it is one of yours.",
    ),
    "called_otherwise": failed(
        "A caller on the list asked for another AE title than that of this source, and was turned away.",
        "Set the called AE title at the sender to the `ae` of the [[source]].",
    ),
    "spool_permissions": failed(
        "Others can look into the spool, which holds identities, or it belongs to another user.",
        "Make it yours alone: chmod 700, and chown if need be.",
    ),
    "upload_syntax": failed(
        "An upload is not the multipart/related message that the standard asks for.", "Correct the sending software."
    ),
    "upload_too_large": failed(
        "An upload is larger than the limits allow.", "Send fewer instances at once, or raise the limits of the source."
    ),
    "upload_type": failed(
        "An upload holds something else than application/dicom.", "Send whole PS3.10 files as application/dicom."
    ),
    "upload_other_study": failed(
        "An instance was sent to the address of another study.", "Send it to the address of its own study, or to none."
    ),
    "sop_class_not_taken": failed(
        "The source takes no instances of this SOP class.", "Add the class to sop_classes of the source, or empty it."
    ),
    "transfer_syntax_not_taken": failed(
        "The source takes no instances in this transfer syntax.",
        "Add the syntax to transfer_syntaxes of the source, or empty it.",
    ),
    "announced_differs": failed(
        "An instance is not the one that its sender announced: SOP class or SOP Instance UID differ.",
        "The sender keeps it; look there for what is wrong.",
    ),
    "folder_missing": failed(
        "A watched folder is not there, or cannot be entered.",
        "Make it, or correct its permissions or path of the [[source]].",
    ),
    "port_unavailable": failed(
        "A source cannot listen at its address.", "Stop what listens there, or correct listen of the [[source]]."
    ),
    "upload_stalled": failed(
        "A sender was silent for too long, or too slow.", "Nothing was lost: it sends again. Check its network."
    ),
    "web_refused": failed(
        "A request over HTTP was refused before it was looked at.", "Check its token, its Host and its headers."
    ),
    "web_exposed": failed(
        "The web server must not listen beyond this machine without a certificate and a token.",
        "Set certificate, key and token in [web], or listen on 127.0.0.1.",
    ),
    "web_unavailable": failed(
        "The address of the web server cannot be used.", "Choose another address or port in [web] listen."
    ),
    "web_certificate": failed(
        "A certificate or its private key cannot be used.",
        "Correct certificate and key where they are set: PEM files that belong together.",
    ),
    "secret_missing": failed("A secret is not where its reference points.", "Correct the reference, or put it there."),
    "secret_permissions": failed("Others can read the file of a secret.", "Make it yours alone: chmod 600."),
    "secret_unusable": failed(
        "A secret is empty, too short, or has other characters than plain ASCII.",
        "A token needs at least 16 random characters; an address has no spaces.",
    ),
    "audit_broken": failed(
        "The audit log is not what was written.",
        "Keep it and the disk as they are, and find out who changed it; `stowgate audit verify` names the place.",
    ),
    "audit_unwritable": failed("The audit log cannot be written.", "Check the disk and the spool's permissions."),
    "gateway_silent": failed(
        "The gateway ended before it answered, so it is not known whether this was done.",
        "`stowgate status` and `stowgate audit show` tell; do it again if it was not. Nothing was lost.",
    ),
}
