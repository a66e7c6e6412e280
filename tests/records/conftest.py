"""What tests of many runs share: a run folder as training leaves it, with small numbers in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mlx_runner.records.run_folder import RunFolder

CONFIG = """\
name: {name}
seed: {seed}
optimizer: {{type: adam, learning_rate: {learning_rate}, clipnorm: null}}
model: {{outputs: [scores, more]}}
training: {{epochs: 2}}
"""


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunFolder]:
    """`make_run(root, name, started=..., status=..., ...)`: a run of two epochs, named by when it started
    (ISO 8601); without a status it is at work in this process."""

    def make(
        root: Path,
        name: str = "run",
        *,
        started: str = "2026-01-01T10:00:00.000+00:00",
        status: str | None = "finished",
        metrics: Mapping[str, float] | None = None,
        seed: int = 0,
        learning_rate: float = 0.001,
        **environment: object,
    ) -> RunFolder:
        run = RunFolder.create(
            root,
            name,
            config_text=CONFIG.format(name=name, seed=seed, learning_rate=learning_rate),
            environment={"started_at": started, "seed": seed, **environment},
            plan={"engine": "single"},
        )
        for epoch in (1, 2):
            run.append_metrics({"epoch": epoch, "train/loss": 1 / epoch, "validation/loss": 2 / epoch})
        if status is not None:
            scores = {"test/loss": 0.5} if metrics is None else metrics
            run.write_summary({"status": status, "best_epoch": 2, "epochs": 2, "metrics": scores})
        time = started[:19].replace("-", "").replace(":", "").replace("T", "-")
        return RunFolder(run.path.rename(root / f"{time}_{name}"))

    return make
