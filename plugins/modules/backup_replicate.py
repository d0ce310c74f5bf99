#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_replicate
short_description: Bring backup sets to the locations that lack them
version_added: 0.1.0
description:
  - Copies every set of a label to those of the locations that do not have it, from a location that has a good copy.
  - Each file of a set is read once for all locations that lack it. Its size and SHA-256 are compared with the manifest
    before it becomes visible anywhere. Where they differ, the copy that was read counts as damaged, and the next good
    one is taken.
  - The manifest comes last, so that a run that was cut off leaves nothing that looks like a backup. Running it again
    goes on from what is there.
  - A location that fails spoils neither the others nor the other sets. The module fails in the end and names what is
    still missing.
  - A set that lies unfinished in a location, while another copy was finished less than an hour ago, may be a backup at
    work. It is left alone there, with a warning.
  - The sets are copied as they are, encrypted; no key that decrypts them is needed.
  - Holds travel with a set, and so do releases, the records of drills and those of M(mobul.backup.backup_rekey) that
    one of O(record_verify_key) has signed.
    What else lies beside a set stays where it is.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
  - mobul.backup.policy
attributes:
  check_mode:
    support: full
    description: Returns what would be copied, as the listings of the locations tell. No object of a set is read.
  diff_mode:
    support: full
    description: Shows the copies that are made.
options:
  backup:
    description:
      - What to copy, V(all), V(latest) or the id of a set.
      - V(latest) is the newest set that any location has.
      - With V(all), sets that O(policy) lets go are left out. They may still lie somewhere, as the newest of a location
        or because the store protects them, and are not to come back to the others.
    type: str
    default: all
  since:
    description:
      - Leaves out the sets that were begun before this time, such as V(2026-11-23) or V(2026-11-23T06:00:00Z).
      - Without a zone it is UTC. For O(backup=all) only.
    type: str
  repair:
    description:
      - Whether to write again what is missing or wrong in a damaged copy, one whose manifest cannot be used or whose
        files are not as the manifest says.
      - Its manifest is removed first and comes last again. Nothing is removed before the good copy was read and proven.
      - With O(backup=latest) or an id every copy of the set is read to its end, so that one whose bytes are wrong is
        found and written again. With O(backup=all) a copy is damaged where a listing shows it.
      - Without this, a damaged copy is reported and nothing of it is touched.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Bring the sets of the last weeks to every location
  mobul.backup.backup_replicate:
    locations: "{{ backup_locations }}"
    label: shop
    since: "2026-11-01"
    verify_key:
      - /etc/mobul/signing.pub

- name: Make up for the copies that the newest backup lacks, and for damaged ones
  mobul.backup.backup_replicate:
    locations: "{{ backup_locations }}"
    label: shop
    backup: latest
    repair: true
"""

RETURN = r"""
label:
  description: Label that the sets belong to.
  returned: when the catalogue could be read
  type: str
  sample: shop
sets:
  description: Number of sets that were looked at.
  returned: when the catalogue could be read
  type: int
  sample: 17
copied:
  description: Copies that were made, or in check mode would be.
  returned: when the catalogue could be read
  type: list
  elements: dict
  contains:
    id:
      description: Id of the set.
      returned: always
      type: str
      sample: weekly_20261122_000000
    location:
      description: Name of the location that has got it.
      returned: always
      type: str
      sample: gdrive
    from:
      description: Name of the location that it was read from. Empty where all but the manifest was there already.
      returned: always
      type: str
      sample: s3
    bytes:
      description: Bytes of the artifacts that were written.
      returned: always
      type: int
      sample: 290104226
    repaired:
      description: Whether there was a damaged copy in its place.
      returned: always
      type: bool
      sample: false
missing:
  description: What could not be made up for, the first 100. The module fails when there is anything.
  returned: when the catalogue could be read
  type: list
  elements: dict
  contains:
    id:
      description: Id of the set. Null where a location could not be read, so that it is not known what it lacks.
      returned: always
      type: str
      sample: weekly_20261122_000000
    location:
      description: Name of the location. Null where no location has a good copy.
      returned: always
      type: str
      sample: gdrive
    reason:
      description: Why it is missing.
      returned: always
      type: str
      sample: "write the object: location 'gdrive': no space is left"
missing_count:
  description: How much that is.
  returned: when the catalogue could be read
  type: int
  sample: 0
damaged:
  description: Copies that are not good, also those that turned out not to be while they were read, the first 100.
  returned: when the catalogue could be read
  type: list
  elements: dict
  contains:
    id:
      description: Id of the set.
      returned: always
      type: str
      sample: weekly_20261122_000000
    location:
      description: Name of the location.
      returned: always
      type: str
      sample: disk
    problem:
      description: What is wrong with it.
      returned: always
      type: str
      sample: globals_20261122_0000.sql.age is missing
    repaired:
      description: Whether it was written again.
      returned: always
      type: bool
      sample: false
damaged_count:
  description: How many those are.
  returned: when the catalogue could be read
  type: int
  sample: 0
summary:
  description: What was done, for a person.
  returned: when the catalogue could be read
  type: list
  elements: str
  sample: ["shop: 17 sets, 1 copy made, 276.7 MiB", "  weekly_20261122_000000: 276.7 MiB from 's3' to 'gdrive'"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CATALOGUE, POLICY
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.replicate.run import run_backup_replicate


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            **POLICY,
            "backup": {"type": "str", "default": "all"},
            "since": {"type": "str"},
            "repair": {"type": "bool", "default": False},
        },
        run_backup_replicate,
    )


if __name__ == "__main__":
    main()
