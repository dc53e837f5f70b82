"""Judges whether an object is what it says it is: facts with codes and places, never values."""
