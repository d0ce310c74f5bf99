"""Restores by Supabase itself: what is refused before anything is ordered, and what is told of each end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase import restoring
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.access import Access
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.client import Client
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.restore_plan import RestoreRequest
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.restore_points import (
    make_point,
    run_supabase_restore_point,
)
from ansible_collections.mobul.backup.plugins.modules import supabase_restore, supabase_restore_point
from support.module_parameters import parameters
from support.module_runs import run_module
from support.supabase_api import TOKEN, Reply, SupabaseApi


class Clock:
    """A clock that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    def waiting(self, seconds: float) -> restoring.Waiting:
        return restoring.Waiting(seconds, lambda: self.now, self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ago(**length: float) -> str:
    return f"{datetime.now(timezone.utc) - timedelta(**length):%Y-%m-%dT%H:%M:%SZ}"


def restore(api: SupabaseApi, clock: Clock, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = parameters(supabase_restore, **{**api.options, "expect_environment": "production", **options})
    client = Client(Access.parse(params), clock=lambda: clock.now, sleep=clock.sleep)
    request = RestoreRequest.parse(params, datetime.now(timezone.utc))
    return restoring.restore(client, request, clock.waiting, check_mode)


def refused(api: SupabaseApi, clock: Clock, **options: Any) -> BackupError:
    with pytest.raises(BackupError) as raised:
        restore(api, clock, **options)
    assert str(raised.value).isprintable()
    assert TOKEN not in str(raised.value)
    return raised.value


def test_a_project_goes_back_to_a_moment_and_is_waited_for(api: SupabaseApi) -> None:
    api.project.with_pitr()
    api.project.after_restore = ["RESTORING", "ACTIVE_HEALTHY"]
    to = ago(hours=3)
    options = {**api.options, "expect_environment": "production", "environment": "production", "expect_project": "shop"}
    told = run_module("supabase_restore", **options, to=to)
    assert api.project.restored == [
        ("/restore-pitr", {"recovery_time_target_unix": int(datetime.fromisoformat(to).timestamp())})
    ]
    assert (told["changed"], told["target"], told["moment"]) == (True, {"to": to}, to)
    assert told["project"]["status"] == "ACTIVE_HEALTHY"
    assert f"restored: point-in-time recovery to {to}" in told["summary"][0]
    assert "warnings" not in told


def test_a_daily_backup_and_a_restore_point_are_restored_by_their_names(api: SupabaseApi, clock: Clock) -> None:
    restore(api, clock, backup_id=998)
    api.project.with_pitr()
    api.project.points["before-upgrade"] = {"states": ["AVAILABLE"]}
    told = restore(api, clock, restore_point="before-upgrade")
    assert api.project.restored == [("/restore", {"id": 998}), ("/undo", {"name": "before-upgrade"})]
    assert told["moment"] == "2026-11-23T04:00:01Z"
    assert "only the caller says" in told["warnings"][0]


@pytest.mark.parametrize("options", [{"to": ""}, {"backup_id": 998}, {"restore_point": "before-upgrade"}])
def test_check_mode_tells_the_plan_and_orders_nothing(api: SupabaseApi, options: dict[str, Any]) -> None:
    if "backup_id" not in options:
        api.project.with_pitr()
    api.project.points["before-upgrade"] = {"states": ["AVAILABLE"]}
    if "to" in options:
        options = {"to": ago(hours=3)}
    given = {**api.options, "expect_environment": "production", **options}
    told = run_module("supabase_restore", check_mode=True, diff=True, **given)
    assert told["changed"]
    assert "would be restored" in told["summary"][0]
    assert "as it is now" in told["diff"]["before"]
    assert any("is lost" in line for line in told["plan"])
    assert (api.posts, api.project.restored) == ([], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing says what to restore to"),
        ({"to": "2026-11-23", "backup_id": 1}, "to and backup_id were given"),
        ({"to": "0"}, "nothing would be restored"),
        ({"to": "00"}, "nothing would be restored"),
        ({"to": "now"}, "nothing would be restored"),
        ({"to": "yesterday"}, "is no time"),
        ({"to": "2099-01-01"}, "moment of the past"),
        ({"to": timedelta(days=8)}, "the recovery goes from"),
        ({"to": timedelta(seconds=10)}, "the recovery goes from"),
        ({"backup_id": 998, "expect_environment": ""}, "expect_environment is missing"),
        ({"backup_id": 998, "environment": "staging"}, "is of environment 'staging'"),
        ({"to": timedelta(hours=3), "expect_project": "other"}, "expect_project is 'other'"),
        ({"backup_id": 4711}, "has no backup 4711"),
        ({"restore_point": "a name of more than 20"}, "20 characters"),
        ({"restore_point": "unknown"}, "no restore point 'unknown'"),
        ({"restore_point": "pending"}, "is PENDING"),
        ({"to": timedelta(hours=3), "wait_timeout": "soon"}, "wait_timeout"),
        ({"to": timedelta(hours=3), "project_ref": "zyxwvutsrqponmlkjihg"}, "project_ref"),
        ({"to": timedelta(hours=3), "access_token": "sbp_expired_or_revoked"}, "access_token"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_ordered(
    api: SupabaseApi, clock: Clock, options: dict[str, Any], words: str
) -> None:
    api.project.with_pitr()
    api.project.points["pending"] = {"states": ["PENDING"]}
    # How long ago is meant when the test runs, which may be long after its collection.
    if isinstance(before := options.get("to"), timedelta):
        options = {**options, "to": ago(seconds=before.total_seconds())}
    error = refused(api, clock, **options)
    assert words in str(error)
    assert not error.changed
    assert (api.posts, api.project.restored) == ([], [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": "2026-11-23T04:00:00Z"}, "point-in-time recovery is off"),
        ({"restore_point": "one"}, "no restore point"),
        ({"backup_id": 999}, "is FAILED"),
        ({"backup_id": 998}, "is a logical one"),
    ],
)
def test_a_project_without_what_is_asked_for_is_left_alone(
    api: SupabaseApi, clock: Clock, options: dict[str, Any], words: str
) -> None:
    api.project.with_daily(7, physical=False)
    api.project.backups[1]["status"] = "FAILED"
    assert words in str(refused(api, clock, **options))
    assert api.posts == []


@pytest.mark.parametrize(
    ("state", "words"),
    [("INACTIVE", "it is paused"), ("RESTORING", "it is being restored"), ("UPGRADING", "it is being changed")],
)
def test_a_project_that_is_not_there_for_it_is_left_alone(
    api: SupabaseApi, clock: Clock, state: str, words: str
) -> None:
    api.project.states = [state]
    assert words in str(refused(api, clock, backup_id=998))
    assert api.posts == []


def test_a_restore_that_fails_is_told_with_what_to_look_at(api: SupabaseApi, clock: Clock) -> None:
    api.project.after_restore = ["ACTIVE_HEALTHY", "RESTORING", "RESTORE_FAILED"]
    error = refused(api, clock, backup_id=998)
    assert error.changed
    assert "RESTORE_FAILED" in str(error)
    assert "dashboard" in str(error)
    # And another one may be tried.
    api.project.after_restore = ["RESTORE_FAILED", "RESTORING", "ACTIVE_HEALTHY"]
    assert restore(api, clock, backup_id=997)["project"]["status"] == "ACTIVE_HEALTHY"


def test_when_the_time_is_up_the_state_is_told_and_the_next_order_refused(api: SupabaseApi, clock: Clock) -> None:
    api.project.after_restore = ["ACTIVE_HEALTHY", "RESTORING"]
    error = refused(api, clock, backup_id=998, wait_timeout="10m")
    assert error.changed
    assert "has not ended after 10 minutes: project shop (abcdefghijklmnopqrst) is RESTORING" in str(error)
    assert "it is being restored" in str(refused(api, clock, backup_id=998))
    assert len(api.posts) == 1


def test_an_order_of_which_nothing_is_to_be_seen_is_not_called_done(api: SupabaseApi, clock: Clock) -> None:
    api.project.after_restore = ["ACTIVE_HEALTHY"]
    error = refused(api, clock, backup_id=998)
    assert error.changed
    assert "has not begun, or was over at once" in str(error)


def test_faults_while_it_is_waited_for_do_not_end_it(api: SupabaseApi, clock: Clock) -> None:
    faults = [Reply(500), Reply(0), Reply(503), Reply(429)] * 5
    clock.on_sleep = lambda: api.replies.append(faults.pop()) if faults else None
    assert restore(api, clock, backup_id=998)["project"]["status"] == "ACTIVE_HEALTHY"
    assert len(api.project.restored) == 1


def test_who_is_interrupted_is_told_that_it_goes_on_there(api: SupabaseApi, clock: Clock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_sleep = interrupt
    error = refused(api, clock, backup_id=998)
    assert error.changed
    assert "interrupted while waiting: daily backup 998" in str(error)


def test_a_token_that_expires_meanwhile_is_told_with_the_order(api: SupabaseApi, clock: Clock) -> None:
    clock.on_sleep = api.tokens.clear
    error = refused(api, clock, backup_id=998)
    assert error.changed
    assert "was requested" in str(error)


@pytest.mark.parametrize("reply", [Reply(0, carried_out=True), Reply(500, carried_out=True)])
def test_an_order_whose_answer_is_lost_is_found_by_the_project_and_given_once(
    api: SupabaseApi, clock: Clock, reply: Reply
) -> None:
    # And it is over before it is looked at a second time.
    api.project.after_restore = ["RESTORING", "ACTIVE_HEALTHY"]
    api.before_post = lambda: api.replies.append(reply)
    assert restore(api, clock, backup_id=998)["project"]["status"] == "ACTIVE_HEALTHY"
    assert (len(api.posts), len(api.project.restored)) == (1, 1)


def test_an_order_that_may_be_lost_is_told_as_such_and_not_given_again(api: SupabaseApi, clock: Clock) -> None:
    api.before_post = lambda: api.replies.append(Reply(503))
    error = refused(api, clock, backup_id=998)
    assert error.changed
    assert "it is not known whether the platform accepted the request" in str(error)
    assert len(api.posts) == 1


def test_it_need_not_be_waited_for(api: SupabaseApi, clock: Clock) -> None:
    assert restore(api, clock, backup_id=998, wait=False)["project"]["status"] == "RESTORING"
    assert clock.now == 0


def test_what_the_platform_refuses_changed_nothing(api: SupabaseApi, clock: Clock) -> None:
    api.project.with_pitr()
    to = ago(hours=3)

    def turn_off() -> None:
        api.project.pitr = False

    api.before_post = turn_off
    error = refused(api, clock, to=to)
    assert "PITR is not enabled for this project." in str(error)
    assert not error.changed


def point(
    api: SupabaseApi, clock: Clock, *, check_mode: bool = False, must: bool = True, **options: Any
) -> dict[str, Any]:
    params = parameters(supabase_restore_point, **{**api.options, "name": "dep-20261123-040000", **options})
    client = Client(Access.parse(params), clock=lambda: clock.now, sleep=clock.sleep)
    given = {"check_mode": check_mode, "must": must, "clock": lambda: clock.now, "sleep": clock.sleep}
    return make_point(client, params["name"], 60.0, **given)


def test_a_restore_point_is_made_once_and_waited_for(api: SupabaseApi, clock: Clock) -> None:
    api.project.with_pitr()
    assert point(api, clock, check_mode=True)["changed"]
    assert api.posts == []
    told = point(api, clock)
    assert (told["changed"], told["restore_point"]["status"]) == (True, "AVAILABLE")
    again = run_supabase_restore_point(
        parameters(supabase_restore_point, **api.options, name="dep-20261123-040000"), False
    )
    assert (again["changed"], again["restore_point"]["name"]) == (False, "dep-20261123-040000")
    assert len(api.posts) == 1


def test_a_restore_point_whose_answer_is_lost_is_there_all_the_same(api: SupabaseApi, clock: Clock) -> None:
    api.project.with_pitr()
    api.before_post = lambda: api.replies.append(Reply(0, carried_out=True))
    assert point(api, clock)["changed"]
    assert len(api.posts) == 1


@pytest.mark.parametrize("pitr", [False, True])
def test_a_project_that_cannot_have_restore_points_is_told(api: SupabaseApi, clock: Clock, pitr: bool) -> None:
    if pitr:
        api.project.with_pitr()
    api.project.offers_points = False
    with pytest.raises(BackupError) as raised:
        point(api, clock)
    assert not raised.value.changed
    told = point(api, clock, must=False)
    assert not told["changed"]
    assert told["not_needed"]


@pytest.mark.parametrize(("states", "words"), [(["PENDING", "FAILED"], "is FAILED"), (["PENDING"], "still PENDING")])
def test_a_restore_point_that_fails_or_never_comes_is_told(
    api: SupabaseApi, clock: Clock, states: list[str], words: str
) -> None:
    api.project.with_pitr()
    api.project.point_states = states
    with pytest.raises(BackupError, match=words) as raised:
        point(api, clock)
    assert raised.value.changed
    assert clock.now <= 60


def test_a_name_that_the_api_would_refuse_is_told_before(api: SupabaseApi) -> None:
    with pytest.raises(BackupError, match="1 to 20 characters"):
        run_supabase_restore_point(parameters(supabase_restore_point, **api.options, name="x" * 21), False)
    assert api.requests == []
