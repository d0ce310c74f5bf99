#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_leftovers
short_description: Find what restores keep beside a PostgreSQL database, or have left behind
version_added: 0.1.0
description:
  - Finds the databases and tables that restores have replaced or taken back and that nobody has finalized, what a
    restore that was cut off has left half made, and a maintenance mode that is still on.
  - They are recognised by the comments that restores write, never by their names.
  - Changes nothing. What it finds is for the option O(mobul.backup.backup_check#module:findings).
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.connection
  - mobul.backup.changes_nothing
options:
  named:
    description:
      - Databases that the inventory names. One of them is in use, whatever its comment says, and versions of it are
        found by a call that is for it.
      - Versions of databases that it does not name are found, too, as nobody else would.
    type: list
    elements: str
    default: []
  maintenance_db:
    description: Another database of the server to connect to, where O(login_db) lets nobody in.
    type: str
    default: postgres
notes:
  - O(pg_bin_dir) has no effect, as no program is started.
seealso:
  - module: mobul.backup.backup_check
  - module: mobul.backup.restore_database
  - module: mobul.backup.restore_table
"""

EXAMPLES = r"""
- name: Find what restores have left
  mobul.backup.restore_leftovers:
    login_db: shop
    login_unix_socket: /run/postgresql
  register: leftovers

- name: Check the backups, and that
  mobul.backup.backup_check:
    label: shop
    locations: "{{ backup_locations }}"
    findings: "{{ leftovers.findings }}"
"""

RETURN = r"""
kept:
  description: What was found.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: What it is, V(database) or V(table).
      type: str
    name:
      description: Its name.
      type: str
    of:
      description: The name of what it is another version of.
      type: str
    state:
      description: V(replaced) by a restore, V(undone) after one, or V(loading), half made by one.
      type: str
    backup:
      description: The set or file that was restored.
      type: str
    time:
      description: When, in UTC.
      type: str
  sample:
    - {kind: database, name: shop_old_20261124213455, of: shop, state: replaced, backup: weekly_20261122_000000,
       time: '2026-11-24T21:34:55Z'}
findings:
  description:
    - Findings as of M(mobul.backup.backup_check), C(kept) and C(maintenance). That it could not be read is one.
  returned: success
  type: list
  elements: dict
  sample: [{check: maintenance, subject: '', status: passed, message: it lets connections in}]
summary:
  description: The findings, for a person.
  returned: success
  type: list
  elements: str
  sample: ['passed: kept: no restore has left anything behind']
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CONNECTION
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.leftovers import run_restore_leftovers


def main() -> None:
    run_module(
        {
            **CONNECTION,
            "named": {"type": "list", "elements": "str", "default": []},
            "maintenance_db": {"type": "str", "default": "postgres"},
        },
        run_restore_leftovers,
    )


if __name__ == "__main__":
    main()
