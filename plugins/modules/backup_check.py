#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_check
short_description: Check that the backups of a database are young, whole, everywhere, of a likely size, and proven
version_added: 0.1.0
description:
  - Reads the catalogue of a label over all its locations and looks at every condition that monitoring should know of.
  - Each condition is one finding, whether it is good or bad, so that an alert about it can be taken back.
  - Changes nothing.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
  - mobul.backup.adopt
  - mobul.backup.changes_nothing
options:
  schedule:
    description:
      - How old the newest good backup of each kind may be, as V(26h), V(8d) or V(5w).
      - A younger backup of another kind does not stand in for a scheduled one.
    type: dict
    default: {weekly: 8d}
  min_copies:
    description:
      - Number of good copies with which a missing one, or a location that does not answer, is a warning. With fewer it
        is a failure.
      - With V(0) any missing copy is a failure.
    type: int
    default: 0
  read:
    description:
      - Whether to read the files of the newest good set of each scheduled kind in every location, and compare their
        SHA-256 with the manifest.
      - V(none) trusts the sizes that a listing shows, where reading costs too much.
    type: str
    choices: [newest, none]
    default: newest
  drill_within:
    description:
      - How long ago the last good restore drill may be. V(none) does not look for drills.
      - With O(record_verify_key) every location that has a copy needs one that speaks for it, as a signed record does
        for all of them.
      - A database whose first backup is younger than that is not expected to have had one.
    type: str
    default: 8d
  holds_within:
    description: Holds that end within that time are reported.
    type: str
    default: 7d
  review_by:
    description:
      - Day by which somebody has to look through the procedures again, for example V(2027-03-01). When it has come,
        that is a warning until another day is set. Empty does not look.
    type: str
  findings:
    description:
      - What others have found, and counts here, too.
      - Each has C(check), C(subject), what it is about, C(status), V(passed), V(warning) or V(failed), and C(message).
    type: list
    elements: dict
    default: []
  buckets:
    description:
      - What M(mobul.backup.bucket_policy) has returned in check mode, a list of registered results.
      - A bucket that is not as it was declared is a failure.
    type: list
    elements: dict
    default: []
  supabase:
    description:
      - What M(mobul.backup.supabase_backup_info) has returned, as registered.
      - Its findings count here, too. That it has failed is a failure.
    type: dict
    default: {}
  fail:
    description: Whether the module fails when a check does. Otherwise RV(verdict) tells.
    type: bool
    default: true
seealso:
  - module: mobul.backup.backup_info
  - module: mobul.backup.backup_metrics
  - module: mobul.backup.restore_drill
"""

EXAMPLES = r"""
- name: Check the backups
  mobul.backup.backup_check:
    label: shop
    locations: "{{ backup_locations }}"
    verify_key:
      - /etc/mobul/signing.pub
    schedule:
      weekly: 8d
      daily: 26h
    min_copies: 2

- name: See how they stand, without a failure
  mobul.backup.backup_check:
    label: shop
    locations: "{{ backup_locations }}"
    read: none
    fail: false
  register: checked

- name: Show it as a table
  ansible.builtin.debug:
    msg: "{{ checked.table }}"
"""

RETURN = r"""
verdict:
  description: V(passed), or V(failed) where any check failed. Warnings pass.
  returned: always
  type: str
  sample: passed
label:
  description: The database's name in the catalogue.
  returned: always
  type: str
  sample: shop
findings:
  description: Every condition, the worst first.
  returned: always
  type: list
  elements: dict
  sample:
    - check: recovery_point
      subject: weekly
      status: passed
      message: weekly_20261122_000000 is 3 days old, 8 days are allowed
table:
  description: The same as lines of a table.
  returned: always
  type: list
  elements: str
  sample:
    - check           subject  status  what was found
    - recovery_point  weekly   passed  weekly_20261122_000000 is 3 days old, 8 days are allowed
summary:
  description: What is not as it should be, for a person.
  returned: always
  type: list
  elements: str
  sample: ["shop: passed: 0 failed, 0 warning, 14 passed"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import ADOPT, CATALOGUE
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.run import run_backup_check


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            **ADOPT,
            "schedule": {"type": "dict", "default": {"weekly": "8d"}},
            "min_copies": {"type": "int", "default": 0},
            "read": {"type": "str", "choices": ["newest", "none"], "default": "newest"},
            "drill_within": {"type": "str", "default": "8d"},
            "holds_within": {"type": "str", "default": "7d"},
            "review_by": {"type": "str"},
            "findings": {"type": "list", "elements": "dict", "default": []},
            "buckets": {"type": "list", "elements": "dict", "default": []},
            "supabase": {"type": "dict", "default": {}},
            "fail": {"type": "bool", "default": True},
        },
        run_backup_check,
    )


if __name__ == "__main__":
    main()
