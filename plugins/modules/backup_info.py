#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Tell which backup sets there are, where, in which state and until when
version_added: 0.1.0
description:
  - The catalogue of a label over all of its locations, with the copies that are present, missing or damaged, holds,
    drills that passed, and when retention will let each set go.
  - What is unfinished or does not belong there is named apart.
  - A location that cannot be looked at is a warning as long as another one can.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
  - mobul.backup.policy
attributes:
  check_mode:
    support: full
    description: The module never changes anything but its cache.
  diff_mode:
    support: none
    description: There is nothing to show.
options:
  kinds:
    description: Show only sets of these kinds.
    type: list
    elements: str
    default: []
  limit:
    description: Show no more than the newest so many sets; V(0) is for all.
    type: int
    default: 200
seealso:
  - module: mobul.backup.backup_prune
"""

EXAMPLES = r"""
- name: Look at the backups of the shop
  mobul.backup.backup_info:
    label: shop
    locations:
      - name: s3
        type: s3
        bucket: example-backups
      - name: local
        type: local
        path: /var/backups/mobul
  register: backups

- name: Show them as a table
  ansible.builtin.debug:
    var: backups.table
"""

RETURN = r"""
sets:
  description: What is known of each set, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its name.
      type: str
      returned: always
      sample: weekly_20261122_000000
    state:
      description: V(good) if at least one copy is whole, else V(damaged).
      type: str
      returned: always
      sample: good
    copies:
      description: By location V(good), V(damaged) or V(unfinished).
      type: dict
      returned: always
      sample: {s3: good, local: good}
    missing:
      description: Locations that have nothing of it.
      type: list
      elements: str
      returned: always
      sample: []
    hold:
      description: Reason and end of the hold that keeps it.
      type: dict
      returned: always
      sample: {reason: incident 4711, until: null}
    released:
      description: Whether it is released in every location that has it.
      type: bool
      returned: always
      sample: false
    released_in:
      description: The locations in which it is released, by a record that counts there.
      type: list
      elements: str
      returned: always
      sample: []
    verified:
      description: When a restore drill of it passed last.
      type: str
      returned: always
      sample: "2026-11-23T06:12:00Z"
    retention:
      description: What the policy says of it (C(keep), C(rule), C(reason), C(serves_as), C(expires)).
      type: dict
      returned: always
count:
  description: How many sets there are, of those kinds, whether shown or not.
  returned: success
  type: int
  sample: 74
damaged:
  description: How many of them have no good copy. Of these the newest 50 are in RV(sets).
  returned: success
  type: int
  sample: 0
newest_good:
  description: The newest set that is good.
  returned: success
  type: str
  sample: weekly_20261122_000000
newest_verified:
  description: The newest set of which a drill passed.
  returned: success
  type: str
  sample: weekly_20261115_000000
unfinished:
  description: What has no manifest, because it is under way or was killed, the newest 50.
  returned: success
  type: list
  elements: dict
unfinished_count:
  description: How much that is.
  returned: success
  type: int
  sample: 0
skipped:
  description: Ids of backups that were not made because another one was running, of the last 90 days, the newest 50.
  returned: success
  type: list
  elements: str
  sample: []
databases:
  description:
    - The databases that the sets are of, one after another in the order of time, the newest 50.
    - One change is an upgrade, a move or a renaming. One that comes back is a warning, as two databases are under the
      label then.
    - The system identifiers are texts. They have more digits than some programs keep of a number.
  returned: success
  type: list
  elements: dict
  sample:
    - name: shop
      system_identifier: "7318446153489713245"
      first: weekly_20260802_000000
      last: weekly_20261122_000000
      sets: 17
foreign:
  description:
    - What is damaged or does not belong where it lies, a line each.
    - Of each location the first 50, and how many more there are.
  returned: success
  type: list
  elements: str
locations:
  description: Numbers by location, or the error because of which it could not be read.
  returned: success
  type: dict
policy:
  description: The policy that was applied.
  returned: success
  type: dict
table:
  description: The sets as lines of a table.
  returned: success
  type: list
  elements: str
summary:
  description: The same in short, for a person.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CATALOGUE, POLICY
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.info import run_backup_info


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            **POLICY,
            "kinds": {"type": "list", "elements": "str", "default": []},
            "limit": {"type": "int", "default": 200},
        },
        run_backup_info,
    )


if __name__ == "__main__":
    main()
