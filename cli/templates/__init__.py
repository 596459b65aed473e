"""What ``storno init`` writes: small projects that run at once, each with a made-up input."""
