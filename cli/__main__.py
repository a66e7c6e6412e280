"""`python -m mlx_runner.cli` is `mlx`."""

from .main import main

main()
