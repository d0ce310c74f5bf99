#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_dump
short_description: Verify a backup set or a dump without a server
version_added: 0.1.0
description:
  - Verifies every copy of a set that M(mobul.backup.pg_backup) made, or a file of an older procedure. Changes nothing.
  - Whether a backup can be restored is shown by M(mobul.backup.restore_drill) alone, which restores it.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.decryption
  - mobul.backup.changes_nothing
options:
  locations:
    description: Where the sets are kept; every one of them is asked for its copy.
    required: false
  label:
    description: Name of the database in the catalogue.
    type: str
  backup:
    description:
      - Id of the set, or V(latest), the newest that any of O(locations) has.
      - The newest one is never the safety backup of a restore, nor an export, nor a set from the future.
    type: str
    default: latest
  before:
    description:
      - With O(backup=latest), the newest set whose snapshot is older than this time, such as V(2026-11-23T06:00:00Z).
        Without a zone it is UTC.
    type: str
  location:
    description: Name of the only one of O(locations) whose copy is verified. By default all.
    type: str
  src:
    description: A file instead of a set, a dump or a script of C(pg_dump), compressed and encrypted in any way that
      M(mobul.backup.restore_database) reads.
    type: path
  level:
    description:
      - V(structure) proves the signature, reads every file once and compares its SHA-256 with the manifest, looks at
        the recipients, and, where a key is given, at the dump's table of contents.
      - V(content) also decrypts and unpacks every block to its end, in the same pass, and compares the number of rows
        of each table with the manifest. It needs a key.
    type: str
    choices: [structure, content]
    default: structure
  verify_key:
    description: Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed fails.
    type: list
    elements: str
    default: []
  critical_tables:
    description:
      - Tables that must be in the dump, by their exact names, C(orders), C(app.orders) or C("Odd.Name").
      - Without a schema a table is in C(public).
    type: list
    elements: str
    default: []
  min_size:
    description: Bytes that the dump must have as it is stored.
    type: int
    default: 0
  expect_environment:
    description: Environment that the set must be of. By default any.
    type: str
  cache_dir:
    description: Where what was read of the catalogue is kept. By default in the user's cache directory.
    type: path
  fail:
    description: Whether the module fails when a check does. Otherwise RV(verdict) tells.
    type: bool
    default: true
seealso:
  - module: mobul.backup.restore_drill
  - module: mobul.backup.backup_check
"""

EXAMPLES = r"""
- name: Verify every copy of the newest backup
  mobul.backup.verify_dump:
    label: shop
    locations: "{{ backup_locations }}"
    verify_key:
      - /etc/mobul/signing.pub
    critical_tables: [campaigns, recipients, sms_opt_ins, clients]

- name: Read one copy to its end
  mobul.backup.verify_dump:
    label: shop
    backup: weekly_20261122_000000
    locations: "{{ backup_locations }}"
    location: s3
    level: content
    identities:
      - /root/keys/ops.agekey

- name: Verify what an older procedure left
  mobul.backup.verify_dump:
    src: /mnt/old/backup_20240602_0000.dump
    level: content
    min_size: 1000000
    critical_tables: [campaigns, recipients]
"""

RETURN = r"""
verdict:
  description: V(passed), or V(failed) where any check failed. Warnings pass.
  returned: always
  type: str
  sample: passed
name:
  description: Id of the set, or path of the file.
  returned: always
  type: str
  sample: weekly_20261122_000000
label:
  description: The database's name in the catalogue; none for a file.
  returned: always
  type: str
  sample: shop
level:
  description: What was asked for.
  returned: always
  type: str
  sample: content
findings:
  description: What was looked at, the worst first; the subject is the location.
  returned: always
  type: list
  elements: dict
  sample: [{check: checksum, subject: s3, status: passed, message: "286.4 MiB read, each file has its SHA-256"}]
summary:
  description: What is not as it should be, for a person.
  returned: always
  type: list
  elements: str
  sample: ["shop: weekly_20261122_000000 passed: 0 failed, 0 warning, 24 passed"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import DECRYPTION, SET_OR_FILE
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.run import run_verify_dump


def main() -> None:
    run_module(
        {
            **DECRYPTION,
            **SET_OR_FILE,
            "level": {"type": "str", "choices": ["structure", "content"], "default": "structure"},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "critical_tables": {"type": "list", "elements": "str", "default": []},
            "min_size": {"type": "int", "default": 0},
            "expect_environment": {"type": "str"},
            "cache_dir": {"type": "path"},
            "fail": {"type": "bool", "default": True},
        },
        run_verify_dump,
    )


if __name__ == "__main__":
    main()
