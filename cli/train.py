"""`mlx train`: one experiment from its config to a run folder and a table."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .plain_text import plain

if TYPE_CHECKING:
    # Not at run time: `mlx --help` imports no torch.
    from ..records.run_folder import RunFolder
    from ..training.assemble import Workshop
    from ..training.final import RunResult
    from ..training.reporter import Reporter

    Begin = Callable[..., RunResult]


@dataclass(frozen=True)
class Options:
    """The options of the command line that say what is trained, and where."""

    device: str
    seed: str | None
    runs: Path
    name: str | None
    resume: str | None
    quiet: bool


def train(
    config: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped config."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes: training.epochs=5")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to train.")] = "auto",
    seed: Annotated[str | None, typer.Option(metavar="N", help="Instead of the config's seed.")] = None,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder in which run folders are made.")
    ] = Path("runs"),
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Instead of the config's name.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN|latest", help="Go on with a run that was stopped, or make it longer."),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time the first steps by stage, layer, operator: profile.csv.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, and of findings only errors and warnings.")
    ] = False,
) -> None:
    """Train a network, evaluate its best epoch, and record both.

    What the rules of `mlx check` find is printed before it starts. A run that was stopped goes on where it
    was, with the numbers that it would have had: mlx train --resume RUN [training.epochs=N].

    [dim]Exit codes: 0 done, 2 bad config or usage, 3 bad data, 4 diverged, 6 machine, 130 or 143 interrupted,
    all saved.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json) as interruption:
        options = Options(device, seed, runs, name, resume, quiet)
        config, changes = _split(config, overrides or [], options)
        # After the config, so that a mistake in it is told at once: this imports torch.
        begin = _resumed(config, changes, options) if resume is not None else _fresh(config, changes, options)
        from .progress import choose_reporter

        with choose_reporter(quiet=quiet) as reporter:

            def inspect(workshop: Workshop) -> None:
                _tell_findings(workshop, reporter, quiet=quiet)

            command = ["mlx", *sys.argv[1:]]
            result = begin(
                command=command,
                reporter=reporter,
                inspect=inspect,
                interruption=interruption,
                profile=profile,
            )
        from ..records.run_folder import RunFolder

        folder = RunFolder.open(Path(result.run))
        try:
            _show(result, folder, json=json)
            if profile and not json:
                _show_profile(result, folder)
        finally:
            # Last: a disk that is full by now costs the pictures, not the results.
            _draw(result, folder)


def _show(result: RunResult, folder: RunFolder, *, json: bool) -> None:
    if json:
        from ..records.numbers import to_json

        sys.stdout.write(to_json(result.document()))
    else:
        from .render import render_run

        render_run(folder)
    sys.stdout.flush()


def _show_profile(result: RunResult, folder: RunFolder) -> None:
    from .render_profile import render_profile

    if result.is_new:
        render_profile(folder)
    else:
        sys.stdout.write("no profile: the run had ended before, and nothing was trained\n")
    sys.stdout.flush()


def _draw(result: RunResult, folder: RunFolder) -> None:
    """The plots, once more for a run that had ended: it may have been killed before all were drawn."""
    from ..records.plots import plot_run
    from ..specs.errors import MachineError
    from .failures import reported_failures

    try:
        plot_run(folder)
    except MachineError as error:
        if result.is_new:
            # The one JSON document is printed already.
            with reported_failures(json=False):
                raise error


def _split(config: str | None, overrides: list[str], options: Options) -> tuple[str | None, list[str]]:
    """The config, if one is named, and all changes to it."""
    if config is not None and options.resume is not None and "=" in config:
        config, overrides = None, [config, *overrides]
    changes = [*overrides]
    changes += [] if options.seed is None else [f"seed={options.seed}"]
    # Quoted, so that a name such as 2024 stays text.
    changes += [] if options.name is None else [f"name={dumps(options.name)}"]
    return config, changes


def _fresh(config: str | None, changes: list[str], options: Options) -> Begin:
    from ..specs.errors import ConfigError
    from ..specs.load import load_experiment

    if config is None:
        raise ConfigError("nothing to train; give a CONFIG, or --resume RUN.")
    experiment = load_experiment(config, changes)
    from ..training.run import run_experiment

    return partial(run_experiment, experiment, runs=options.runs, device=options.device)


def _resumed(config: str | None, changes: list[str], options: Options) -> Begin:
    from ..records.listing import find_latest, find_run
    from ..specs.errors import ConfigError
    from ..specs.load import load_experiment

    assert options.resume is not None
    if options.device != "auto" or options.name is not None:
        raise ConfigError("--device and --name cannot be given with --resume: the run has its own.")
    given = None if config is None else load_experiment(config, changes)
    if given is not None and options.resume == "latest":
        folder = find_latest(options.runs, given.name)
    else:
        folder = find_run(options.runs, options.resume)
    from ..training.resume_run import resume_experiment

    return partial(resume_experiment, folder, given=given, overrides=[] if given else changes)


def _tell_findings(workshop: Workshop, reporter: Reporter, *, quiet: bool) -> None:
    """What the rules that cost next to nothing find; a quiet reporter would swallow it."""
    from ..inspection.pitfalls import find_pitfalls

    for finding in find_pitfalls(workshop.blueprint, workshop, costly=False):
        if not quiet:
            reporter.message(str(finding))
        elif finding.severity != "note":
            sys.stderr.write(f"{plain(str(finding))}\n")
