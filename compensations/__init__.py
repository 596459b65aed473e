"""From posted events to reversing events."""
