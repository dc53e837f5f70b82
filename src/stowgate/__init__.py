"""Stowgate: a DICOM gateway that takes images in, keeps them safe, removes who the patient is, and proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stowgate.api import Result, deidentify, deidentify_bytes, deidentify_folder
    from stowgate.folder_run import Report

__all__ = ["Report", "Result", "deidentify", "deidentify_bytes", "deidentify_folder"]


def __getattr__(name: str) -> Any:
    """The front door opens on first use, so that importing the package costs nothing (PEP 562)."""
    if name in __all__:
        from stowgate import api

        return getattr(api, name)
    raise AttributeError(name)
