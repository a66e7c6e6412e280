"""`mlx compare`: settings side by side, over seeds, with error bars."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    # Not at run time: `mlx --help` imports no pydantic, and reading what is finished no torch.
    from ..comparison.judge import Judgement
    from ..comparison.settings import Settings
    from ..comparison.subjects import Subject
    from ..records.comparison_folder import ComparisonFolder
    from ..training.interruption import Interruption

FORMATS = ("table", "csv", "markdown", "json", "latex")


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    vary: tuple[str, ...]
    seeds: int | None
    baseline: str | None
    metric: str | None
    sort: str | None
    equal: bool
    output_format: str
    runs: Path
    device: str
    quiet: bool
    dry_run: bool
    resume: str | None


def compare(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG [KEY=VALUE]... | RUN... | COMPARISON",
            help="A config with settings to train, or finished runs or a comparison to read.",
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=V1,V2,...", help="Settings instead: all combinations of the values."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Seeds per setting.")] = None,
    baseline: Annotated[str | None, typer.Option(metavar="NAME", help="What to measure against.")] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="What to judge by.")] = None,
    sort: Annotated[str | None, typer.Option(metavar="NAME", help="Best first by this metric.")] = None,
    output_format: Annotated[
        str | None, typer.Option("--format", metavar="|".join(FORMATS), help="How to print the result.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    no_equal: Annotated[bool, typer.Option("--no-equal", help="Add no setting of equal weights.")] = False,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the comparison.")] = Path("runs"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to train.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; train nothing.")] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="COMPARISON|latest", help="Go on with one that was stopped.")
    ] = None,
) -> None:
    """Train settings on several seeds and judge their differences, or judge what is finished.

    [dim]Exit codes: 0 done, 2 config or usage, 3 data, 4 all diverged, 6 machine, 130, 143 interrupted.[/dim]
    """
    from .failures import reported_failures
    from .formats import choose_format

    with reported_failures(json=json or output_format == "json") as interruption:
        options = Options(
            *(tuple(vary or ()), seeds, baseline, metric, sort, not no_equal),
            *(choose_format(output_format, FORMATS, json=json), runs, device, quiet, dry_run, resume),
        )
        _compare(arguments or [], options, interruption)


def _compare(arguments: list[str], options: Options, interruption: Interruption) -> None:
    from ..comparison.subjects import identify

    subject = identify(arguments, runs=options.runs)
    if subject.comparison is not None or subject.runs:
        _refuse_training_options(options)
        _read(subject, options)
    elif options.resume is not None:
        _refuse_planning_options(options, has_config=bool(subject.configs))
        given = _settings(subject, options)[1] if subject.configs else None
        _resume(given, options.resume, options, interruption)
    elif subject.configs:
        _train(*_settings(subject, options), options, interruption)
    else:
        from ..specs.errors import ConfigError

        raise ConfigError("nothing to compare; give a config, runs, a comparison, or --resume COMPARISON.")


def _read(subject: Subject, options: Options) -> None:
    from ..comparison.finish import read_comparison, read_finished_runs
    from ..records.comparison_folder import ComparisonFolder

    wishes = {"baseline": options.baseline, "metric": options.metric, "sort": options.sort}
    if subject.comparison is not None:
        folder = ComparisonFolder.open(subject.comparison)
        _print(read_comparison(folder, **wishes), folder, options)
    else:
        _print(read_finished_runs(subject.runs, **wishes), None, options)


def _settings(subject: Subject, options: Options) -> tuple[str, Settings]:
    """The name of the comparison, and its settings as the options have them."""
    from ..comparison.settings import choose_baseline, settings_of_config, settings_of_configs
    from ..specs.errors import ConfigError
    from ..specs.load import load_experiment

    configs = {name: load_experiment(path, subject.overrides) for name, path in subject.configs.items()}
    first = next(iter(configs.values()))
    if len(configs) == 1:
        settings = settings_of_config(first, vary=options.vary, allow_equal=options.equal)
    elif options.vary:
        raise ConfigError("--vary takes one config; each of several configs is a setting already.")
    else:
        settings = settings_of_configs(configs, allow_equal=options.equal)
    baseline = choose_baseline(settings.settings, options.baseline, default=settings.baseline)
    if options.seeds is not None and not 1 <= options.seeds <= 1000:
        raise ConfigError(f"--seeds must be 1 to 1000, not {options.seeds}")
    return first.name, replace(settings, baseline=baseline, seeds=options.seeds or settings.seeds)


def _train(name: str, settings: Settings, options: Options, interruption: Interruption) -> None:
    from ..comparison.execute import Execution
    from ..comparison.train import Wish, plan_comparison, start_comparison
    from .progress import choose_reporter

    wish = Wish(options.baseline, options.metric, options.sort)
    plan = plan_comparison(settings, wish, device=options.device)
    if options.dry_run:
        from .render_comparison import print_plan

        print_plan(settings, plan, json=options.output_format == "json")
        return
    with choose_reporter(quiet=options.quiet) as reporter:
        execution = Execution(options.runs, plan.device, ["mlx", *sys.argv[1:]], reporter, interruption)
        folder, judgement = start_comparison(settings, plan, wish, name=name, execution=execution)
    _print(judgement, folder, options)


def _resume(given: Settings | None, text: str, options: Options, interruption: Interruption) -> None:
    from ..comparison.execute import Execution
    from ..comparison.train import Wish, resume_comparison
    from ..records.comparison_folder import find_comparison
    from .progress import choose_reporter

    folder = find_comparison(options.runs, text)
    wish = Wish(options.baseline, options.metric, options.sort)
    with choose_reporter(quiet=options.quiet) as reporter:
        execution = Execution(options.runs, options.device, ["mlx", *sys.argv[1:]], reporter, interruption)
        judgement = resume_comparison(folder, wish, given=given, execution=execution)
    _print(judgement, folder, options)


def _print(judgement: Judgement, folder: ComparisonFolder | None, options: Options) -> None:
    from .render_comparison import print_judgement

    print_judgement(judgement, folder, output_format=options.output_format)
    if judgement.all_diverged:
        sys.stderr.write("mlx: all members diverged\n")
        raise typer.Exit(4)


def _refuse_training_options(options: Options) -> None:
    """An option without effect is an error."""
    from ..specs.errors import ConfigError

    given = {
        "--vary": bool(options.vary),
        "--seeds": options.seeds is not None,
        "--no-equal": not options.equal,
        "--device": options.device != "auto",
        "--dry-run": options.dry_run,
        "--resume": options.resume is not None,
    }
    useless = [name for name, is_given in given.items() if is_given]
    if useless:
        raise ConfigError(
            f"{' and '.join(useless)} cannot be given for what is finished: it is read, not trained."
        )


def _refuse_planning_options(options: Options, *, has_config: bool) -> None:
    """What goes on keeps its plan; options for settings count only where a config is checked again."""
    from ..specs.errors import ConfigError

    given = {
        "--dry-run": options.dry_run,
        "--device": options.device != "auto",
        "--vary": bool(options.vary) and not has_config,
        "--seeds": options.seeds is not None and not has_config,
        "--no-equal": not options.equal and not has_config,
    }
    useless = [name for name, is_given in given.items() if is_given]
    if useless:
        raise ConfigError(f"{' and '.join(useless)} cannot be given with --resume: the plan is made.")
