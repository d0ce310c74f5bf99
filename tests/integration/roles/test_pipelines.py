"""The examples for pipelines: a deployment begins only after a go, whoever asks for it and however."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ansible_runner
import jsonschema
import pytest
import yaml
from support.backup_bench import Keys
from support.fake_programs import FakePrograms
from support.lab import PROJECT, PostgresServer
from support.playbooks import Playbooks
from support.programs import PATIENCE, wait_until
from support.throwaway import bin_dir, scratch
from support.warm_command import warm_command
from support.workflows import Job, github, gitlab

EXAMPLES = PROJECT / "examples"
PAGE = PROJECT / "docs" / "ansible-runner.md"
SCHEMA = json.loads((PROJECT / "docs" / "procedure.schema.json").read_text())
EVIL = "main backup_login_host=evil.example.com"
NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321", "--"]
"""Before a command that shall run as a user whom the system does not know, as execution environments do."""


def load(name: str) -> Any:
    """A YAML file of the examples."""
    return yaml.safe_load((EXAMPLES / name).read_text())


@pytest.fixture
def variables(login: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """What an inventory says beside its locations; the password is in the environment."""
    return {
        **login,
        "backup_pg_bin_dir": bin_dir(17),
        "backup_environment": "test",
        "backup_login_password": "{{ lookup('ansible.builtin.env', 'SHOP_PASSWORD') }}",
        "backup_recipients": keys.recipients,
        # As text: who runs it here need not be who owns the files.
        "backup_signing_key": keys.signing.read_text(),
        "backup_verify_key": [keys.verify.read_text()],
    }


@pytest.fixture
def environment(playbooks: Playbooks, login: dict[str, Any]) -> dict[str, str]:
    """Of whoever calls."""
    return {**playbooks.environment, "SHOP_PASSWORD": login["backup_login_password"]}


@pytest.fixture(scope="module")
def command() -> Iterator[Path]:
    """Where the ansible-playbook of the scripts is."""
    with warm_command() as directory:
        yield directory


@pytest.fixture
def job(
    tmp_path: Path, playbooks: Playbooks, variables: dict[str, Any], environment: dict[str, str], command: Path
) -> Job:
    """A job of a pipeline, whose repository has the inventory ``databases.yml``."""
    made = Job(tmp_path, {**environment, "PATH": f"{command}{os.pathsep}{environment['PATH']}"})
    locations = [{"name": "local", "type": "local", "path": str(tmp_path / "sets")}]
    playbooks.inventory({"shop": {}}, **variables, backup_locations=locations).rename(made.checkout / "databases.yml")
    return made


def document(path: Path) -> dict[str, Any]:
    """What a procedure has left, which fits the published schema."""
    told: dict[str, Any] = json.loads(path.read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    return told


def made(job: Job) -> list[str]:
    """The ids of the sets that a job has made."""
    return [path.parent.name for path in job.directory.glob("sets/*/*/*/*/*/manifest.json")]


def secrets_in(folder: Path, secret: str) -> list[Path]:
    """The files below *folder* that have the secret in them."""
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")]


@pytest.mark.parametrize("name", ["github/deploy.yml", "github/weekly-backup.yml", "gitlab/deploy.yml"])
def test_a_workflow_fits_the_published_schema(name: str) -> None:
    kind = ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"] if "gitlab" in name else ["vendor.github-workflows"]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *kind, str(EXAMPLES / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["github/deploy.yml", "github/weekly-backup.yml"])
def test_nothing_that_others_name_becomes_part_of_a_script(name: str) -> None:
    (described,) = load(name)["jobs"].values()
    assert [step["run"] for step in described["steps"] if "${{" in step.get("run", "")] == []


def values(job: Job, environment: Mapping[str, str], tag: str) -> dict[str, str]:
    """What GitHub fills in."""
    return {
        "github.ref_name": tag,
        "runner.temp": str(job.temporary),
        "secrets.SHOP_PASSWORD": environment["SHOP_PASSWORD"],
    }


def test_on_github_a_tag_is_deployed_after_a_go(job: Job, environment: dict[str, str]) -> None:
    steps = load("github/deploy.yml")["jobs"]["deploy"]["steps"]
    ended = github(job, steps, values(job, environment, "release/v1.2"))

    assert all(ended.values()) and len(ended) == 4, job.output
    assert job.deployed
    told = document(job.temporary / "backup.json")
    assert (told["verdict"], told["reference"], made(job)) == ("go", "release/v1.2", [told["backup"]["id"]])
    assert (job.directory / "summary").read_text() == f"go: {told['backup']['id']}\n- local: good\n"
    assert "ansible-galaxy collection install mobul.backup" in job.installed


def test_on_github_a_tag_whose_backup_fails_is_not_deployed(job: Job, environment: dict[str, str]) -> None:
    steps = load("github/deploy.yml")["jobs"]["deploy"]["steps"]
    wrong = {**values(job, environment, "v1.2"), "secrets.SHOP_PASSWORD": "wrong"}
    ended = github(job, steps, wrong)

    assert ended == {"Install the collection": True, "Back up": False, "Tell where the backup is": True}, job.output
    assert not job.deployed
    told = document(job.temporary / "backup.json")
    assert told["verdict"] == "no_go" and "password authentication failed" in told["reason"]
    assert (job.directory / "summary").read_text().startswith("no_go: ")


def test_on_gitlab_the_deployment_waits_for_a_go_and_a_name_is_no_more_than_a_name(job: Job) -> None:
    workflow = load("gitlab/deploy.yml")
    assert workflow["deploy"]["needs"] == ["backup"]
    status = gitlab(job, workflow["backup"], {"CI_COMMIT_TAG": EVIL})
    assert status != 0
    assert f"deployment_id is '{EVIL}'" in job.output
    assert "evil.example.com" not in job.output.replace(EVIL, "")
    assert made(job) == []


def test_on_github_the_weekly_backup_is_made(job: Job, environment: dict[str, str]) -> None:
    workflow = load("github/weekly-backup.yml")
    assert workflow["on"]["schedule"] and workflow["concurrency"]["cancel-in-progress"] is False
    ended = github(job, workflow["jobs"]["backup"]["steps"], values(job, environment, "main"))
    assert all(ended.values()), job.output
    assert [name.partition("_")[0] for name in made(job)] == ["weekly"]


@pytest.mark.parametrize(
    ("arguments", "environment_", "status", "told"),
    [
        (["databases.yml", "shop", "./deploy"], {"DEPLOYMENT_ID": EVIL}, 2, f"deployment_id is '{EVIL}'"),
        (["databases.yml", "shop", "./deploy"], {}, 2, "Deploy only after a go: "),
    ],
    ids=["two values in one", "nothing"],
)
def test_a_shell_step_without_a_good_id_deploys_nothing(
    job: Job, arguments: list[str], environment_: dict[str, str], status: int, told: str
) -> None:
    words = " ".join([str(EXAMPLES / "deploy.sh"), *arguments])
    assert job.script(words, environment_) == status, job.output
    assert told in job.output
    assert not job.deployed


def private_directory(directory: Path, inventory: Path) -> Path:
    """The example of a private data directory, with another inventory."""
    private = directory / "private"
    shutil.copytree(EXAMPLES / "runner", private)
    (private / "inventory" / "databases.yml").write_text(inventory.read_text())
    return private


def statistics(private: Path) -> list[dict[str, Any]]:
    """What the runs of a private data directory have left in their artifacts, as another program finds it."""
    events = [json.loads(path.read_text()) for path in private.glob("artifacts/*/job_events/*.json")]
    found = [event["event_data"]["artifact_data"] for event in events if event["event"] == "playbook_on_stats"]
    return [one["procedure_result"]["shop"] for one in found]


def test_a_go_from_python_as_a_user_without_name_home_or_terminal(
    playbooks: Playbooks, variables: dict[str, Any], environment: dict[str, str]
) -> None:
    with scratch() as name:
        place = Path(name)
        locations = [{"name": "local", "type": "local", "path": str(place / "sets")}]
        private = private_directory(place, playbooks.inventory({"shop": {}}, **variables, backup_locations=locations))
        # The answers of a survey are texts, and may be empty.
        answers = {
            "backup_jobs": "2",
            "backup_min_copies": "",
            "reuse_within": "1h",
            "procedure_drill": "false",
        }
        (private / "env" / "extravars").write_text(json.dumps(answers))
        (private / "project").chmod(0o555)
        given = {
            **{k: v for k, v in environment.items() if k not in ("HOME", "USER", "LOGNAME", "TERM")},
            "ANSIBLE_HOME": str(place / "ansible"),
            "ANSIBLE_REMOTE_TMP": str(place / "ansible" / "tmp"),
            "MOBUL_PROCEDURE_RESULT_PATH": str(place / "result.json"),
            "DEPLOYMENT_ID": "release/v1.2",
        }
        nobody = NOBODY if subprocess.run([*NOBODY, "true"], capture_output=True).returncode == 0 else []

        def run(*program: object) -> str:
            done = subprocess.run(
                [*nobody, *map(str, program), str(private), "shop", "touch", str(place / "deployed")],
                env=given,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                start_new_session=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (place / "deployed").unlink()
            return done.stdout

        output = run(sys.executable, EXAMPLES / "deploy.py")
        told = document(place / "result.json")
        assert [told] == statistics(private)
        assert (told["verdict"], told["reference"]) == ("go", "release/v1.2")
        assert output.splitlines()[-2:] == [
            f"go: {told['backup']['id']}, manifest {told['backup']['manifest_sha256']}",
            "  local: good",
        ]
        # The environment is there, for the owner of the directory alone.
        found = secrets_in(place, environment["SHOP_PASSWORD"])
        assert [path.name for path in found] == ["command"]
        assert found[0].stat().st_mode & 0o077 == 0

        output = run(EXAMPLES / "deploy-runner.sh")
        again = json.loads(output[output.rindex("\n{\n") :])
        assert again == document(place / "result.json")["backup"]
        assert (again["id"], again["reused"]) == (told["backup"]["id"], True)

        weekly = subprocess.run(
            [
                *nobody,
                str(Path(sys.executable).parent / "ansible-playbook"),
                *("mobul.backup.weekly", "-i", str(private / "inventory" / "databases.yml")),
            ],
            env=given,
            cwd=private / "project",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        assert weekly.returncode == 0, weekly.stdout + weekly.stderr
        # Nothing was put where a home would be, had it a name.
        assert not (PROJECT / "playbooks" / "~").exists()
        (private / "project").chmod(0o755)


def test_a_no_go_from_python_and_from_the_command_of_ansible_runner(
    playbooks: Playbooks, variables: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    inventory = playbooks.inventory({"shop": {}}, **variables, backup_locations=[])
    private = private_directory(tmp_path, inventory)
    inventory.rename(tmp_path / "databases.yml")
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for program, deployment_id, status, told in [
        (
            [sys.executable, EXAMPLES / "deploy.py"],
            "{{ lookup('pipe', 'touch no') }}",
            1,
            "deployment_id is a template",
        ),
        ([EXAMPLES / "deploy-runner.sh"], EVIL, 2, f"deployment_id is '{EVIL}'"),
        ([sys.executable, "-c", f"{block}raise SystemExit(status)"], EVIL, 2, f"deployment_id is '{EVIL}'"),
    ]:
        done = subprocess.run(
            [*program, private, "shop", "touch", "deployed"],
            env={**environment, "DEPLOYMENT_ID": deployment_id},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert told in done.stdout + done.stderr
        assert not [path for path in tmp_path.rglob("*") if path.name in ("deployed", "no")]


def test_a_run_that_takes_too_long_says_no_go_at_its_step_and_leaves_nothing(
    playbooks: Playbooks,
    postgres17: PostgresServer,
    variables: dict[str, Any],
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakePrograms(tmp_path / "fake", postgres17.bin_dir, hold_after=0) as programs:
        locations = [{"name": "local", "type": "local", "path": str(tmp_path / "sets")}]
        inventory = playbooks.inventory(
            {"shop": {}}, **{**variables, "backup_pg_bin_dir": str(programs)}, backup_locations=locations
        )
        private = private_directory(tmp_path, inventory)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        thread, run = ansible_runner.run_async(
            private_data_dir=str(private),
            playbook="mobul.backup.pre_deploy",
            extravars={"deployment_id": "v1.2", "procedure_result_path": str(tmp_path / "result.json")},
            suppress_env_files=True,
            quiet=True,
        )
        programs.wait_until_held(unless=lambda: not thread.is_alive())
        # What env/settings says, but for the hours.
        assert run.config.job_timeout == load("runner/env/settings")["job_timeout"]
        run.config.job_timeout = 1
        thread.join(PATIENCE)
        assert (run.status, run.rc) == ("timeout", 254)
        programs.wait_until_gone()
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        wait_until(lambda: postgres17.query("postgres", query) == [(0,)], what="the lock")
    told = document(tmp_path / "result.json")
    assert (told["verdict"], told["reason"]) == ("no_go", "it has not ended: it is at step 'backup'")
    assert [path for path in (tmp_path / "sets").rglob("*") if path.is_file()] == []
    assert not [event for event in run.events if event["event"] == "playbook_on_stats"]
