"""The module supabase_backup_info: what it returns, what it refuses, and that it keeps the token to itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.info import run_supabase_backup_info
from ansible_collections.mobul.backup.plugins.modules import supabase_backup_info
from support.module_parameters import parameters
from support.module_runs import ForkedModule, run_module
from support.supabase_api import TOKEN, Reply, SupabaseApi


def info(api: SupabaseApi, **options: Any) -> dict[str, Any]:
    return run_supabase_backup_info(parameters(supabase_backup_info, **{**api.options, **options}), False)


def test_daily_backups_are_told_with_what_is_expected(api: SupabaseApi) -> None:
    told = run_module("supabase_backup_info", **api.options, expect={"daily": 7})
    assert (told["changed"], told["verdict"]) == (False, "passed")
    newest = told["newest"]
    assert (newest["id"], newest["status"], newest["type"]) == (1000, "COMPLETED", "physical")
    assert 5 * 3600 <= newest["age"] < 6 * 3600
    assert (told["pitr_enabled"], told["pitr"], told["schedule"]) == (False, None, "04:00:00")
    assert [one["id"] for one in told["backups"]] == list(range(1000, 993, -1))
    assert told["project"]["status"] == "ACTIVE_HEALTHY"
    assert "7 completed daily backups: passed" in told["summary"][0]
    assert all(method == "GET" for method, _path in api.requests)


def test_point_in_time_recovery_is_told_with_its_window_and_restore_points(api: SupabaseApi) -> None:
    api.project.with_pitr(7)
    api.project.points["before-upgrade"] = {"states": ["AVAILABLE"]}
    told = info(api, expect={"daily": 7})
    assert told["verdict"] == "passed"
    assert told["pitr"]["seconds"] == 7 * 86400 - 120
    assert (told["newest"], told["backups"], told["schedule"]) == (None, [], None)
    completed = "2026-11-23T04:00:01Z"
    assert told["restore_points"] == [{"name": "before-upgrade", "status": "AVAILABLE", "completed": completed}]


def test_a_project_that_is_not_offered_restore_points_has_none(api: SupabaseApi) -> None:
    api.project.offers_points = False
    told = info(api)
    assert told["restore_points"] == []
    assert "to some projects only" in told["warnings"][0]


@pytest.mark.parametrize("window", [None, {}])
def test_a_new_project_has_nothing_and_that_is_told(api: SupabaseApi, window: Any) -> None:
    project = api.project
    project.backups, project.window, project.schedule = [], window, None
    told = info(api)
    if window is None:
        # Not as it is described, and met.
        api.problems.clear()
    assert (told["verdict"], told["newest"], told["schedule"]) == ("failed", None, None)


def test_a_name_of_the_project_is_shown_without_what_cannot_be_seen(api: SupabaseApi) -> None:
    api.project.name = "shop\u202e\x1b[2J"
    told = run_module("supabase_backup_info", **api.options)
    assert all(line.isprintable() for line in [*told["summary"], *(one["message"] for one in told["findings"])])


@pytest.mark.parametrize("answers", [[], [Reply(401, json.dumps({"message": f"bad {TOKEN}"}))], [Reply(200, TOKEN)]])
def test_the_token_is_in_no_result_log_or_error(api: SupabaseApi, answers: list[Reply], tmp_path: Any) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    options = {**api.options, "access_token": None, "access_token_file": str(path)}
    for given in (options, api.options)[len(answers) :]:
        api.replies = list(answers)
        run = ForkedModule("supabase_backup_info", {**given, "_ansible_verbosity": 4})
        output, journal = run.communicate()
        assert TOKEN not in output + journal
        assert bool(json.loads(output).get("failed")) == bool(answers)


def test_a_wrong_reference_a_foreign_one_and_a_wrong_token_are_one_line(api: SupabaseApi) -> None:
    for options, words in [
        ({"project_ref": "shop"}, "20 lower-case letters"),
        ({"project_ref": "zyxwvutsrqponmlkjihg"}, "may not do this with project zyxwvutsrqponmlkjihg"),
        ({"access_token": "sbp_expired_or_wrong"}, "give it as access_token"),
    ]:
        with pytest.raises(BackupError) as raised:
            info(api, **options)
        assert words in str(raised.value)
        assert str(raised.value).isprintable()
