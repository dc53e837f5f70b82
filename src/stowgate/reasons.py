"""Every code the product can say, with its sentence and its advice: one table, never reused, rendered into the docs."""

from __future__ import annotations

from stowgate.reason import Reason, failed, finding, held, quarantined, rejected, stopped
from stowgate.reasons_custody import CUSTODY
from stowgate.reasons_fleet import FLEET
from stowgate.reasons_image import IMAGE

REASONS: dict[str, Reason] = {
    # inputs that are no instance
    "not_dicom": rejected("This is not a DICOM file.", "Nothing to do.", not_dicom=True),
    "empty_file": rejected("The file is empty.", "Nothing to do, unless it should hold an image.", not_dicom=True),
    "hidden_file": rejected("Hidden files are not taken.", "Nothing to do.", not_dicom=True),
    "special_file": rejected("A pipe, socket or device is not read.", "Nothing to do.", not_dicom=True),
    "dicomdir": rejected(
        "A DICOMDIR lists patients by name and is never passed on.",
        "Nothing to do: the images it lists are taken as files.",
        not_dicom=True,
    ),
    "symbolic_link": rejected("Links are not followed.", "Name the folder the link points to as an input."),
    "unreadable": rejected("The file could not be read.", "Check its permissions and the disk, then run again."),
    # objects that are damaged or hostile
    "truncated": quarantined("The object ends before it is complete."),
    "unknown_transfer_syntax": quarantined("The transfer syntax is private or not in the standard."),
    "bad_structure": quarantined("The element structure cannot be followed."),
    "duplicate_element": quarantined("An element stands twice in the same data set."),
    "missing_sop_class": quarantined("The object has no SOP Class UID."),
    "missing_instance_uid": quarantined("The object has no SOP Instance UID."),
    "pixel_length_mismatch": quarantined("Pixel Data is not as long as its rows, columns, frames and bits ask for."),
    "no_pixel_data": quarantined("An image has no Pixel Data, so the object is not complete."),
    "bits_stored_exceed_allocated": quarantined("Bits Stored is larger than Bits Allocated."),
    "limit_depth": quarantined("Sequences are nested deeper than the limit."),
    "limit_elements": quarantined("There are more elements than the limit."),
    "limit_header": quarantined("The header is larger than the limit."),
    "limit_time": quarantined("Reading the object took longer than the limit."),
    "limit_inflate": quarantined("The deflated object grows beyond the limit."),
    "cannot_normalise": quarantined("The object's encoding could not be brought to explicit little endian."),
    "source_changed": quarantined(
        "The input changed while it was read.", "Run again when nobody writes to it any more; nothing was lost."
    ),
    "uid_reuse": quarantined(
        "Another object with the same SOP Instance UID and other content came first.",
        "Find out which of the two is right; both originals are untouched.",
    ),
    "third_start": quarantined(
        "Work on this object was started three times and never ended.",
        "The original is untouched; send it to the developers of its source, or leave it out.",
    ),
    # objects a person or an option has to decide about
    "unknown_sop_class": held(
        "The SOP class is private or not in the standard's tables, so no rule can be chosen.",
        "Keep it on the identified side, or leave it out.",
    ),
    "unknown_character_set": held(
        "The Specific Character Set is not one of the standard's, so names cannot be searched for.",
        "Correct (0008,0005) at the source.",
    ),
    "structured_content": held(
        "A structured report needs the option Clean Structured Content, which is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "graphics": held(
        "A presentation state may carry text and needs the option Clean Graphics, which is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "encapsulated_document": held(
        "An encapsulated document can hold anything, names included, and cannot be cleaned.",
        "Keep it on the identified side.",
    ),
    "recorded_voice": held(
        "A voice identifies its speaker, and audio cannot be cleaned.",
        "Keep it on the identified side.",
    ),
    "recognizable_surface": held(
        "A scanned surface can show a face, and Clean Recognizable Visual Features is not available yet.",
        "Keep it on the identified side for now.",
    ),
    "kind_not_reviewed": held(
        "Objects of this kind can hold what no rule knows, or list other patients.",
        "Keep it on the identified side, or leave it out.",
    ),
    "burned_in_risk": held(
        "Objects of this kind often have names burned into the picture; Clean Pixel Data is not available yet.",
        'Look at the pictures; if they are free of text, set [pixels] risk = "pass" for this folder.',
    ),
    # the gate
    "gate_source": stopped("The gate could not follow the original on its own."),
    "gate_structure": stopped("The gate could not follow the object that was written."),
    "gate_preamble": stopped("The gate found bytes before the file's prefix."),
    "gate_meta": stopped("The gate found more or other file meta information than was rebuilt."),
    "gate_names": stopped("The gate found that the new names and UIDs do not fit what was written."),
    "gate_marks": stopped("The gate found that the marks of de-identification are missing or claim too much."),
    "gate_group": stopped("The gate found an attribute that always has to go: overlay, icon, signature and the like."),
    "gate_unknown": stopped("The gate found an attribute that the data dictionary does not have."),
    "gate_vr": stopped("The gate found an attribute with a value representation the standard does not give it."),
    "gate_private": stopped("The gate found a private attribute that nobody has declared safe."),
    "gate_attribute": stopped("The gate found a value where only a dummy or nothing may stand."),
    "gate_value": stopped("The gate found a value that is neither the original's nor one of ours."),
    "gate_form": stopped("The gate found a kept value that is not written as its attribute's values are."),
    "gate_override": stopped("The gate found that a rule of the user's own was not followed."),
    "gate_uid": stopped("The gate found a UID of the original, or one that was not derived."),
    "gate_token": stopped("The gate found a name, number or address of the original."),
    "gate_date": stopped("The gate found a date or time that should have gone or moved."),
    "gate_birth_date": stopped("The gate found the birth date of the original in another place."),
    "gate_age": stopped("The gate found an age that should have gone or been capped at 90 years."),
    "gate_pixels": stopped("The gate found Pixel Data that is not the original's."),
    # failures of the run
    "no_input": failed("There is no such file or folder, or it cannot be entered.", "Check the name and permissions."),
    "output_unwritable": failed("This place cannot be written to.", "Name another, or change its permissions."),
    "output_is_input": failed(
        "The output folder is an input, too.",
        "Name an output folder of its own: originals and clean objects stay apart.",
    ),
    "state_in_output": failed(
        "The state folder lies in the output folder, so the key and the ledger would go where clean objects go.",
        "Name another output folder, or another state folder with --state.",
    ),
    "bad_layout": failed("The template of output paths cannot be used.", "Correct [output] path in stowgate.toml."),
    "disk_full": failed(
        "There is no room left to write to.", "Make room and run again; what was finished stays, nothing was lost."
    ),
    "cannot_write": failed(
        "The output could not be written.", "Check the folder and its permissions, then run again; nothing was lost."
    ),
    "no_child_process": failed(
        "The process that reads odd encodings could not be started.",
        "Check the limits on memory and processes, then run again.",
    ),
    "internal_error": failed(
        "An unexpected error stopped the work on this object; nothing of it was written.",
        "Report this with the code; the original is untouched.",
    ),
    # failures of the state folder, the key and the settings
    "state_in_use": failed(
        "Another run is using the state folder.",
        "Wait for it to end, or give this run a state folder of its own with --state.",
    ),
    "state_permissions": failed(
        "Others can look into the state folder, which holds identities, or it belongs to another user.",
        "Make it yours alone: chmod 700, and chown if need be.",
    ),
    "state_unwritable": failed(
        "The state folder cannot be made or written.",
        "Name another one with --state ([spool] path of a gateway), or correct its permissions.",
    ),
    "ledger_damaged": failed(
        "The ledger in the state folder is damaged or is no ledger.",
        "Put back a copy of it, or move ledger.db away: then every input is judged again.",
    ),
    "ledger_newer": failed(
        "The ledger was written by a newer version.",
        "Use that version or a later one; this one would not understand what it changed.",
    ),
    "ledger_older": failed(
        "The ledger was written by an older version, and nobody has brought it to this one yet.",
        "Start the gateway once: it does that, after a copy; nothing was lost.",
    ),
    "ledger_io": failed(
        "The disk failed while the ledger was written; what was not counted yet is done again by the next run.",
        "Check the disk, then run again.",
    ),
    "wrong_key": failed(
        "The state folder or spool belongs to another key.",
        "Give the key it was made with, or name another folder.",
    ),
    "key_missing": failed(
        "The key is not where it should be.",
        "Put back the copy you made of it; a new key would not fit what was made with the old one.",
    ),
    "key_exists": failed(
        "There is a file of this name already, and a key is never overwritten.",
        "Name another file.",
    ),
    "key_damaged": failed(
        "The key was cut short, mistyped, or written by a newer version.",
        "Put back the copy you made of it.",
    ),
    "key_permissions": failed(
        "Others can read the file of the key, or it belongs to another user.",
        "Make it yours alone: chmod 600, and chown if need be.",
    ),
    "key_unreadable": failed("The file of the key cannot be read.", "Check its permissions and the disk."),
    "key_unwritable": failed("The file of the key cannot be written.", "Check the folder and the disk."),
    "unknown_setting": failed("There is no such setting.", "Correct its name or leave it out."),
    "bad_setting": failed("A setting has a value it cannot have.", "Correct the value or leave it out."),
    "bad_toml": failed("The configuration is no valid TOML.", "Correct the line."),
    "manifest_format": failed(
        "A manifest is written as .csv, .json or .xml.", "Give it a name that ends in one of them."
    ),
    "settings_unreadable": failed(
        "The configuration file cannot be read.", "Check its name and permissions; `stowgate init` writes a first one."
    ),
    **CUSTODY,
    **IMAGE,
    **FLEET,
    # failures of the profile: options and overrides
    "unknown_profile": failed("There is no such profile.", "`stowgate profile list` shows those there are."),
    "unknown_option": failed("There is no such option.", "`stowgate profile list` shows those there are."),
    "option_not_available": failed(
        "This option of the standard is not available yet.",
        "Leave it out: what it would clean is removed or held instead.",
    ),
    "dates_contradict": failed(
        "Dates cannot be both kept and moved: full-dates and modified-dates exclude each other.", "Choose one of them."
    ),
    "bad_station_name": failed(
        "A station name has at most 16 plain characters and no backslash.", "Shorten it, or leave it out."
    ),
    "unknown_attribute": failed(
        "An override names an attribute that is not in the data dictionary.",
        'Write a keyword, a tag such as "(0008,1030)", or a path of them joined by "/".',
    ),
    "private_needs_creator": failed(
        "An override names a private attribute by its number alone, which means nothing without its creator.",
        'Write group, creator and the low byte: "0019,SIEMENS MR HEADER,0C".',
    ),
    "override_not_a_sequence": failed(
        "An override looks for an attribute inside something that is not a sequence.", "Correct the path."
    ),
    "override_action": failed(
        "An override does nothing that is known.", "It has to be one of keep, remove, empty, replace."
    ),
    "override_twice": failed("Two overrides name the same attribute.", "Leave one of them out."),
    "override_fixed": failed(
        "This attribute always goes, or is written by the product itself; no override can change that.",
        "Leave the override out.",
    ),
    "override_breaks_type": failed(
        "Without a value in this attribute some objects would no longer be valid DICOM (it is Type 1 or Type 2 there).",
        "Replace it with a value instead; a Type 2 attribute may also be emptied.",
    ),
    "override_value": failed(
        "An override's value does not fit the attribute, is missing, or stands beside an action that takes none.",
        "Give replace one value of the attribute's length and form, in plain ASCII characters.",
    ),
    # findings: recorded, and the object goes on
    "claim_dropped": finding(
        "An override keeps what the profile removes, so the object does not claim to follow the profile."
    ),
    "device_claim_dropped": finding(
        "Dates of devices are not kept while dates are moved, so Retain Device Identity is not claimed."
    ),
    "known_token": finding("A kept text held a name or number of this patient and was removed."),
    "nonconforming_number": finding(
        "A number was not written as one, was one of too many or too few, or was words, and was removed."
    ),
    "nonconforming_value": finding("A code, UID, date or time was not written as one and was removed."),
    "wrong_vr": finding("An attribute had a value representation the standard does not give it and was removed."),
    "iod_unknown": finding(
        "The standard's tables do not list the attributes of this SOP class; the strictest rules were used."
    ),
    "no_patient_id": finding("Patient ID is empty; the pseudonym was made from the study."),
    # findings of the audit of a folder
    "not_scanned": finding("This file could not be followed, so nothing can be said about it."),
    "scan_preamble": finding("There are bytes before the file's prefix."),
    "scan_meta": finding("The file meta information tells more than it has to, such as titles of senders."),
    "scan_marks": finding("The object does not say that its patient's identity was removed."),
    "scan_group": finding("There is an attribute that always has to go: overlay, icon, signature and the like."),
    "scan_unknown": finding("There is an attribute that the data dictionary does not have."),
    "scan_private": finding("There are private attributes that nobody has declared safe."),
    "scan_attribute": finding("An attribute that has to be empty, replaced or gone holds a value."),
    "scan_uid": finding("A UID was not derived anew, so it may lead back to the original."),
    "scan_date": finding("A date or time was not removed."),
    "scan_age": finding("An age is above 89 years or no age."),
    "scan_text": finding("A text looks like it holds a date, a telephone number or an e-mail address."),
    "scan_burned_in": finding("Pictures of this kind often show who the patient is."),
    # findings of the checks, about the original
    "missing_type_1": finding("A required attribute (Type 1) is missing or empty."),
    "missing_type_2": finding("An attribute that may be empty but must be there (Type 2) is missing."),
    "value_multiplicity": finding("An attribute has more or fewer values than the standard allows."),
    "value_too_long": finding("A value is longer than its value representation allows."),
    "value_out_of_range": finding("A number is outside of what is possible."),
    "unknown_term": finding("A value is not in the closed list of terms of its attribute."),
    "bad_date": finding("A date is not written as YYYYMMDD or names no day."),
    "bad_time": finding("A time is not written as HHMMSS.FFFFFF."),
    "bad_datetime": finding("A date and time is not written as YYYYMMDDHHMMSS.FFFFFF&ZZXX or names no day."),
    "bad_age": finding("An age is not three digits and one of D, W, M, Y."),
    "bad_code_string": finding("A code string has other characters than capitals, digits, space and underscore."),
    "bad_number": finding("A decimal or integer string is no number."),
    "bad_text": finding("A text has control characters or does not fit its character set."),
    "bad_person_name": finding("A person name has too many components or component groups."),
    "bad_uid": finding("A UID has other characters than digits and single dots, or wrong padding."),
    "uid_too_long": finding("A UID has more than 64 characters."),
    "uid_leading_zero": finding("A component of a UID begins with a zero."),
    "sop_class_differs": finding("The file meta information names another SOP class than the data set."),
    "instance_uid_differs": finding("The file meta information names another SOP Instance UID than the data set."),
    "private_transfer_syntax": finding("The transfer syntax is private."),
    "born_after_study": finding("The patient's birth date is after the study date."),
    "unknown_modality": finding("The modality is none of the standard's terms."),
    "modality_differs": finding("The modality is not the one of the SOP class."),
    "bad_orientation": finding("Image Orientation (Patient) is not two perpendicular unit vectors."),
    "no_rows_or_columns": finding("An image has no rows or no columns."),
    "high_bit_differs": finding("High Bit is not one less than Bits Stored."),
    "samples_differ": finding("Samples per Pixel does not fit Photometric Interpretation."),
    "rescale_slope_zero": finding("Rescale Slope is zero."),
    "window_width_not_positive": finding("A Window Width is not above zero."),
    "spacing_not_positive": finding("A pixel spacing is not above zero."),
}
