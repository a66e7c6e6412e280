"""Settings and seeds: what is compared, how it is trained together, and what the differences say."""
