"""Sources, the chunk loop, retry, the runner, and the wiring of storage to the rest."""
