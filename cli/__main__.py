"""`python -m mlx_runner.cli` is `mlx`."""

from .entry import main

main()
