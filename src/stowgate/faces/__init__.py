"""Shells with no business in them: what people and programs outside touch."""
