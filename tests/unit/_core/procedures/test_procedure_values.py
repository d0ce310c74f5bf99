"""What the caller of a procedure gives is checked before it is used, and told in one line with what to give."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import ConfigError
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.checklists import ChecklistOptions
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.result_file import (
    result_path,
    write_result,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.procedures.values import check_values
from hypothesis import given
from hypothesis import strategies as st
from support.procedure_documents import NOW, begun


@pytest.mark.parametrize(
    ("procedure", "given_values", "told"),
    [
        ("pre_deploy", {}, "deployment_id is missing (give the deployment that waits: -e deployment_id=...)"),
        ("pre_deploy", {"deployment_id": "  "}, "deployment_id is missing"),
        ("pre_deploy", {"deployment_id": "a b"}, "deployment_id is 'a b' (1 to 128 letters"),
        ("pre_deploy", {"deployment_id": 'v1"'}, 'as JSON: -e \'{"deployment_id": "..."}\''),
        ("pre_deploy", {"deployment_id": "{{ 7*7 }}"}, "deployment_id is a template: '{{ 7*7 }}'"),
        ("pre_deploy", {"deployment_id": "x" * 129}, "MOBUL_DEPLOYMENT_ID=..."),
        ("pre_deploy", {"deployment_id": ["v1"]}, "deployment_id is ['v1'] (give a text in quotes"),
        ("pre_deploy", {"deployment_id": True}, "deployment_id is True"),
        ("pre_deploy", {"deployment_id": "v1", "reuse_within": "soon"}, "reuse_within: 'soon' is no length of time"),
        ("pre_deploy", {"deployment_id": "v1", "procedure_result_path": "{% x %}"}, "is a template"),
        ("pre_migration", {"migration_id": "42", "migration_state": "done"}, "one of begun, verified, reverted"),
        ("post_incident", {"incident_reference": ""}, "incident_reference is missing"),
        (
            "post_incident",
            {"incident_reference": "INC-1", "incident_hold_until": "2026-11-25"},
            "incident_hold_until: '2026-11-25' is past",
        ),
        (
            "post_incident",
            {"incident_reference": "INC-1", "incident_details": "x", "incident_details_file": "y"},
            "give one of them",
        ),
        ("restore", {"expect_database": "{{ x }}"}, "expect_database is a template"),
        # So Ansible is told of other markers.
        ("restore", {"restore_backup": "#jinja2: variable_start_string:'[['\n[[ x ]]"}, "restore_backup is a template"),
        ("restore", {"restore_expected_differences": ["TABLE {{ x }}"]}, "restore_expected_differences is a template"),
        ("restore", {"restore_entry_search_path": {"TABLE t": ["{% x %}"]}}, "restore_entry_search_path is a template"),
        ("restore_table", {"table": "{{ x }}"}, "table is a template"),
        ("restore_table", {"procedure_table_maintenance": "{{ x }}"}, "procedure_table_maintenance is a template"),
        ("backup", {"backup_labels": {"{{ x }}": "1"}}, "backup_labels is a template"),
        ("backup", {"backup_kind": "nightly"}, "one of daily, weekly, monthly, yearly, manual"),
        ("export", {"export_tables": "recipients,{{ x }}"}, "export_tables is a template"),
        ("hold", {"hold_reason": "INC-1"}, "hold_backup is missing (name the backup by its id, or as latest"),
        ("hold", {"hold_backup": "latest", "hold_reason": " "}, "hold_reason is missing (say for whom and why"),
        ("hold", {"hold_backup": "latest", "hold_reason": "x", "hold_state": "kept"}, "one of held, released"),
        ("maintenance", {"maintenance_state": ""}, "maintenance_state is missing (say -e maintenance_state=on or off)"),
        ("maintenance", {"maintenance_state": "{{ x }}"}, "maintenance_state is a template"),
        (
            "restore",
            {"restore_backup": ""},
            "restore_backup is empty (write latest for the newest, or its id; nothing was done)",
        ),
        ("restore", {"restore_state": " "}, "restore_state is empty (write restored to restore, or what else is meant"),
        ("restore_table", {"restore_table_backup": ""}, "restore_table_backup is empty (write latest for the newest"),
        ("restore_table", {"restore_table_strategy": ""}, "restore_table_strategy is empty (write swap, merge or"),
        ("pre_migration", {"migration_id": "1", "migration_state": ""}, "migration_state is empty (write begun"),
        ("verify", {"verify_before": "yesterday"}, "verify_before: 'yesterday'"),
        ("info", {"info_kinds": ["{{ x }}"]}, "info_kinds is a template"),
    ],
)
def test_a_value_that_cannot_be_right_is_told_in_one_line(
    procedure: str, given_values: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_values(procedure, given_values, NOW)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_an_id_that_is_taken_is_of_harmless_characters_alone(text: str) -> None:
    try:
        found = check_values("pre_deploy", {"deployment_id": text}, NOW)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert re.fullmatch(r"[A-Za-z0-9._/-]{1,128}", found["deployment_id"])


def test_numbers_and_empty_answers_are_taken() -> None:
    found = check_values(
        "pre_deploy", {"deployment_id": 2026.3, "reuse_within": "", "procedure_result_path": None}, NOW
    )
    assert {name: text for name, text in found.items() if text} == {"deployment_id": "2026.3"}
    assert check_values("maintenance", {"maintenance_state": False}, NOW) == {"maintenance_state": "false"}
    assert (
        check_values("pre_deploy", {"deployment_id": "1", "procedure_drill": "Yes"}, NOW)["procedure_drill"] == "true"
    )
    labels = {"ticket": "OPS-12"}
    assert check_values("backup", {"backup_labels": labels}, NOW)["backup_labels"] == json.dumps(labels)
    reason = "for {{ whom }}"
    assert check_values("hold", {"hold_backup": "latest", "hold_reason": reason}, NOW)["hold_reason"] == reason
    details = "what {{ happened }}\n"
    given_values = {"incident_reference": "INC/1", "incident_details": details}
    assert check_values("post_incident", given_values, NOW)["incident_details"] == details


def test_a_result_is_one_file_of_one_database_or_lies_in_a_directory(tmp_path: Path) -> None:
    one = str(tmp_path / "result.json")
    assert result_path("", "pre_deploy", "shop", 2) is None
    assert result_path(one, "pre_deploy", "shop", 1) == one
    assert result_path(str(tmp_path), "pre_deploy", "a/b", 2) == str(tmp_path / "pre_deploy_a_b.json")
    with pytest.raises(ConfigError, match="is one file, and there are 2 databases"):
        result_path(one, "pre_deploy", "shop", 2)


def test_only_an_older_document_or_an_empty_file_gives_way(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.touch()
    for _time in range(2):
        assert result_path(str(path), "pre_deploy", "shop", 1) == str(path)
        write_result(str(path), begun("pre_deploy", None, ChecklistOptions()))
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["result.json"]
    path.write_text("{}")
    with pytest.raises(ConfigError, match="is no procedure's document"):
        result_path(str(path), "pre_deploy", "shop", 1)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ConfigError, match="is no regular file"):
        result_path(str(tmp_path / "link"), "pre_deploy", "shop", 1)
    with pytest.raises(ConfigError, match="there is no directory"):
        result_path(str(tmp_path / "none" / "result.json"), "pre_deploy", "shop", 1)


def test_what_a_migration_is_reverted_by_is_one_of_two() -> None:
    given = {"migration_id": "42"}
    with pytest.raises(ConfigError, match="one of set, restore_point"):
        check_values("pre_migration", {**given, "migration_revert_by": "magic"}, NOW)
