"""The judgement of hand-made members: pairs by seed, missing sides, ties, notes, order, and documents."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping

import pytest
from mlx_runner.comparison.judge import Judgement, Score, judge
from mlx_runner.comparison.report import judgement_document, judgement_tables, member_rows, score_rows
from mlx_runner.comparison.results import Finished, MemberResult
from mlx_runner.comparison.settings import Setting
from mlx_runner.comparison.text_formats import csv_text, latex_text, markdown_text
from mlx_runner.records.numbers import to_json
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from scipy import stats

Load = Callable[..., Experiment]
Values = Mapping[str, Mapping[int, float | None]]
"""By setting and seed, the judged metric; None for a member that diverged."""

KEY = "test/attributes/f1_micro"
BASE = {0: 0.5, 1: 0.6, 2: 0.55, 3: 0.7}


def _finished(load: Load, values: Values, overrides: Mapping[str, str] | None = None) -> Finished:
    settings = tuple(
        Setting(name, {}, load((overrides or {}).get(name, f"losses.digit.weight={index / 10}")))
        for index, name in enumerate(values)
    )
    members = tuple(
        MemberResult(
            name,
            seed,
            f"{name}_{seed}",
            "diverged" if value is None else "finished",
            {} if value is None else {"test/loss": 9.0, "test/digit/loss": 2.0 - value, KEY: value},
            "abc",
        )
        for name, own in values.items()
        for seed, value in own.items()
    )
    return Finished(settings, members)


def _p(score: Score) -> float:
    assert score.difference is not None
    assert score.difference.p is not None
    return score.difference.p


def _notes(judgement: Judgement) -> str:
    return "\n".join(judgement.notes)


def test_pairs_by_seed(load: Load) -> None:
    other = {3: 0.75, 2: 0.5, 1: 0.7, 0: 0.55}
    judgement = judge(_finished(load, {"base": BASE, "other": other}), baseline="base")
    score = judgement.settings[1].scores[KEY]
    expected = stats.ttest_rel([other[seed] for seed in BASE], list(BASE.values()))
    interval = expected.confidence_interval(0.95)
    assert score.difference is not None
    assert score.difference.p == pytest.approx(expected.pvalue)
    assert (score.difference.low, score.difference.high) == pytest.approx((interval.low, interval.high))
    assert (judgement.metric, judgement.baseline) == (KEY, "base")
    assert judgement.settings[0].scores[KEY].difference is None


def test_a_diverged_member_leaves_both_sides(load: Load) -> None:
    other = {0: 0.6, 1: None, 2: 0.65, 3: 0.8}
    judgement = judge(_finished(load, {"base": BASE, "other": other}), baseline="base")
    base, score = (each.scores[KEY] for each in judgement.settings)
    assert (base.estimate.n, score.estimate.n) == (4, 3)
    assert score.difference is not None
    assert score.difference.n == 3
    assert score.difference.mean == pytest.approx(0.1)
    assert "other diverged on seed 1: left out on both sides of its pairs." in _notes(judgement)
    assert not judgement.all_diverged


def test_a_metric_missing_on_one_seed(load: Load) -> None:
    finished = _finished(load, {"base": BASE, "other": BASE})
    first = finished.members[-1]
    without = MemberResult("other", first.seed, first.run, "finished", {"test/digit/loss": 1.0}, "abc")
    judgement = judge(Finished(finished.settings, (*finished.members[:-1], without)), baseline="base")
    difference = judgement.settings[1].scores[KEY].difference
    assert difference is not None
    assert difference.n == 3
    assert f"other has no {KEY} on seed 3" in _notes(judgement)


def test_a_baseline_that_diverged(load: Load) -> None:
    judgement = judge(_finished(load, {"base": dict.fromkeys(BASE), "other": BASE}), baseline="base")
    assert judgement.settings[1].scores[KEY].difference is None
    assert "the baseline base has no result: there are no differences to it." in _notes(judgement)


def test_all_diverged(load: Load) -> None:
    judgement = judge(_finished(load, {"a": dict.fromkeys(BASE), "b": {0: None}}), baseline="a")
    assert judgement.all_diverged
    assert judgement.metric is None
    assert judgement_tables(judgement) == []
    assert score_rows(judgement)[0] == []


def test_one_seed_has_no_interval(load: Load) -> None:
    judgement = judge(_finished(load, {"base": {0: 0.5}, "other": {0: 0.6}}), baseline="base")
    score = judgement.settings[1].scores[KEY]
    assert score.estimate.std is None
    assert score.difference is not None
    assert (score.difference.low, score.difference.p, score.p_holm) == (None, None, None)
    assert "one seed: no deviation, no interval" in _notes(judgement)
    assert "+-" not in "".join(judgement_tables(judgement)[0].rows[1])


def test_no_seed_in_common(load: Load) -> None:
    judgement = judge(_finished(load, {"base": BASE, "other": {7: 0.5, 8: 0.6}}), baseline="base")
    assert judgement.settings[1].scores[KEY].difference is None
    assert "other shares no seed with the baseline base" in _notes(judgement)


def test_ties(load: Load) -> None:
    judgement = judge(_finished(load, {"base": BASE, "same": BASE}), baseline="base")
    difference = judgement.settings[1].scores[KEY].difference
    assert difference is not None
    assert (difference.mean, difference.low, difference.high, difference.p) == (0.0, 0.0, 0.0, 1.0)
    assert judgement.front == ("base", "same")


def test_holm_over_the_settings(load: Load) -> None:
    shifted = {
        name: {seed: value + step + 0.01 * seed for seed, value in BASE.items()}
        for name, step in (("a", 0.01), ("b", 0.05))
    }
    judgement = judge(_finished(load, {"base": BASE, **shifted}), baseline="base")
    p_values = [_p(each.scores[KEY]) for each in judgement.settings[1:]]
    adjusted = [each.scores[KEY].p_holm for each in judgement.settings[1:]]
    assert p_values[1] < p_values[0]
    assert adjusted == pytest.approx([max(p_values[0], 2 * p_values[1]), 2 * p_values[1]])
    assert "2 settings are compared with base" in _notes(judgement)


def test_few_seeds_say_so(load: Load) -> None:
    values = {"base": {0: 0.5, 1: 0.6}, "other": {0: 0.6, 1: 0.8}}
    judgement = judge(_finished(load, values), baseline="base")
    assert "few seeds (2): a 95 % t interval is the mean +- 12.71 standard errors" in _notes(judgement)


def test_order(load: Load) -> None:
    values = {name: {seed: value + step for seed, value in BASE.items()} for name, step in
              (("low", -0.1), ("gone", math.nan), ("high", 0.1))}  # fmt: skip
    values["gone"] = dict.fromkeys(BASE)
    finished = _finished(load, values)
    assert [each.name for each in judge(finished, baseline="low").settings] == ["low", "gone", "high"]
    rising = judge(finished, baseline="low", sort="f1_micro")
    falling = judge(finished, baseline="low", sort="digit/loss")
    for judgement in (rising, falling):
        assert [each.name for each in judgement.settings] == ["high", "low", "gone"]


def test_totals_under_different_weights(load: Load) -> None:
    finished = _finished(load, {"base": BASE, "other": BASE})
    for option in ({"sort": "loss"}, {"metric": "test/loss"}):
        with pytest.raises(ConfigError, match="is the weighted total"):
            judge(finished, baseline="base", **option)
    assert "test/loss" not in judge(finished, baseline="base").keys
    rates = {"base": "optimizer.learning_rate=0.1", "other": "optimizer.learning_rate=0.2"}
    alike = _finished(load, {"base": BASE, "other": BASE}, rates)
    assert judge(alike, baseline="base", metric="loss").metric == "test/loss"


def test_a_smoothed_term_is_not_judged_unasked(load: Load) -> None:
    smoothing = {"base": "seed=0", "other": "losses.digit.label_smoothing=0.1"}
    finished = _finished(load, {"base": BASE, "other": BASE}, smoothing)
    judgement = judge(finished, baseline="base")
    assert "the term digit is another quantity in some settings (label_smoothing)" in _notes(judgement)
    assert judgement.axes == ()


def test_other_data_are_told(load: Load) -> None:
    finished = _finished(load, {"base": {0: 0.5}, "other": {0: 0.6}})
    moved = MemberResult("other", 0, "r", "finished", {KEY: 0.5}, "xyz")
    judgement = judge(Finished(finished.settings, (finished.members[0], moved)), baseline="base")
    assert "different data" in _notes(judgement)


def test_nothing_shared(load: Load) -> None:
    finished = _finished(load, {"base": {0: 0.5}, "other": {0: 0.6}})
    other = MemberResult("other", 0, "r", "finished", {"test/x/f1": 0.5}, "abc")
    with pytest.raises(ConfigError, match="share no metric and no unweighted term"):
        judge(Finished(finished.settings, (finished.members[0], other)), baseline="base")


def test_the_document_is_json(load: Load) -> None:
    values = {"base": BASE, "other": {0: 0.6, 1: None, 2: math.inf, 3: 0.8}}
    finished = _finished(load, values)
    judgement = judge(finished, baseline="base")
    document = json.loads(to_json(judgement_document(judgement, comparison="c", plan={"device": "cpu"})))
    assert list(document)[:2] == ["comparison", "plan"]
    assert list(document["settings"][1]) == ["name", "changes", "metrics", "members"]
    assert document["settings"][0]["metrics"][KEY]["difference"] is None
    assert document["settings"][1]["metrics"][KEY]["mean"] is None, "infinity is no JSON number"
    assert document["settings"][1]["members"][1] == {"run": "other_1", "seed": 1, "status": "diverged"}


def test_rows_and_formats_say_the_same(load: Load) -> None:
    judgement = judge(
        _finished(load, {"a_1": BASE, "b|&": {s: v + 0.1 for s, v in BASE.items()}}), baseline="a_1"
    )
    rows, varied = score_rows(judgement)
    assert varied == ["losses.digit.weight"]
    again = list(csv.DictReader(io.StringIO(csv_text(judgement))))
    assert [(row["setting"], row["metric"]) for row in again] == [
        (row["setting"], row["metric"]) for row in rows
    ]
    assert [float(row["mean"]) for row in again] == pytest.approx([row["mean"] for row in rows])
    assert [row["losses.digit.weight"] for row in again] == ["0.0", "0.0", "0.1", "0.1"]
    markdown = markdown_text(judgement, title="title")
    tables = [part.splitlines() for part in markdown.split("\n\n") if part.startswith("|")]
    assert [len(lines) for lines in tables] == [4, 4], "a heading, a rule and two settings"
    for lines in tables:
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert r"| b\|& |" in markdown
    latex = latex_text(judgement)
    assert r"a\_1" in latex and r"b|\&" in latex and r"$\pm$" in latex
    assert "$^{*}$" in latex, "a constant difference excludes zero"


def test_member_rows(load: Load) -> None:
    finished = _finished(load, {"base": {0: 0.5, 1: None}})
    rows, metrics = member_rows(finished.members)
    assert metrics == ["test/loss", "test/digit/loss", KEY]
    assert rows[1] == {"setting": "base", "seed": 1, "run": "base_1", "status": "diverged"}
