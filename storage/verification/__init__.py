"""Recomputing the whole log from what is stored, and naming what does not fit."""
