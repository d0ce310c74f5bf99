#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_compare
short_description: Compare a database with what a backup set of it says
version_added: 0.1.0
description:
  - Tells what a database has lost, gained and changed since a set was made. After a migration it shows whether anything
    is gone that should have stayed.
  - Objects are compared by their names, and tables by their number of rows, which the set's manifest has. No key is
    needed for that. With O(identities) the definitions are compared, too.
  - It fails where an object is gone or a table has fewer rows, unless O(expected_differences) names it. What is new,
    has more rows or is defined otherwise is reported.
  - Rows that the application deletes meanwhile count as well.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - C(pg_dump) of the server's major version or newer
extends_documentation_fragment:
  - mobul.backup.connection
  - mobul.backup.locations
  - mobul.backup.decryption
  - mobul.backup.profile
attributes:
  check_mode:
    support: full
    description: Does the same, as it changes nothing.
  diff_mode:
    support: full
    description: Shows the differences.
options:
  label:
    description: Name of the database in the catalogue.
    type: str
    required: true
  backup:
    description: Id of the set, or V(latest).
    type: str
    default: latest
  verify_key:
    description: Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed is refused.
    type: list
    elements: str
    default: []
  expected_differences:
    description:
      - Objects that may be gone, or have fewer rows, by their names as they are reported, for example V(TABLE
        public.old_orders), where C(*) stands for anything.
      - What belongs to a table that is expected to be gone, such as its constraints and grants, is expected with it.
        Its indexes and sequences have names of their own.
    type: list
    elements: str
    default: []
seealso:
  - module: mobul.backup.backup_prove
  - module: mobul.backup.restore_drill
"""

EXAMPLES = r"""
- name: See what the migration has done
  mobul.backup.backup_compare:
    login_db: shop
    login_unix_socket: /run/postgresql
    label: shop
    backup: pre_migration_20261120_181500
    locations: "{{ backup_locations }}"
    expected_differences:
      - TABLE public.old_orders
"""

RETURN = r"""
verdict:
  description: V(passed), or V(failed) where something is gone that was not expected to be.
  returned: success, and when something is gone
  type: str
  sample: passed
id:
  description: Id of the set.
  returned: success, and when something is gone
  type: str
  sample: pre_migration_20261120_181500
label:
  description: Label that the set belongs to.
  returned: success, and when something is gone
  type: str
  sample: shop
changes:
  description: The differences, losses first, at most 200.
  returned: success, and when something is gone
  type: list
  elements: dict
  sample: [{name: TABLE public.orders, what: more_rows, message: "orders has 12 rows, and had 10", expected: false}]
count:
  description: How many there are.
  returned: success, and when something is gone
  type: int
  sample: 1
differences:
  description: The same, a line each.
  returned: success, and when something is gone
  type: list
  elements: str
  sample: ["TABLE public.orders: orders has 12 rows, and had 10"]
summary:
  description: What was found, for a person.
  returned: success, and when something is gone
  type: list
  elements: str
  sample: ["shop: 0 losses, 1 other differences from pre_migration_20261120_181500: 42 objects compared by their names"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import (
    CONNECTION,
    DECRYPTION,
    LOCATIONS,
    PROFILE,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.comparing_live import run_backup_compare


def main() -> None:
    run_module(
        {
            **CONNECTION,
            **PROFILE,
            **LOCATIONS,
            **DECRYPTION,
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "default": "latest"},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "expected_differences": {"type": "list", "elements": "str", "default": []},
        },
        run_backup_compare,
    )


if __name__ == "__main__":
    main()
