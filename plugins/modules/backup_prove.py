#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_prove
short_description: Find a backup set, and read every copy of it back
version_added: 0.1.0
description:
  - Reads each copy of a set to its end, compares every file's SHA-256 with the manifest, and says how many copies are
    good.
  - The set is named, or it is the newest one that fits. Who is about to deploy can so take a set of the last minutes
    in place of a new one (O(within)).
  - No key that decrypts is needed. Whether a set can be restored is shown by M(mobul.backup.restore_drill) alone.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
  - mobul.backup.policy
  - mobul.backup.changes_nothing
options:
  backup:
    description: Id of the set, or V(latest), the newest one that fits all that follows.
    type: str
    default: latest
  within:
    description:
      - How old the set may be, for example V(30m). By default any age.
      - Where no such set can be used RV(found) is false, which is no failure. Safety backups and the sets of incidents
        and migrations are never taken.
    type: str
  kept_as:
    description: Kind of backup. The set must be one that O(policy) keeps at least as long.
    type: str
    default: ''
  kinds:
    description: Kinds of backup, of which the set must be one. By default any.
    type: list
    elements: str
    default: []
  labels:
    description: What the set's manifest must have among its labels.
    type: dict
    default: {}
  expect_environment:
    description: Environment that the set must be of. By default any.
    type: str
  expect_database:
    description: Name of the database that the set must be of. By default any.
    type: str
  exclude_table_data:
    description:
      - Tables whose rows may be missing in the set, as M(mobul.backup.pg_backup) takes them. With O(within) a set that
        was made without the rows of any other is passed by.
    type: list
    elements: str
    default: []
  min_copies:
    description: Number of good copies that are needed. By default one in every location.
    type: int
  read_back:
    description: Whether every byte of the copies is read. Otherwise the manifests and listings tell which are good.
    type: bool
    default: true
seealso:
  - module: mobul.backup.verify_dump
  - module: mobul.backup.backup_check
"""

EXAMPLES = r"""
- name: Read every copy of the set back that was just made
  mobul.backup.backup_prove:
    label: shop
    backup: "{{ backup_result.id }}"
    locations: "{{ backup_locations }}"
    min_copies: 2
    verify_key:
      - /etc/mobul/signing.pub

- name: Take a set of the last half hour in place of a new one
  mobul.backup.backup_prove:
    label: shop
    within: 30m
    kept_as: pre_deploy
    locations: "{{ backup_locations }}"
    verify_key:
      - /etc/mobul/signing.pub
"""

RETURN = r"""
found:
  description: Whether there is a set that can be used.
  returned: success
  type: bool
  sample: true
id:
  description: Id of the set.
  returned: when a set was found
  type: str
  sample: pre_deploy_20261122_000000
label:
  description: Label that the set belongs to.
  returned: when a set was found
  type: str
  sample: shop
labels:
  description: The marks of its manifest, such as the migration's id and the name of the restore point beside it.
  returned: when a set was found
  type: dict
  sample: {migration: "42", restore_point: mig-20261123-040000}
directory:
  description: Path of the set below each location's root.
  returned: when a set was found
  type: str
  sample: shop/2026/11/22/pre_deploy_20261122_000000
age:
  description: Seconds since the set was begun.
  returned: when a set was found
  type: int
  sample: 420
copies:
  description: Number of good copies.
  returned: when a set was found
  type: int
  sample: 2
locations:
  description: What became of every location, and what in its store keeps the copy from being deleted.
  returned: when a set was found
  type: list
  elements: dict
  sample:
    - name: primary
      type: s3
      status: good
      proof: read_back
      protection: Object Lock (COMPLIANCE) keeps it until 2027-06-30 10:15 UTC
      error: null
artifacts:
  description: The files of the set.
  returned: when a set was found
  type: list
  elements: dict
  sample: [{name: backup_20261122_0000.dump.age, role: dump, size: 286748977, sha256: 6b86b273ff34fce19d6b804eff5a}]
manifest_sha256:
  description: SHA-256 of the manifest, in hexadecimal digits.
  returned: when a set was found
  type: str
  sample: d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35
signed:
  description: Whether the manifest is signed; where O(verify_key) is given, by one of these keys.
  returned: when a set was found
  type: bool
  sample: true
findings:
  description: What was looked at; the subject is the location.
  returned: when a set was found
  type: list
  elements: dict
  sample: [{check: checksum, subject: s3, status: passed, message: "286.4 MiB read, each file has its SHA-256"}]
passed_by:
  description: Newer sets that fit and have too few good copies, with O(within).
  returned: success
  type: list
  elements: str
  sample: []
summary:
  description: What was found, for a person.
  returned: success, and when there are too few good copies
  type: list
  elements: str
  sample: ["shop: pre_deploy_20261122_000000, 7 minutes old: 2 of 2 copies good, 2 needed"]
warnings:
  description: What is not wrong but should be known.
  returned: when there are any
  type: list
  elements: str
  sample: ["the set is not signed: nothing proves who made it"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CATALOGUE, POLICY
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.proving import run_backup_prove


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            **POLICY,
            "backup": {"type": "str", "default": "latest"},
            "within": {"type": "str"},
            "kept_as": {"type": "str", "default": ""},
            "kinds": {"type": "list", "elements": "str", "default": []},
            "labels": {"type": "dict", "default": {}},
            "expect_environment": {"type": "str"},
            "expect_database": {"type": "str"},
            "exclude_table_data": {"type": "list", "elements": "str", "default": []},
            "min_copies": {"type": "int"},
            "read_back": {"type": "bool", "default": True},
        },
        run_backup_prove,
    )


if __name__ == "__main__":
    main()
