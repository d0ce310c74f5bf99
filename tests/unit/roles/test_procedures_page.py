"""Every heading of the document that people once followed has something that does it, and what is named there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import VALUES, values_of

PROJECT = Path(__file__).resolve().parents[3]
DOCS = PROJECT / "docs"
PAGE = (DOCS / "procedures.md").read_text()
PAGES = ["backup.md", "export.md", "hold.md", "maintenance.md", "procedures.md", "schedule.md", "supabase.md"]
HEADINGS = """
Backup Procedures
Overview
Backup Schedule
Automated Backups (Supabase)
Manual Backups
What to Backup
Critical Data (Priority 1)
Important Data (Priority 2)
Nice-to-Have (Priority 3)
Manual Backup Procedures
Full Database Backup
Selective Table Backup
Encrypt Sensitive Backups
Upload to Secure Storage
Backup Verification
Weekly Verification (Every Monday)
Restoration Procedures
Full Database Restore
Selective Table Restore
Point-in-Time Recovery (PITR)
Automated Backup Script
Weekly Export Script
Schedule with Cron
Backup Storage Management
Retention Policy
Storage Cost Optimization
Backup Monitoring
Automated Checks
Alerting
Backup Checklist
Pre-Deployment Backup
Post-Incident Backup
"""


def existing() -> set[str]:
    """The names of all playbooks, roles and modules."""
    places = [*(PROJECT / "playbooks").glob("*.yml"), *(PROJECT / "plugins" / "modules").glob("*.py")]
    return {path.stem for path in places} | {path.name for path in (PROJECT / "roles").iterdir()}


def test_the_page_names_what_others_may_give() -> None:
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (.+) \|$", PAGE.partition("whose values may come from others |")[2], re.MULTILINE
    )
    named = {playbook: re.findall(r"`([a-z_]{5,})`", told.partition(", but no ")[0]) for playbook, told in rows}
    assert {name: sorted(told) for name, told in named.items()} == {
        name: sorted(value.name for value in values_of(name)) for name in VALUES
    }


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_playbook_looks_at_what_it_is_given_before_anything_uses_it(name: str) -> None:
    text = (PROJECT / "playbooks" / f"{name}.yml").read_text()
    _imported, play = yaml.safe_load(text)
    task = play["tasks"][0]
    # The playbooks that tell a table of all hosts at their end have one block.
    first = task.get("block", [task])[0]["mobul.backup.procedure_record"]
    assert (first["state"], first["procedure"]) == ("asked", name)
    # By its own name a text that is stored as it stands would be followed.
    stored = [value.name for value in VALUES[name] if value.kind == "text"]
    roles = [path.read_text() for path in (PROJECT / "roles").glob("*/*/*.yml") if path.parent.name != "meta"]
    used = [one for one in stored for used in (yaml.safe_dump(play), *roles) if re.search(rf"(?<!\.){one}\b", used)]
    assert used == []


def test_every_heading_has_something_that_does_it() -> None:
    rows = re.findall(r"^\| ([^|`]+) \| (.+) \|$", PAGE.partition("\n| heading |")[2], re.MULTILINE)
    assert [heading for heading, _does in rows] == HEADINGS.strip().splitlines()
    assert all("`" in does or "](" in does or does == "this page" for _heading, does in rows)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = (DOCS / page).read_text()
    named = set(re.findall(r"\bmobul\.backup\.([a-z_0-9]+)", text))
    assert named
    assert named <= existing()
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (DOCS / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_gives_as_variables_is_json_and_a_playbook_or_role_takes_it(page: str) -> None:
    text = (DOCS / page).read_text()
    given: set[str] = set(re.findall(r"-e ([a-z_]+)=", text))
    for block in re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        given |= set(json.loads(block))
    taken = "\n".join(
        path.read_text()
        for path in [*(PROJECT / "playbooks").glob("*.yml"), *(PROJECT / "roles").glob("*/meta/argument_specs.yml")]
    )
    assert [name for name in sorted(given) if not re.search(rf"\b{name}\b", taken)] == []
