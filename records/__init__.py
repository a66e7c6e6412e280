"""All that is written down or read back: run folders, tables, the environment, plots. No torch."""
