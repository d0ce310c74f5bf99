"""A controller is brought to its state with few requests, and told the truth about it before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.awx_api import Controller
from support.awx_setup import bring, options_of
from support.certificates import Certificates
from support.module_runs import run_module

from .conftest import PLAYBOOKS

SMALL: dict[str, Any] = {
    "awx_project": {"name": "ops", "local_path": "ops"},
    "awx_environments": [
        {
            "name": "production",
            "hosts": {"shop": {"backup_login_db": "shop"}},
            "credentials": [{"name": "S3", "type": "S3", "inputs": {"access_key": "a", "secret_key": "canary-1"}}],
        }
    ],
    "awx_templates": ["weekly", "backup", "verify", "cleanup_plan", "cleanup"],
    "awx_notifications": [
        {
            "name": "ops",
            "type": "slack",
            "configuration": {"channels": ["#a"], "token": "canary-2"},
            "events": ["error"],
        }
    ],
}
"""Of each kind of object one at least."""


def with_environment(**changed: Any) -> dict[str, Any]:
    """The small settings with another environment."""
    return {**SMALL, "awx_environments": [{**SMALL["awx_environments"][0], **changed}]}


def done(result: dict[str, Any]) -> list[str]:
    """What a module that ended well has done."""
    assert "failed" not in result, result
    assert "canary" not in str(result)
    lines: list[str] = result["changes"]
    assert result["changed"] == bool(lines)
    return lines


def asked(controller: Controller, before: int) -> tuple[int, list[tuple[str, str]]]:
    """How many requests only looked since there were *before*, and those that did not."""
    since = controller.requests[before:]
    return sum(one[0] == "GET" for one in since), [one for one in since if one[0] != "GET"]


def test_check_mode_tells_what_the_run_then_does_and_the_requests_are_counted(controller: Controller) -> None:
    told = done(bring(controller, SMALL, check_mode=True))
    # Of a controller without the organisation there is little to ask.
    assert asked(controller, 0) == (5, [])

    before = len(controller.requests)
    assert done(bring(controller, SMALL)) == told
    looked, wrote = asked(controller, before)
    # An object takes one request, and each link, survey and approval another.
    assert (looked, len(wrote)) == (5, 44)

    before = len(controller.requests)
    assert done(bring(controller, SMALL)) == []
    assert asked(controller, before) == (25, [])


@pytest.mark.parametrize(
    ("variables", "line", "wrote"),
    [
        (
            {**SMALL, "awx_schedules": [{"name": "weekly", "template": "weekly", "days": ["SU"], "limit": "shop"}]},
            'change schedule production weekly: limit null -> "shop"',
            [("PATCH", "schedules")],
        ),
        (
            {**SMALL, "awx_schedules": [{"name": "weekly", "template": "workflow", "days": ["SU"]}]},
            "change schedule production weekly: unified_job_template -> production workflow",
            [("PATCH", "schedules")],
        ),
        (
            {**SMALL, "awx_approval_timeout": 60},
            "change workflow node approve of production workflow: approval",
            [("PATCH", "workflow_approval_templates")],
        ),
        (
            with_environment(hosts={"shop": {"backup_login_db": "crm"}}),
            "change host shop of production: variables (backup_login_db)",
            [("PATCH", "hosts")],
        ),
        (
            {**SMALL, "awx_notifications": [{**SMALL["awx_notifications"][0], "events": []}]},
            "change job template production backup: notification_templates_error -> none",
            [("POST", "job_templates")] * 5 + [("POST", "workflow_job_templates")],
        ),
    ],
    ids=["limit", "template", "approval", "variables", "links"],
)
def test_what_differs_is_changed_alone_and_goes_back_the_same_way(
    controller: Controller, variables: dict[str, Any], line: str, wrote: list[tuple[str, str]]
) -> None:
    done(bring(controller, SMALL))
    before = len(controller.requests)
    told = done(bring(controller, variables, check_mode=True))
    assert line in told
    assert done(bring(controller, variables)) == told
    assert [(method, path.split("/")[3]) for method, path in asked(controller, before)[1]] == wrote
    assert done(bring(controller, variables, check_mode=True)) == []
    assert done(bring(controller, SMALL))
    assert done(bring(controller, SMALL, check_mode=True)) == []


def test_any_name_of_a_database_is_a_choice(controller: Controller) -> None:
    names = ["a,b", "two\nlines", "übung 日本", '"', "{{ x }}", "2026"]
    variables = {**with_environment(hosts=None, databases=names), "awx_templates": ["restore"], "awx_schedules": []}
    done(bring(controller, variables))
    survey = controller.surveys[controller.named("job_templates", "production restore")["id"]]
    assert [one["choices"] for one in survey["spec"] if one["variable"] == "expect_database"] == [names]
    assert done(bring(controller, variables)) == []


def test_a_survey_that_somebody_changed_comes_back(controller: Controller) -> None:
    done(bring(controller, SMALL))
    number = controller.named("job_templates", "production backup")["id"]
    wanted = controller.surveys[number]
    controller.surveys[number] = {**wanted, "spec": [{**wanted["spec"][0], "choices": ["manual"]}]}
    controller.tables["job_templates"][number]["ask_execution_environment_on_launch"] = True
    controller.tables["job_templates"][number]["forks"] = 7
    told = (
        "change job template production backup: ask_execution_environment_on_launch true -> false; survey (backup_kind)"
    )
    assert done(bring(controller, SMALL)) == [told]
    assert controller.surveys[number] == wanted
    # What is nobody's here stays as somebody else has it.
    assert controller.named("job_templates", "production backup")["forks"] == 7


def test_a_secret_is_sent_again_only_when_that_is_said(controller: Controller) -> None:
    done(bring(controller, SMALL))
    rotated = with_environment(
        credentials=[{"name": "S3", "type": "S3", "inputs": {"access_key": "a", "secret_key": "canary-3"}}]
    )
    assert done(bring(controller, rotated)) == []
    before = len(controller.requests)
    secrets = ["change credential S3: inputs", "change notification template ops: notification_configuration"]
    assert done(bring(controller, rotated, update_secrets=True)) == secrets
    assert [method for method, _path in asked(controller, before)[1]] == ["PATCH", "PATCH"]
    (kept,) = (one for one in controller.tables["credentials"].values())
    assert kept["inputs"] == {"access_key": "a", "secret_key": "canary-3"}
    assert done(bring(controller, rotated)) == []
    # What is no secret can be seen, and goes with it.
    other = with_environment(
        credentials=[{"name": "S3", "type": "S3", "inputs": {"access_key": "b", "secret_key": "canary-3"}}]
    )
    assert done(bring(controller, other)) == ["change credential S3: inputs"]


def test_a_run_that_was_cut_off_anywhere_is_made_good(controller: Controller) -> None:
    wanted = done(bring(controller, SMALL, check_mode=True))
    made: list[str] = []
    runs = 0
    while True:
        left = iter(range(4))
        controller.refuse = lambda method, _path, left=left: (  # type: ignore[misc]
            503 if method != "GET" and next(left, None) is None else None
        )
        result = bring(controller, SMALL)
        made += result["changes"]
        runs += 1
        if not result.get("failed"):
            break
        assert result["changed"] == bool(result["changes"])
    assert runs > 10
    assert [line for line in made if line.startswith("make ")] + [line for line in made if line.startswith("change ")]
    controller.refuse = lambda _method, _path: None
    assert done(bring(controller, SMALL)) == []
    assert set(wanted) <= {line.partition(":")[0].replace("change ", "make ", 1) for line in made} | set(made)


def test_what_is_not_wanted_any_more_goes_only_when_that_is_said_and_what_has_no_mark_never(
    controller: Controller,
) -> None:
    done(bring(controller, SMALL))
    number = controller.named("job_templates", "production backup")["id"]
    controller.tables["job_templates"][number]["description"] = "mine"
    small = {**SMALL, "awx_templates": ["weekly"], "awx_schedules": [], "awx_notifications": []}
    kept = bring(controller, small)
    assert "job template production verify" in kept["leftovers"]
    assert "production verify" in controller.names("job_templates")
    planned = done(bring(controller, small, remove=True, check_mode=True))
    assert done(bring(controller, small, remove=True)) == planned
    assert controller.names("job_templates") == ["production backup", "production weekly"]
    assert [controller.names(kind) for kind in ("schedules", "notification_templates")] == [[], []]
    assert done(bring(controller, small, remove=True)) == []


def test_what_was_done_is_told_also_where_the_end_of_it_is_refused(controller: Controller) -> None:
    done(bring(controller, SMALL))
    small = {**SMALL, "awx_templates": ["weekly"], "awx_schedules": [], "awx_notifications": []}
    controller.refuse = lambda method, path: 409 if method == "DELETE" and "/job_templates/" in path else None
    result = bring(controller, small, remove=True)
    assert "remove what is not wanted any more: job template production backup: " in result["msg"]
    assert "a job may be running with it" in result["msg"]
    assert result["changed"]
    assert "remove workflow production workflow" in result["changes"]
    # An object that is half made is a change, too.
    controller.refuse = lambda method, path: 503 if path.endswith("/survey_spec/") and method != "GET" else None
    result = bring(controller, {**small, "awx_templates": ["export"]})
    assert result["changed"]
    assert result["changes"] == []


def test_two_runs_at_once_make_nothing_twice(controller: Controller) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _number: bring(controller, SMALL), range(2)))
    for result in results:
        assert "failed" not in result or "already exists" in result["msg"]
    bring(controller, SMALL)
    assert done(bring(controller, SMALL)) == []
    assert len(controller.names("job_templates")) == len(set(controller.names("job_templates"))) == 5


def test_a_schedule_of_somebody_else_with_the_same_name_is_left_alone(controller: Controller) -> None:
    done(bring(controller, SMALL))
    other = controller.named("job_templates", "production backup")["id"]
    rule = "DTSTART:20260101T000000Z RRULE:FREQ=DAILY;INTERVAL=1"
    body = {"name": "production weekly", "rrule": rule, "extra_data": {"backup_kind": "daily"}}
    assert controller.answer("POST", f"/api/v2/job_templates/{other}/schedules/", {}, body)[0] == 201
    assert done(bring(controller, SMALL)) == []
    rules = [one["rrule"] for one in controller.listed("schedules") if one["name"] == "production weekly"]
    assert rules == ["DTSTART:20260101T000000Z RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=SU", rule]


def test_a_login_that_lies_about_is_not_taken(
    controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".tower_cli.cfg").write_text("oauth_token: somebody-elses\nusername: somebody\npassword: else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    login = {"controller_oauthtoken": "", "controller_username": "admin", "controller_password": "password"}
    done(bring(controller, SMALL, check_mode=True, **login))
    nobody = bring(controller, SMALL, controller_oauthtoken="")
    assert "takes neither the token nor the name" in nobody["msg"]


def test_who_may_not_do_it_is_told_so(controller: Controller) -> None:
    controller.refuse = lambda method, path: 403 if method == "POST" and "credential_types" in path else None
    told = bring(controller, SMALL)["msg"]
    assert "credential type mobul.backup S3: " in told
    assert "does not let this user do that" in told
    assert "take an administrator" in told


def test_a_name_and_a_password_are_exchanged_for_one_token_that_is_given_back(controller: Controller) -> None:
    login = {"controller_oauthtoken": "", "controller_username": "admin", "controller_password": "password"}
    done(bring(controller, SMALL, **login))
    tokens = [one for one in controller.changes() if "/tokens/" in one[1]]
    assert [method for method, _path in tokens] == ["POST", "DELETE"]
    assert not controller.tables["tokens"]


def test_a_container_group_and_chosen_instances_are_as_they_are_said(controller: Controller) -> None:
    controller.tables["instances"][3] = {"id": 3, "hostname": "node3", "_table": "instances"}
    chosen = with_environment(instance_group={"name": "nodes", "instances": ["node3"]})
    done(bring(controller, chosen))
    assert controller.associations["instance_groups", controller.named("instance_groups", "nodes")["id"], "instances"]
    assert done(bring(controller, chosen)) == []
    pod = {"container": True, "pod_spec": "apiVersion: v1\nkind: Pod\n"}  # as a block of YAML ends
    container = with_environment(instance_group={"name": "pods", **pod})
    told = done(bring(controller, container))
    assert "change inventory production: instance_groups -> pods" in told
    assert controller.named("instance_groups", "pods")["is_container_group"]
    assert done(bring(controller, container)) == []


def test_on_kubernetes_where_no_instance_runs_jobs_a_group_is_one_of_containers() -> None:
    with Controller(playbooks={"ops": PLAYBOOKS}, on_kubernetes=True) as controller:
        done(bring(controller, SMALL))
        group = controller.named("instance_groups", "production")
        assert (group["is_container_group"], group["policy_instance_percentage"]) == (True, 0)
        assert done(bring(controller, SMALL)) == []
        # Somebody has machines of their own, and then not any more.
        ordinary = with_environment(instance_group={"container": False})
        assert len(done(bring(controller, ordinary))) == 1
        assert controller.named("instance_groups", "production")["policy_instance_percentage"] == 100
        assert done(bring(controller, ordinary)) == []
        assert len(done(bring(controller, SMALL))) == 1
        assert controller.named("instance_groups", "production")["is_container_group"]


def test_a_container_group_gets_another_credential(controller: Controller) -> None:
    kind = "OpenShift or Kubernetes API Bearer Token"
    clusters = [
        {"name": name, "type": kind, "inputs": {"host": "https://k", "bearer_token": "x"}} for name in ("a", "b")
    ]
    for cluster in clusters:
        group = {"container": True, "credential": cluster["name"]}
        variables = with_environment(instance_group=group, credentials=[cluster])
        done(bring(controller, variables))
        assert done(bring(controller, variables)) == []
        # It is the cluster's, and no job gets it.
        assert controller.associated("job_templates", "production weekly", "credentials") == []
    number = controller.named("credentials", "b")["id"]
    assert controller.named("instance_groups", "production")["credential"] == number


def test_a_credential_that_no_job_takes_is_told_before_anything_is_made(controller: Controller) -> None:
    git = {"name": "git", "type": "Source Control", "inputs": {"username": "a", "password": "canary"}}
    result = bring(controller, with_environment(credentials=[git]))
    assert "the credential git is one of the kind scm, which no job takes" in result["msg"]
    assert controller.changes() == []
    project = {"name": "ops", "scm_url": "https://git.example.com/ops.git", "credential": "git"}
    done(bring(controller, {**with_environment(credentials=[git]), "awx_project": project}))
    assert controller.named("projects", "ops")["credential"] == controller.named("credentials", "git")["id"]


def test_environments_may_share_a_credential(controller: Controller) -> None:
    environment = SMALL["awx_environments"][0]
    two = {**SMALL, "awx_environments": [environment, {**environment, "name": "staging"}]}
    done(bring(controller, two))
    assert controller.names("credentials") == ["S3"]
    assert controller.associated("job_templates", "staging weekly", "credentials") == ["S3"]
    assert done(bring(controller, two)) == []


def test_what_is_removed_takes_its_time(controller: Controller) -> None:
    done(bring(controller, SMALL))
    staging = with_environment(name="staging")
    assert "remove inventory production" in done(bring(controller, staging, remove=True))
    # It is neither removed again nor told to be left, and its name is not free yet.
    assert done(bring(controller, staging, remove=True)) == []
    assert "the inventory production is being removed there (wait" in bring(controller, SMALL)["msg"]
    controller.finish_removals()
    done(bring(controller, SMALL))


def test_an_image_of_another_organisation_is_left_alone(controller: Controller) -> None:
    other = {"awx_organization": "Others", "awx_execution_environment": {"name": "mobul", "image": "a:1"}}
    done(bring(controller, {**SMALL, **other}))
    before = len(controller.changes())
    result = bring(controller, {**SMALL, "awx_execution_environment": {"name": "mobul", "image": "a:2"}})
    assert "execution environment mobul already, which belongs to another organisation" in result["msg"]
    assert len(controller.changes()) == before
    # To use it is another thing, and everything else has names of its own there.
    done(bring(controller, {**SMALL, "awx_execution_environment": {"name": "mobul"}}))
    assert controller.names("inventories") == ["production", "production"]


def test_a_git_project_is_waited_for_and_must_have_the_playbooks(controller: Controller) -> None:
    git = {**SMALL, "awx_project": {"name": "git", "scm_url": "https://git.example.com/ops.git"}}
    controller.fetched_as = "failed"
    assert "bring the project to the controller: git is failed (look at its last job" in bring(controller, git)["msg"]
    controller.fetched_as, controller.playbooks = "successful", {"git": ["weekly.yml", "backup.yml"]}
    branch = {**git, "awx_project": {**git["awx_project"], "scm_branch": "main"}}
    told = bring(controller, branch)
    assert "job template production verify: the controller refuses it: playbook: Playbook not found" in told["msg"]
    controller.playbooks = {"ops": PLAYBOOKS}
    done(bring(controller, branch))
    assert done(bring(controller, branch)) == []
    # It becomes a directory of the controller.
    directory = {**git, "awx_project": {"name": "git", "local_path": "ops"}}
    done(bring(controller, directory))
    assert done(bring(controller, directory)) == []


def test_a_type_of_credentials_with_other_inputs_is_made_anew(controller: Controller) -> None:
    done(bring(controller, SMALL))
    kind = controller.named("credential_types", "mobul.backup S3")["id"]
    inputs = controller.tables["credential_types"][kind]["inputs"]
    controller.tables["credential_types"][kind]["inputs"] = {**inputs, "required": []}
    told = bring(controller, SMALL)["msg"]
    assert "credential type mobul.backup S3: " in told
    assert "rename it there, and run it again" in told
    controller.tables["credential_types"][kind]["name"] = "old"
    assert "make credential S3" in done(bring(controller, SMALL))
    assert "remove credential S3" in done(bring(controller, SMALL, remove=True))
    assert done(bring(controller, SMALL)) == []


def test_many_hosts_are_read_by_pages(controller: Controller) -> None:
    controller.largest_page = 10
    hosts = {f"db{number}": None for number in range(25)}
    many = {**with_environment(hosts=hosts), "awx_templates": ["restore"], "awx_schedules": []}
    done(bring(controller, many))
    before = len(controller.requests)
    assert done(bring(controller, many)) == []
    looked, wrote = asked(controller, before)
    assert (looked, wrote) == (28, [])
    # Names are those of the inventory, and more than one page of them.
    assert len(controller.names("hosts")) == 25


def test_what_was_removed_by_hand_comes_back(controller: Controller) -> None:
    done(bring(controller, SMALL))
    for kind, name in (("projects", "ops"), ("job_templates", "production verify"), ("schedules", "production daily")):
        controller.answer("DELETE", controller.named(kind, name)["url"], {}, None)
    told = done(bring(controller, SMALL))
    assert {"make project ops", "make job template production verify", "make schedule production daily"} <= set(told)
    assert 'change job template production weekly: playbook "" -> "weekly.yml"; project -> ops' in told
    assert "change workflow node verify of production workflow: unified_job_template -> production verify" in told
    assert done(bring(controller, SMALL)) == []


def test_what_somebody_else_has_made_must_be_there(controller: Controller) -> None:
    missing = with_environment(credentials=[{"name": "vault", "type": "Vault"}])
    result = bring(controller, missing)
    assert "credentials of awx_environments names the credential vault, which is not there" in result["msg"]
    assert controller.changes() == []


def test_the_module_hides_what_is_secret_in_all_that_it_tells(controller: Controller) -> None:
    options = options_of(controller, SMALL)
    for given in ({}, {"check_mode": True, "diff": True}, {"controller_host": "http://127.0.0.1:1"}):
        assert "canary" not in str(run_module("awx_objects", **{**options, **given}))
    wrong = {"kind": "projects", "name": "x", "references": {"organization": "organizations:nobody"}}
    failed = run_module("awx_objects", **{**options, "objects": [*options["objects"], wrong]})
    assert "project x names organizations:nobody, which is not among the objects" in failed["msg"]
    assert "canary" not in str(failed)


def test_what_a_controller_refuses_is_told_by_its_name_without_secrets(controller: Controller) -> None:
    wrong = {**SMALL, "awx_project": {"name": "ops", "local_path": "nowhere"}}
    result = bring(controller, wrong)
    assert result["msg"].startswith(
        "bring the controller to its state: project ops: the controller refuses it: local_path"
    )
    assert result["changes"][0] == "make organisation Databases"
    assert result["changed"]
    assert "canary" not in str(result)


def test_a_controller_that_is_not_there_or_not_the_right_one_is_told(
    controller: Controller, certificates: Certificates
) -> None:
    assert "does not answer" in bring(controller, SMALL, controller_host="http://127.0.0.1:1")["msg"]
    assert "there is no AWX" in bring(controller, SMALL, controller_host=f"{controller.url}/elsewhere")["msg"]
    assert "has no address" in bring(controller, SMALL, controller_host="http://nobody.invalid")["msg"]
    controller.encrypt(certificates.certificate, certificates.key)
    assert "has a certificate that nobody here knows" in bring(controller, SMALL)["msg"]
    assert done(bring(controller, SMALL, check_mode=True, validate_certs=False))
