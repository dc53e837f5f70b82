"""Bytes of DICOM: where they come from, how they are walked, limited, decoded and written; no policy."""
