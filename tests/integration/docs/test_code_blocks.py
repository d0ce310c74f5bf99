"""Every block of code of the pages and of the modules' examples is run, or looked at for what it names."""

from __future__ import annotations

import functools
import importlib
import json
import re
import subprocess
import sys

import boto3
import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import SetId
from support.documented import WrongError, check_arguments, check_shell, check_variables, check_yaml
from support.lab import PostgresServer
from support.manifests import make_manifest
from support.pages import Block, blocks, pages, shown_block
from support.programs import PROJECT

TESTS = PROJECT / "tests"
RUNBOOKS = "docs/runbooks.md"
"""All of it is run by a test of its own, which compares what is told with what the page shows."""
SHELL = re.compile(
    r"(\$ |\w+=\S* )*(make|ansible-\w+|pip|python3?|jq|age|gpg|openssl|rclone|plain|for|place=|examples/)"
)

# What is told or drawn rather than typed: by its page and how it begins, the test that compares it with what is so.
SHOWN = {
    ("README.md", "shop: weekly_"): "test_readme.py",
    ("CONTRIBUTING.md", "plugins/modules/ "): "test_code_blocks.py",
    ("CONTRIBUTING.md", "errors texts "): "test_layers.py",
    ("docs/ansible-runner.md", "runner/"): "test_code_blocks.py",
    ("docs/backup-set.md", "<location>/"): "test_code_blocks.py",
    ("docs/bucket.md", "s3:GetBucketVersioning "): "test_code_blocks.py",
    ("docs/backup.md", "shop: daily_"): "test_backup_playbook.py",
    ("docs/export.md", "shop: export_"): "test_export_playbook.py",
    ("docs/hold.md", "set "): "test_info_and_hold_playbooks.py",
    ("docs/maintenance.md", "maintenance mode "): "test_maintenance_playbook.py",
    ("docs/pre_deploy.md", "pre_deploy "): "test_procedure_pre_deploy.py",
    ("docs/pre_migration.md", "pre_migration "): "test_procedure_migration.py",
    ("docs/progress.md", "mobul.backup: "): "test_progress_lines.py",
}


def language(block: Block) -> str:
    """What a block is written in: its fence says it, and its text where it has none."""
    if block.language:
        return block.language
    begins = block.text.partition("\n")[0]
    if SHELL.match(block.text):
        return "sh"
    if begins.startswith("-e "):
        return "arguments"
    if begins.startswith("- "):
        return "yaml"
    if re.match(r"[A-Z]+ [A-Z]+ ", begins):
        return "sql"
    return "text"


@functools.cache
def variables_of_playbooks() -> frozenset[str]:
    """The variables of the playbooks that pages have their readers write."""
    found = [block.text for page in pages() for block in blocks(page) if block.text.startswith("- name:")]
    return frozenset(re.findall(r"{{[^}]*?\b([a-z_]+)\b", "\n".join(found)))


def check(block: Block) -> None:
    """Look at one block; raise :class:`WrongError` for what is not so."""
    written, text = language(block), block.text
    if written == "sh":
        # What follows a command with a prompt is what it says.
        typed = text.partition("\n")[0].removeprefix("$ ") if text.startswith("$ ") else text
        check_shell(typed, variables_of_playbooks())
    elif written == "arguments":
        check_arguments(" ".join(text.split()).removeprefix("-e '").removesuffix("'"))
    elif written == "yaml":
        check_yaml(text)
    elif written == "json":
        content = json.loads(text)
        if "Version" not in content:
            check_variables(content)
    elif written == "python":
        compile(text, str(block), "exec")
    elif written != "sql" and not is_shown(block):
        raise WrongError(f"it is in no language that is looked at, and no test compares it: {text[:60]!r}")


def is_shown(block: Block) -> bool:
    """Whether a test compares the block with what is so."""
    if block.page == RUNBOOKS:
        return True
    for (page, begins), test in SHOWN.items():
        if block.page == page and block.text.startswith(begins):
            return any(page in path.read_text() for path in TESTS.rglob(test))
    return False


@pytest.mark.parametrize("page", pages())
def test_every_block_of_a_page_names_what_there_is(page: str) -> None:
    wrong = []
    for block in blocks(page):
        try:
            check(block)
        except (WrongError, ValueError, yaml.YAMLError, SyntaxError, SystemExit) as error:
            wrong.append(f"{block}: {error}")
    assert not wrong, "\n".join(wrong)


def test_every_block_of_sql_is_read_by_a_server(postgres17: PostgresServer) -> None:
    found = [block for page in pages() for block in blocks(page) if language(block) == "sql"]
    assert len(found) >= 8
    for block in found:
        # Nothing of it is executed, but all of it is read.
        postgres17.query("postgres", f"DO $read$ BEGIN IF false THEN {block.text} END IF; END $read$")


@pytest.mark.parametrize("folder", ["modules", "lookup", "filter"])
def test_every_example_of_a_plugin_names_what_there_is(folder: str) -> None:
    wrong = []
    for path in sorted((PROJECT / "plugins" / folder).glob("[!_]*.py")):
        plugin = importlib.import_module(f"ansible_collections.mobul.backup.plugins.{folder}.{path.stem}")
        documentation = yaml.safe_load(plugin.DOCUMENTATION)
        try:
            check_yaml(plugin.EXAMPLES)
            check_uses(plugin.EXAMPLES, documentation)
        except (WrongError, ValueError, yaml.YAMLError) as error:
            wrong.append(f"{path.stem}: {error}")
    assert not wrong, "\n".join(wrong)


def check_uses(examples: str, documentation: dict[str, object]) -> None:
    """Whether the examples are of that plugin."""
    (name,) = (str(documentation[key]) for key in ("module", "name") if key in documentation)
    if f"mobul.backup.{name}" not in examples:
        raise WrongError("it is not in its own examples")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "ansible-playbook mobul.backup.restor -i databases.yml"),
        ("sh", "ansible-playbook mobul.backup.restore -i databases.yml --limits shop"),
        ("sh", "ansible-playbook mobul.backup.restore -i databases.yml \\\n    -e restore_befor=2026-11-22"),
        ("sh", "SHOP=1 ansible-playbook mobul.backup.restore -e restore_state=reversed"),
        ("sh", 'ansible-playbook mobul.backup.restore -e \'{"restore_identities": ["a"}\''),
        ("sh", "ansible-playbook sign.yml -e keys=x"),
        ("sh", "make demonstration"),
        ("sh", "ansible-doc mobul.backup.backups"),
        ("sh", "pip install -r ~/.ansible/collections/ansible_collections/mobul/backup/requirement.txt"),
        ("sh", "ls | pg_restore --exit-on-eror"),
        ("sh", "if true; then ls"),
        ("sh", "jq . artifacts/<ident>/rc"),
        ("sh", "examples/deploy.bash"),
        ("yaml", "- mobul.backup.backup_info:\n    labels: shop"),
        (
            "yaml",
            "- mobul.backup.backup_hold:\n    label: shop\n    locations: []\n    state: hold",
        ),
        ("yaml", "- mobul.backup.backup_info:\n    locations: []"),
        ("yaml", "- name: Look\n  register_as: x\n  mobul.backup.backup_info: {label: shop, locations: []}"),
        ("yaml", "backup_recipient: [age1]"),
        ("yaml", "databases: {hosts: {shop: {backup_locations: [], backup_jobs: many}}}"),
        ("json", '{"hold_reasons": "INC"}'),
        ("json", '{"hold_reason": "INC"'),
        ("text", "it went well"),
        ("", "    nobody knows what this is"),
        ("rust", "fn main() {}"),
    ],
)
def test_what_is_not_so_is_found(language: str, text: str) -> None:
    with pytest.raises((WrongError, ValueError, yaml.YAMLError, SystemExit)):
        check(Block("docs/new.md", 1, language, text, ""))


def first_words(page: str, begins: str) -> list[str]:
    """The first word of each line of a drawing that is not the rest of the one before."""
    block = shown_block(page, begins)
    return [line.split()[0].rstrip(",") for line in block.text.splitlines() if not line.startswith(" " * 20)]


def test_the_layers_are_where_the_page_about_contributing_draws_them() -> None:
    for place in first_words("CONTRIBUTING.md", "plugins/modules/ "):
        assert (PROJECT / place).is_dir(), place
    rooms = shown_block("CONTRIBUTING.md", "errors texts ")
    core = PROJECT / "plugins" / "module_utils" / "_core"
    for line in rooms.text.splitlines():
        for name in re.split(r"\s{2,}", line)[0].split():
            assert (core / name).is_dir() or (core / f"{name}.py").is_file(), name


def test_the_private_directory_of_the_page_about_ansible_runner_is_the_examples() -> None:
    block = shown_block("docs/ansible-runner.md", "runner/")
    drawn = {line.split()[0] for line in block.text.splitlines()[1:]}
    for path in (PROJECT / "examples" / "runner").rglob("*"):
        name = str(path.relative_to(PROJECT / "examples" / "runner"))
        assert any(name.startswith(place.rstrip("/")) or place.startswith(name) for place in drawn), name


def test_the_set_of_the_page_about_sets_has_names_that_are_its_own() -> None:
    block = shown_block("docs/backup-set.md", "<location>/")
    first, *files = block.text.splitlines()
    place = first.removeprefix("<location>/<label>/").rstrip("/")
    assert str(SetId.parse(place.rpartition("/")[2]).directory("shop")) == f"shop/{place}"
    names = [line[4:].split("  ")[0].split()[0].rstrip(",") for line in files if not line.startswith(" " * 12)]
    assert len(names) >= 10
    manifest = make_manifest()
    assert [artifact.name for artifact in manifest.artifacts] == names[:3]


def test_the_histories_of_the_page_about_monitoring_are_those_of_the_program() -> None:
    block = shown_block("docs/monitoring.md", "$ python tools/size_band.py")
    command, *told = block.text.splitlines()
    words = command.removeprefix("$ python ").replace("--histories 100", "--histories 1").split()
    done = subprocess.run([sys.executable, *words], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [line.split()[0] for line in told]


def test_the_permissions_of_the_page_about_buckets_are_known_to_the_store() -> None:
    block = shown_block("docs/bucket.md", "s3:Get")
    operations = set(boto3.client("s3", region_name="us-east-1").meta.service_model.operation_names)
    # An action and the operation that needs it, where they have two names.
    renamed = {
        "EncryptionConfiguration": "BucketEncryption",
        "LifecycleConfiguration": "BucketLifecycleConfiguration",
        "BucketObjectLockConfiguration": "ObjectLockConfiguration",
        "BucketPublicAccessBlock": "PublicAccessBlock",
    }
    for action in re.findall(r"s3:(\w+)", block.text):
        name = action
        for told, operation in renamed.items():
            name = name.replace(told, operation)
        assert name in operations, action
