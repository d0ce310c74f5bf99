#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_mode
short_description: Keep everybody but superusers out of a PostgreSQL database for a while
version_added: 0.1.0
description:
  - With O(state=on) nobody but superusers gets into the database any more, and the sessions that are in it are ended.
  - With O(state=off) the database lets in as many connections as before. What that was is kept in a setting of the
    database itself (C(mobul.connection_limit)).
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.connection
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: There is nothing to show beyond the state.
options:
  login_user:
    description:
      - Role to connect as.
      - A superuser; of any other role the sessions are ended, but new ones cannot be kept out, and the module warns.
  state:
    description: What the mode shall be.
    type: str
    required: true
    choices: ['on', 'off']
  maintenance_db:
    description: Another database of the server to connect to.
    type: str
    default: postgres
  lock_timeout:
    description: How long to wait for what somebody has locked, in seconds.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Let nobody into the database
  mobul.backup.maintenance_mode:
    login_db: shop
    login_unix_socket: /run/postgresql
    state: 'on'

- name: Let everybody in again
  mobul.backup.maintenance_mode:
    login_db: shop
    login_unix_socket: /run/postgresql
    state: 'off'
"""

RETURN = r"""
ended:
  description: Number of sessions that were ended.
  returned: success
  type: int
  sample: 3
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample: ["maintenance mode of 'shop' is on, 3 sessions ended"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CONNECTION
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.maintenance import (
    run_maintenance_mode,
)


def main() -> None:
    run_module(
        {
            **CONNECTION,
            "state": {"type": "str", "required": True, "choices": ["on", "off"]},
            "maintenance_db": {"type": "str", "default": "postgres"},
            "lock_timeout": {"type": "int", "default": 60},
        },
        run_maintenance_mode,
    )


if __name__ == "__main__":
    main()
