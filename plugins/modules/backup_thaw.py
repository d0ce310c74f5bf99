#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_thaw
short_description: Make a backup set readable that an S3 bucket has moved to an archive
version_added: 0.1.0
description:
  - Asks the store for copies that can be read of everything of one set that lies in C(GLACIER), C(DEEP_ARCHIVE) or an
    archive tier of C(INTELLIGENT_TIERING), and tells how far it is.
  - It does not wait, as thawing takes hours. Run it again to see; what thaws already is not asked for twice.
  - Locations that have no archive, and sets that are in none, are reported as readable.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
attributes:
  check_mode:
    support: full
    description: Tells what is archived; asks for nothing.
  diff_mode:
    support: none
    description: There is nothing to show beyond the states.
options:
  label:
    description: The database's name in the catalogue.
    type: str
    required: true
  backup:
    description:
      - Id of the set, or V(latest), the newest good one that is neither a safety backup nor an export nor from the
        future.
    type: str
    required: true
  days:
    description: For how many days the copies stay, from 1 to 365.
    type: int
    default: 7
  tier:
    description: How fast it goes; the faster, the dearer.
    type: str
    choices: [Standard, Bulk, Expedited]
    default: Standard
seealso:
  - module: mobul.backup.bucket_policy
"""

EXAMPLES = r"""
- name: Make a set of last year readable for a week
  mobul.backup.backup_thaw:
    label: shop
    backup: weekly_20251102_000000
    locations:
      - name: s3
        type: s3
        bucket: example-backups
"""

RETURN = r"""
copies:
  description: How it is with the copy of each location, C(available), C(thawing) or C(archived).
  returned: success or partial failure
  type: list
  elements: dict
  sample: [{location: s3, state: thawing, archived_objects: 1, until: null}]
readable:
  description: Whether at least one copy can be read.
  returned: success or partial failure
  type: bool
  sample: false
id:
  description: The set's.
  returned: success or partial failure
  type: str
  sample: weekly_20251102_000000
summary:
  description: The same for a person.
  returned: success or partial failure
  type: list
  elements: str
  sample: ["s3: weekly_20251102_000000 is thawing: try again in some hours"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATIONS
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.thaw import run_backup_thaw


def main() -> None:
    run_module(
        {
            **LOCATIONS,
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "required": True},
            "days": {"type": "int", "default": 7},
            "tier": {"type": "str", "choices": ["Standard", "Bulk", "Expedited"], "default": "Standard"},
        },
        run_backup_thaw,
    )


if __name__ == "__main__":
    main()
