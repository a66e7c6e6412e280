"""What training and losses can tell of a config or a run, arranged for reading."""
