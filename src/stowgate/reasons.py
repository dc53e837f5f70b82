"""Every code the product can say, with its sentence and its advice: one table, never reused, rendered into the docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["rejected", "quarantined", "held", "finding", "failed"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means: what happens to the object, what happened, and what to do about it."""

    fate: Fate
    sentence: str
    advice: str = ""
    not_dicom: bool = False
    """True where the input simply is no DICOM instance; such a rejection is no fault of the run."""


def _rejected(sentence: str, advice: str = "", not_dicom: bool = False) -> Reason:
    return Reason("rejected", sentence, advice, not_dicom)


def _quarantined(sentence: str, advice: str = "The original is untouched; get it again from its sender.") -> Reason:
    return Reason("quarantined", sentence, advice)


def _stopped(sentence: str) -> Reason:
    return Reason("quarantined", sentence, "The output was removed, the original is untouched; report this code.")


def _held(sentence: str, advice: str) -> Reason:
    return Reason("held", sentence, advice)


def _finding(sentence: str) -> Reason:
    return Reason("finding", sentence)


def _failed(sentence: str, advice: str) -> Reason:
    return Reason("failed", sentence, advice)


REASONS: dict[str, Reason] = {
    # inputs that are no instance
    "not_dicom": _rejected("This is not a DICOM file.", "Nothing to do.", not_dicom=True),
    "empty_file": _rejected("The file is empty.", "Nothing to do, unless it should hold an image.", not_dicom=True),
    "hidden_file": _rejected("Hidden files are not taken.", "Nothing to do.", not_dicom=True),
    "special_file": _rejected("A pipe, socket or device is not read.", "Nothing to do.", not_dicom=True),
    "dicomdir": _rejected(
        "A DICOMDIR lists patients by name and is never passed on.",
        "Nothing to do: the images it lists are taken as files.",
        not_dicom=True,
    ),
    "symbolic_link": _rejected("Links are not followed.", "Name the folder the link points to as an input."),
    "unreadable": _rejected("The file could not be read.", "Check its permissions and the disk, then run again."),
    # objects that are damaged or hostile
    "truncated": _quarantined("The object ends before it is complete."),
    "unknown_transfer_syntax": _quarantined("The transfer syntax is private or not in the standard."),
    "bad_structure": _quarantined("The element structure cannot be followed."),
    "duplicate_element": _quarantined("An element stands twice in the same data set."),
    "missing_sop_class": _quarantined("The object has no SOP Class UID."),
    "missing_instance_uid": _quarantined("The object has no SOP Instance UID."),
    "pixel_length_mismatch": _quarantined("Pixel Data is not as long as its rows, columns, frames and bits ask for."),
    "no_pixel_data": _quarantined("An image has no Pixel Data, so the object is not complete."),
    "bits_stored_exceed_allocated": _quarantined("Bits Stored is larger than Bits Allocated."),
    "limit_depth": _quarantined("Sequences are nested deeper than the limit."),
    "limit_elements": _quarantined("There are more elements than the limit."),
    "limit_header": _quarantined("The header is larger than the limit."),
    "limit_time": _quarantined("Reading the object took longer than the limit."),
    "limit_inflate": _quarantined("The deflated object grows beyond the limit."),
    "cannot_normalise": _quarantined("The object's encoding could not be brought to explicit little endian."),
    "source_changed": _quarantined(
        "The input changed while it was read.", "Run again when nobody writes to it any more; nothing was lost."
    ),
    "uid_reuse": _quarantined(
        "Another object with the same SOP Instance UID and other content came first.",
        "Find out which of the two is right; both originals are untouched.",
    ),
    "third_start": _quarantined(
        "Work on this object was started three times and never ended.",
        "The original is untouched; send it to the developers of its source, or leave it out.",
    ),
    # objects a person or an option has to decide about
    "unknown_sop_class": _held(
        "The SOP class is private or not in the standard's tables, so no rule can be chosen.",
        "Keep it on the identified side, or leave it out.",
    ),
    "unknown_character_set": _held(
        "The Specific Character Set is not one of the standard's, so names cannot be searched for.",
        "Correct (0008,0005) at the source.",
    ),
    "structured_content": _held(
        "A structured report needs the option Clean Structured Content, which is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "graphics": _held(
        "A presentation state may carry text and needs the option Clean Graphics, which is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "encapsulated_document": _held(
        "An encapsulated document can hold anything, names included, and cannot be cleaned.",
        "Keep it on the identified side.",
    ),
    "recorded_voice": _held(
        "A voice identifies its speaker, and audio cannot be cleaned.",
        "Keep it on the identified side.",
    ),
    "recognizable_surface": _held(
        "A scanned surface can show a face, and Clean Recognizable Visual Features is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "kind_not_reviewed": _held(
        "Objects of this kind can hold what no rule knows, or list other patients.",
        "Keep it on the identified side, or leave it out.",
    ),
    "burned_in_risk": _held(
        "Objects of this kind often have names burned into the picture; Clean Pixel Data is not available yet.",
        'Look at the pictures; if they are free of text, set [pixels] risk = "pass" for this folder.',
    ),
    # the gate
    "gate_source": _stopped("The gate could not follow the original on its own."),
    "gate_structure": _stopped("The gate could not follow the object that was written."),
    "gate_preamble": _stopped("The gate found bytes before the file's prefix."),
    "gate_meta": _stopped("The gate found more or other file meta information than was rebuilt."),
    "gate_names": _stopped("The gate found that the new names and UIDs do not fit what was written."),
    "gate_marks": _stopped("The gate found that the marks of de-identification are missing or claim too much."),
    "gate_group": _stopped("The gate found an attribute that always has to go: overlay, icon, signature and the like."),
    "gate_unknown": _stopped("The gate found an attribute that the data dictionary does not have."),
    "gate_vr": _stopped("The gate found an attribute with a value representation the standard does not give it."),
    "gate_private": _stopped("The gate found a private attribute that nobody has declared safe."),
    "gate_attribute": _stopped("The gate found a value where only a dummy or nothing may stand."),
    "gate_value": _stopped("The gate found a value that is neither the original's nor one of ours."),
    "gate_form": _stopped("The gate found a kept value that is not written as its attribute's values are."),
    "gate_override": _stopped("The gate found that a rule of the user's own was not followed."),
    "gate_uid": _stopped("The gate found a UID of the original, or one that was not derived."),
    "gate_token": _stopped("The gate found a name, number or address of the original."),
    "gate_date": _stopped("The gate found a date or time that should have gone or moved."),
    "gate_birth_date": _stopped("The gate found the birth date of the original in another place."),
    "gate_age": _stopped("The gate found an age that should have gone or been capped at 90 years."),
    "gate_pixels": _stopped("The gate found Pixel Data that is not the original's."),
    # failures of the run
    "no_input": _failed("There is no such file or folder, or it cannot be entered.", "Check the name and permissions."),
    "output_unwritable": _failed("This place cannot be written to.", "Name another, or change its permissions."),
    "output_is_input": _failed(
        "The output folder is an input, too.",
        "Name an output folder of its own: originals and clean objects stay apart.",
    ),
    "bad_layout": _failed("The template of output paths cannot be used.", "Correct [output] path in stowgate.toml."),
    "disk_full": _failed(
        "There is no room left to write to.", "Make room and run again; what was finished stays, nothing was lost."
    ),
    "cannot_write": _failed(
        "The output could not be written.", "Check the folder and its permissions, then run again; nothing was lost."
    ),
    "no_child_process": _failed(
        "The process that reads odd encodings could not be started.",
        "Check the limits on memory and processes, then run again.",
    ),
    "internal_error": _failed(
        "An unexpected error stopped the work on this object; nothing of it was written.",
        "Report this with the code; the original is untouched.",
    ),
    # failures of the state folder, the key and the settings
    "state_in_use": _failed(
        "Another run is using the state folder.",
        "Wait for it to end, or give this run a state folder of its own with --state.",
    ),
    "state_permissions": _failed(
        "Others can look into the state folder, which holds identities, or it belongs to another user.",
        "Make it yours alone: chmod 700, and chown if need be.",
    ),
    "state_unwritable": _failed(
        "The state folder cannot be made or written.",
        "Name another one with --state, or correct its permissions.",
    ),
    "ledger_damaged": _failed(
        "The ledger in the state folder is damaged or is no ledger.",
        "Put back a copy of it, or move ledger.db away: then every input is judged again.",
    ),
    "ledger_newer": _failed(
        "The ledger was written by a newer version.",
        "Use that version or a later one; this one would not understand what it changed.",
    ),
    "ledger_io": _failed(
        "The disk failed while the ledger was written; what was not counted yet is done again by the next run.",
        "Check the disk, then run again.",
    ),
    "wrong_key": _failed(
        "The state folder or spool belongs to another key.",
        "Give the key it was made with, or name another folder.",
    ),
    "key_missing": _failed(
        "The key is not where it should be.",
        "Put back the copy you made of it; a new key would not fit what was made with the old one.",
    ),
    "key_exists": _failed(
        "There is a file of this name already, and a key is never overwritten.",
        "Name another file.",
    ),
    "key_damaged": _failed(
        "The key was cut short, mistyped, or written by a newer version.",
        "Put back the copy you made of it.",
    ),
    "key_permissions": _failed(
        "Others can read the file of the key, or it belongs to another user.",
        "Make it yours alone: chmod 600, and chown if need be.",
    ),
    "key_unreadable": _failed("The file of the key cannot be read.", "Check its permissions and the disk."),
    "key_unwritable": _failed("The file of the key cannot be written.", "Check the folder and the disk."),
    "unknown_setting": _failed("There is no such setting.", "Correct its name or leave it out."),
    "bad_setting": _failed("A setting has a value it cannot have.", "Correct the value or leave it out."),
    "bad_toml": _failed("The configuration is no valid TOML.", "Correct the line."),
    "manifest_format": _failed(
        "A manifest is written as .csv, .json or .xml.", "Give it a name that ends in one of them."
    ),
    "settings_unreadable": _failed("The configuration file cannot be read.", "Check its name and permissions."),
    # custody: what the spool, its keys and its callers say
    "spool_reserve": _failed(
        "The spool has reached its reserve, so nothing new is taken in; what is held is safe.",
        "Make room, or wait until what is held has been delivered; then intake opens by itself.",
    ),
    "spool_failed": _failed(
        "The disk under the spool failed while an object was made durable, so intake has stopped.",
        "Check the disk. What was answered with success is safe; start the gateway again when the disk is sound.",
    ),
    "intake_stopped": _failed(
        "The gateway is stopping or was told to take nothing in.", "Send again later; nothing was lost."
    ),
    "spool_damaged": _quarantined("An object in the spool is not what was written there: its seal does not fit."),
    "spool_in_use": _failed(
        "Another process works with this spool.", "Stop that one first; two gateways never share a spool."
    ),
    "spool_unwritable": _failed(
        "The spool cannot be made or written.", "Name another folder in [spool] path, or correct its permissions."
    ),
    "no_descriptors": _failed(
        "The process has no file descriptor left, so nothing new is taken in for the moment.",
        "Fewer senders at once, or a higher limit (LimitNOFILE= of the service). It goes on by itself.",
    ),
    "payload_lost": _failed(
        "The ledger knows an object that is not on its shelf.",
        "This must never happen: keep the disk as it is and report this with the audit log.",
    ),
    "config_exists": _failed(
        "There is a configuration already, and it is never changed.", "Name another file with -c."
    ),
    "no_spool": _failed(
        "The gateway has not run yet, so there is nothing to look at.", "Start it with `stowgate run`."
    ),
    "held_by_person": _held("A person holds this object back.", "`stowgate queue release` lets it go on."),
    "unknown_item": _failed(
        "There is no item of this id, or several begin like it.",
        "`stowgate queue list` and `quarantine list` show ids.",
    ),
    "caller_not_allowed": _failed(
        "A caller that is not on the list was turned away.",
        "`stowgate source list` shows it; allow it in the [[source]] if it is one of yours.",
    ),
    "spool_permissions": _failed(
        "Others can look into the spool, which holds identities, or it belongs to another user.",
        "Make it yours alone: chmod 700, and chown if need be.",
    ),
    "upload_syntax": _failed(
        "An upload is not the multipart/related message that the standard asks for.", "Correct the sending software."
    ),
    "upload_too_large": _failed(
        "An upload is larger than the limits allow.", "Send fewer instances at once, or raise the limits of the source."
    ),
    "upload_type": _failed(
        "An upload holds something else than application/dicom.", "Send whole PS3.10 files as application/dicom."
    ),
    "upload_other_study": _failed(
        "An instance was sent to the address of another study.", "Send it to the address of its own study, or to none."
    ),
    "sop_class_not_taken": _failed(
        "The source takes no instances of this SOP class.", "Add the class to sop_classes of the source, or empty it."
    ),
    "transfer_syntax_not_taken": _failed(
        "The source takes no instances in this transfer syntax.",
        "Add the syntax to transfer_syntaxes of the source, or empty it.",
    ),
    "announced_differs": _failed(
        "An instance is not the one that its sender announced: SOP class or SOP Instance UID differ.",
        "The sender keeps it; look there for what is wrong.",
    ),
    "port_unavailable": _failed(
        "A source cannot listen at its address.", "Stop what listens there, or correct listen of the [[source]]."
    ),
    "upload_stalled": _failed(
        "A sender was silent for too long, or too slow.", "Nothing was lost: it sends again. Check its network."
    ),
    "web_refused": _failed(
        "A request over HTTP was refused before it was looked at.", "Check its token, its Host and its headers."
    ),
    "web_exposed": _failed(
        "The web server must not listen beyond this machine without a certificate and a token.",
        "Set certificate, private_key and token in [web], or listen on 127.0.0.1.",
    ),
    "web_unavailable": _failed(
        "The address of the web server cannot be used.", "Choose another address or port in [web] listen."
    ),
    "web_certificate": _failed(
        "The certificate or private key of the web server cannot be used.",
        "Correct certificate and private_key in [web]; both are PEM files that belong together.",
    ),
    "secret_missing": _failed("A secret is not where its reference points.", "Correct the reference, or put it there."),
    "secret_permissions": _failed("Others can read the file of a secret.", "Make it yours alone: chmod 600."),
    "secret_unusable": _failed(
        "A secret is empty, too short, or has other characters than plain ASCII.", "Use at least 16 random characters."
    ),
    "audit_broken": _failed(
        "The audit log is not what was written.",
        "Keep it and the disk as they are, and find out who changed it; `stowgate audit verify` names the place.",
    ),
    "audit_unwritable": _failed("The audit log cannot be written.", "Check the disk and the spool's permissions."),
    "gateway_silent": _failed(
        "The gateway ended before it answered, so it is not known whether this was done.",
        "`stowgate status` and `stowgate audit show` tell; do it again if it was not. Nothing was lost.",
    ),
    # failures of the profile: options and overrides
    "unknown_profile": _failed("There is no such profile.", "`stowgate profile list` shows those there are."),
    "unknown_option": _failed("There is no such option.", "`stowgate profile list` shows those there are."),
    "option_not_available": _failed(
        "This option of the standard is not available yet.",
        "Leave it out: what it would clean is removed or held instead.",
    ),
    "dates_contradict": _failed(
        "Dates cannot be both kept and moved: full-dates and modified-dates exclude each other.", "Choose one of them."
    ),
    "bad_station_name": _failed(
        "A station name has at most 16 plain characters and no backslash.", "Shorten it, or leave it out."
    ),
    "unknown_attribute": _failed(
        "An override names an attribute that is not in the data dictionary.",
        'Write a keyword, a tag such as "(0008,1030)", or a path of them joined by "/".',
    ),
    "private_needs_creator": _failed(
        "An override names a private attribute by its number alone, which means nothing without its creator.",
        'Write group, creator and the low byte: "0019,SIEMENS MR HEADER,0C".',
    ),
    "override_not_a_sequence": _failed(
        "An override looks for an attribute inside something that is not a sequence.", "Correct the path."
    ),
    "override_action": _failed(
        "An override does nothing that is known.", "It has to be one of keep, remove, empty, replace."
    ),
    "override_twice": _failed("Two overrides name the same attribute.", "Leave one of them out."),
    "override_fixed": _failed(
        "This attribute always goes, or is written by the product itself; no override can change that.",
        "Leave the override out.",
    ),
    "override_breaks_type": _failed(
        "Without a value in this attribute some objects would no longer be valid DICOM (it is Type 1 or Type 2 there).",
        "Replace it with a value instead; a Type 2 attribute may also be emptied.",
    ),
    "override_value": _failed(
        "An override's value does not fit the attribute, is missing, or stands beside an action that takes none.",
        "Give replace one value of the attribute's length and form, in plain ASCII characters.",
    ),
    # findings: recorded, and the object goes on
    "claim_dropped": _finding(
        "An override keeps what the profile removes, so the object does not claim to follow the profile."
    ),
    "device_claim_dropped": _finding(
        "Dates of devices are not kept while dates are moved, so Retain Device Identity is not claimed."
    ),
    "known_token": _finding("A kept text held a name or number of this patient and was removed."),
    "nonconforming_number": _finding(
        "A number was not written as one, was one of too many or too few, or was words, and was removed."
    ),
    "nonconforming_value": _finding("A code, UID, date or time was not written as one and was removed."),
    "wrong_vr": _finding("An attribute had a value representation the standard does not give it and was removed."),
    "iod_unknown": _finding(
        "The standard's tables do not list the attributes of this SOP class; the strictest rules were used."
    ),
    "no_patient_id": _finding("Patient ID is empty; the pseudonym was made from the study."),
    # findings of the audit of a folder
    "not_scanned": _finding("This file could not be followed, so nothing can be said about it."),
    "scan_preamble": _finding("There are bytes before the file's prefix."),
    "scan_meta": _finding("The file meta information tells more than it has to, such as titles of senders."),
    "scan_marks": _finding("The object does not say that its patient's identity was removed."),
    "scan_group": _finding("There is an attribute that always has to go: overlay, icon, signature and the like."),
    "scan_unknown": _finding("There is an attribute that the data dictionary does not have."),
    "scan_private": _finding("There are private attributes that nobody has declared safe."),
    "scan_attribute": _finding("An attribute that has to be empty, replaced or gone holds a value."),
    "scan_uid": _finding("A UID was not derived anew, so it may lead back to the original."),
    "scan_date": _finding("A date or time was not removed."),
    "scan_age": _finding("An age is above 89 years or no age."),
    "scan_text": _finding("A text looks like it holds a date, a telephone number or an e-mail address."),
    "scan_burned_in": _finding("Pictures of this kind often show who the patient is."),
    # findings of the checks, about the original
    "missing_type_1": _finding("A required attribute (Type 1) is missing or empty."),
    "missing_type_2": _finding("An attribute that may be empty but must be there (Type 2) is missing."),
    "value_multiplicity": _finding("An attribute has more or fewer values than the standard allows."),
    "value_too_long": _finding("A value is longer than its value representation allows."),
    "value_out_of_range": _finding("A number is outside of what is possible."),
    "unknown_term": _finding("A value is not in the closed list of terms of its attribute."),
    "bad_date": _finding("A date is not written as YYYYMMDD or names no day."),
    "bad_time": _finding("A time is not written as HHMMSS.FFFFFF."),
    "bad_datetime": _finding("A date and time is not written as YYYYMMDDHHMMSS.FFFFFF&ZZXX or names no day."),
    "bad_age": _finding("An age is not three digits and one of D, W, M, Y."),
    "bad_code_string": _finding("A code string has other characters than capitals, digits, space and underscore."),
    "bad_number": _finding("A decimal or integer string is no number."),
    "bad_text": _finding("A text has control characters or does not fit its character set."),
    "bad_person_name": _finding("A person name has too many components or component groups."),
    "bad_uid": _finding("A UID has other characters than digits and single dots, or wrong padding."),
    "uid_too_long": _finding("A UID has more than 64 characters."),
    "uid_leading_zero": _finding("A component of a UID begins with a zero."),
    "sop_class_differs": _finding("The file meta information names another SOP class than the data set."),
    "instance_uid_differs": _finding("The file meta information names another SOP Instance UID than the data set."),
    "private_transfer_syntax": _finding("The transfer syntax is private."),
    "born_after_study": _finding("The patient's birth date is after the study date."),
    "unknown_modality": _finding("The modality is none of the standard's terms."),
    "modality_differs": _finding("The modality is not the one of the SOP class."),
    "bad_orientation": _finding("Image Orientation (Patient) is not two perpendicular unit vectors."),
    "no_rows_or_columns": _finding("An image has no rows or no columns."),
    "high_bit_differs": _finding("High Bit is not one less than Bits Stored."),
    "samples_differ": _finding("Samples per Pixel does not fit Photometric Interpretation."),
    "rescale_slope_zero": _finding("Rescale Slope is zero."),
    "window_width_not_positive": _finding("A Window Width is not above zero."),
    "spacing_not_positive": _finding("A pixel spacing is not above zero."),
}
