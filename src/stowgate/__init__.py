"""Stowgate: a DICOM gateway that takes images in, keeps them safe, removes who the patient is, and proves it."""
