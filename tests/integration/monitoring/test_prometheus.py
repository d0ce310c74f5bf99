"""What Prometheus's own tool says of the rules and of the metrics that are written."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.catalogue.all_locations import read_catalogue
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.metrics import metrics_text, supabase_text
from support.programs import PROJECT
from support.watched_sets import NOW, Bench

RULES = PROJECT / "docs" / "prometheus-rules.yml"
TESTS = PROJECT / "tests" / "data" / "prometheus-rules-test.yml"


def run(promtool: Path, *arguments: object, stdin: str = "") -> str:
    argv = [str(promtool), *map(str, arguments)]
    result = subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return result.stdout


def written() -> str:
    catalogue = read_catalogue(Bench().locations, "shop", cache_dir=None)
    window = {"earliest": "2026-11-18T04:00:00Z", "latest": "2026-11-25T06:58:00Z"}
    supabase = {"verdict": "passed", "backups": [], "newest": {"time": window["latest"]}, "pitr_enabled": True}
    own = supabase_text("shop", "production", {**supabase, "pitr": window})
    return metrics_text(catalogue, "production", NOW) + str(own)


def test_each_rule_is_valid_and_fires_when_it_should_and_not_before(promtool: Path, tmp_path: Path) -> None:
    assert "13 rules found" in run(promtool, "check", "rules", RULES)
    shutil.copy(RULES, tmp_path / "rules.yml")
    shutil.copy(TESTS, tmp_path / "tests.yml")
    assert "SUCCESS" in run(promtool, "test", "rules", tmp_path / "tests.yml")


def test_every_rule_is_tested() -> None:
    rules = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert rules == set(re.findall(r'alertname="(\w+)"', TESTS.read_text()))


def test_the_metrics_are_as_prometheus_likes_them(promtool: Path) -> None:
    assert run(promtool, "check", "metrics", stdin=written()) == ""


def test_every_metric_that_a_rule_asks_for_is_written() -> None:
    asked = set(re.findall(r"mobul_backup_\w+", RULES.read_text())) - {"mobul_backup_"}
    assert asked <= set(re.findall(r"^mobul_backup_\w+", written(), re.MULTILINE))
