"""Tables of the DICOM standard as data, with look-up and no policy; where they come from stands in NOTICE.md."""
