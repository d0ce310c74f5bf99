#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prune
short_description: Delete the backup sets that retention lets go, in every location
version_added: 0.1.0
description:
  - Looks at all locations of a label, decides on every set by the policy, and deletes what is due in each of them.
  - Nothing is deleted anywhere if a location cannot be looked at, if something below the label is damaged or does not
    belong there, or if the policy is shorter than a bucket's Object Lock.
  - Nor is anything if the sets are of two databases in turn, unless O(adopt) names one of them. One change from one to
    another is an upgrade or a move.
  - The newest good and the newest verified set of a label stay whatever the policy says, and so does the newest good
    copy of each location. What is held stays, and what the store itself protects is reported.
  - A set that is released by a record which no O(record_verify_key) vouches for goes only from the location where that
    record lies; the plan tells so.
  - A set's manifest goes first. A run that was killed is taken up by the next one.
  - Also removes what killed runs left unfinished, abandoned multipart uploads among it.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
  - mobul.backup.policy
  - mobul.backup.adopt
attributes:
  check_mode:
    support: full
    description: Returns the plan; deletes nothing.
  diff_mode:
    support: full
    description: Shows the sets that go from each location.
options:
  unfinished_after:
    description:
      - After how many hours without a change something unfinished counts as left by a killed run.
      - Must be more than the longest backup takes.
    type: int
    default: 24
seealso:
  - module: mobul.backup.backup_info
  - module: mobul.backup.backup_hold
"""

EXAMPLES = r"""
- name: Show what would go
  mobul.backup.backup_prune:
    label: shop
    locations: "{{ backup_locations }}"
  check_mode: true
  register: plan

- name: Keep weekly sets for half a year
  mobul.backup.backup_prune:
    label: shop
    locations: "{{ backup_locations }}"
    policy:
      weekly: 26w
"""

RETURN = r"""
deleted:
  description: The copies that went, or would go, the first 100.
  returned: success or partial failure
  type: list
  elements: dict
  sample: [{location: s3, id: weekly_20260802_000000, bytes: 1468006}]
deleted_count:
  description: How many those are.
  returned: success or partial failure
  type: int
  sample: 1
reaped:
  description: What killed runs had left unfinished, and went, the first 100.
  returned: success or partial failure
  type: list
  elements: str
reaped_count:
  description: How much that is.
  returned: success or partial failure
  type: int
  sample: 0
protected:
  description:
    - Copies that are due, and that the store does not let go, the first 100, in check mode as well.
    - In the plan a set has the rule C(locked) where all copies that are due are such.
  returned: success or partial failure
  type: list
  elements: dict
freed:
  description: Bytes.
  returned: success or partial failure
  type: int
  sample: 1468006
plan:
  description:
    - The decision on a set with its reason, the oldest first, and the locations that it goes from.
    - Of those that go and of those that stay the newest 100 are there.
  returned: success or partial failure
  type: list
  elements: dict
  sample:
    - id: weekly_20260802_000000
      keep: false
      rule: expired
      reason: its 90d as a weekly set ended on 2026-10-31
      serves_as: []
      expires: "2026-10-31T00:00:00Z"
      goes_from: [s3, local]
staying:
  description: How many sets stay.
  returned: success or partial failure
  type: int
  sample: 73
table:
  description: The plan as lines of a table, the newest set first.
  returned: success or partial failure
  type: list
  elements: str
summary:
  description: What was done, for a person.
  returned: success or partial failure
  type: list
  elements: str
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import ADOPT, CATALOGUE, POLICY
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.prune.run import run_backup_prune


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            **POLICY,
            **ADOPT,
            "unfinished_after": {"type": "int", "default": 24},
        },
        run_backup_prune,
    )


if __name__ == "__main__":
    main()
