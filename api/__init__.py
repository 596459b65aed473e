"""Storno: financial batch jobs that can be audited and taken back."""
