"""Runs in real processes are killed at random moments; what is left must always be right."""
