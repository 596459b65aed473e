"""What is true: money, names, entries, events and the aggregates' decisions. No input or output."""
