"""What a YAML may say: the strict reader, the models, overrides, located errors. No torch."""
