#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: supabase_restore
short_description: Restore a project of Supabase to a moment, a daily backup or a restore point of the platform
version_added: 0.1.0
description:
  - Orders one of the restores that Supabase itself does, and waits until the project is healthy again.
  - It replaces the whole project's database in place. What was written since is lost, and the project cannot be reached
    meanwhile. Make a backup first, as the playbook V(mobul.backup.supabase_restore) does.
  - Everything is checked before anything is ordered, that the moment lies within the span of the recovery too. An order
    is never given twice.
  - Where the time is up before the restore has ended, the error tells the state that the project was left in. The
    platform goes on.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.supabase
attributes:
  check_mode:
    support: full
    description: Checks everything, and returns the plan.
  diff_mode:
    support: full
    description: Shows what the project would be restored to.
options:
  to:
    description:
      - A moment in the past, for example V(2026-11-23T06:00:00Z), by point-in-time recovery. Without a zone it is UTC.
      - Exactly one of O(to), O(backup_id) and O(restore_point) is needed.
    type: str
  backup_id:
    description:
      - Number of a completed physical daily backup, as M(mobul.backup.supabase_backup_info) tells it.
    type: int
  restore_point:
    description:
      - Name of a restore point, as M(mobul.backup.supabase_restore_point) makes it.
    type: str
  environment:
    description:
      - Environment that the inventory says the project belongs to. O(expect_environment) has to be the same.
    type: str
  expect_environment:
    description:
      - Environment that you take the project for. Needed.
    type: str
  expect_project:
    description:
      - Name that the project has in its dashboard. Another one is refused.
    type: str
  wait:
    description:
      - Whether to wait until the restore has ended.
    type: bool
    default: true
  wait_timeout:
    description:
      - How long to wait, as V(90m) or V(2h).
    type: str
    default: 2h
seealso:
  - module: mobul.backup.supabase_backup_info
  - module: mobul.backup.supabase_restore_point
  - module: mobul.backup.restore_database
"""

EXAMPLES = r"""
- name: Go back to before the accident
  mobul.backup.supabase_restore:
    project_ref: abcdefghijklmnopqrst
    access_token: "{{ lookup('ansible.builtin.env', 'SUPABASE_ACCESS_TOKEN') }}"
    to: "2026-11-23T06:00:00Z"
    expect_environment: production

- name: See what a restore of a daily backup would do
  mobul.backup.supabase_restore:
    project_ref: abcdefghijklmnopqrst
    access_token_file: /etc/mobul/supabase-token
    backup_id: 4711
    expect_environment: staging
    expect_project: shop-staging
  check_mode: true
"""

RETURN = r"""
project:
  description: The project as of M(mobul.backup.supabase_backup_info), with the C(status) that it was left in.
  returned: success
  type: dict
  sample: {name: shop, ref: abcdefghijklmnopqrst, status: ACTIVE_HEALTHY}
target:
  description: The option that said what to restore to, and its value.
  returned: success
  type: dict
  sample: {to: "2026-11-23T06:00:00Z"}
moment:
  description: The moment in UTC of which everything is now. None where the API does not tell it.
  returned: success
  type: str
  sample: "2026-11-23T06:00:00Z"
seconds:
  description: How long it took.
  returned: success
  type: int
  sample: 412
plan:
  description: What is done, for a person.
  returned: success
  type: list
  elements: str
  sample:
    - "project shop (abcdefghijklmnopqrst), environment production: daily backup 4711 of 2026-11-23T04:00:00Z"
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample:
    - "shop (abcdefghijklmnopqrst): restored: point-in-time recovery to 2026-11-23T06:00:00Z, in 6 minutes"
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import SUPABASE
from ansible_collections.mobul.backup.plugins.module_utils._core.platforms.supabase.restoring import (
    run_supabase_restore,
)


def main() -> None:
    run_module(
        {
            **SUPABASE,
            "to": {"type": "str"},
            "backup_id": {"type": "int"},
            "restore_point": {"type": "str"},
            "environment": {"type": "str"},
            "expect_environment": {"type": "str"},
            "expect_project": {"type": "str"},
            "wait": {"type": "bool", "default": True},
            "wait_timeout": {"type": "str", "default": "2h"},
        },
        run_supabase_restore,
    )


if __name__ == "__main__":
    main()
