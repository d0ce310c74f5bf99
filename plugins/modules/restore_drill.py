#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_drill
short_description: Prove that a backup of a PostgreSQL database can be restored, by restoring it
version_added: 0.1.0
description:
  - Takes a set that M(mobul.backup.pg_backup) made from each location in turn, restores it into a scratch database, and
    compares that with what the set's manifest tells of its source at the moment of the backup.
  - Compared are the number of rows of every table, the contents of those with a fingerprint, the values of sequences,
    the number of large objects, row level security policies, grants, and every other object of the schema.
  - Runs your own queries, too, measures how long the restore took, drops what was restored, and writes the outcome
    beside the set, where M(mobul.backup.backup_info), M(mobul.backup.backup_check) and retention find it.
  - The scratch database is made on a server of yours, for example staging, or on a throwaway server that exists only as
    long as the drill.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - C(pg_restore) and C(pg_dump) of the server's major version or newer
  - Linux, root's rights, and C(initdb) and C(postgres) of the backup's major version or newer, for O(target=throwaway)
extends_documentation_fragment:
  - mobul.backup.connection
  - mobul.backup.locations
  - mobul.backup.decryption
  - mobul.backup.record_signing
  - mobul.backup.profile
attributes:
  check_mode:
    support: full
    description: Proves every copy and that it could be restored; restores and writes nothing.
  diff_mode:
    support: none
    description: The outcome is in RV(findings).
options:
  login_db:
    description: A database of the server to connect to while the scratch database is made; nothing in it is changed.
    type: str
    default: postgres
    required: false
  login_user:
    description:
      - Role to connect as, with O(target=server).
      - It must be a superuser, or be allowed to create databases and be a member of every role that owns something in
        the backup. Roles that the server lacks are made, where it may make roles, without the right to log in, and
        dropped afterwards. C(docs/rights.md) has the SQL of such a role.
  label:
    description: Name of the database in the catalogue.
    type: str
    required: true
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
    description: Name of the only one of O(locations) to take it from. By default all of them, one after the other.
    type: str
  expect_environment:
    description: Environment that the set must be of. By default any.
    type: str
  verify_key:
    description:
      - Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed fails before anything of
        it is used.
    type: list
    elements: str
    default: []
  target:
    description:
      - V(server) restores on the server that O(login_host) and the other options lead to.
      - V(throwaway) starts a server on this host, in a directory that only root and the server's user can enter, and
        removes it afterwards. The data lie there in plain as long as the drill takes.
      - What is restored may run code of its own there. So the server runs as a user that is made up for the drill, has
        no rights and owns nothing, and whatever it started or left is gone at the end. Only root can give it that user.
        Without root's rights V(throwaway) is refused before anything is read, as the code could read this job's keys
        and credentials.
    type: str
    choices: [server, throwaway]
    default: throwaway
  throwaway_dir:
    description: Where the throwaway server keeps its data. It needs as much room as the database. Every user must be
      able to pass through it, and nobody but root to exchange what is in it. By default the system's directory for
      temporary files.
    type: path
  run_as:
    description: User of the system in whose name C(initdb) makes the throwaway server's files, before anything of the
      backup is there, as C(initdb) refuses one that the system has no name for. The server itself never runs as it. By
      default V(nobody), or V(postgres) where there is no such user.
    type: str
  jobs:
    description: Number of tables and indexes that are restored at the same time.
    type: int
    default: 1
  checks:
    description: Queries of your own, run in the restored database in read-only transactions of at most ten minutes.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What is checked, as reports and alerts call it.
        type: str
        required: true
      query:
        description: One statement that returns rows. Names without a schema are looked for in C(public).
        type: str
        required: true
      expect:
        description:
          - What it must return, a single value, a list of rows, or a dictionary with C(min) or C(max) or both.
          - By default V(true).
        type: raw
  entry_search_path:
    description:
      - Schemas in which single objects find what they use, a list of them for the name of each object, which is written
        as in O(expected_differences).
      - For what works at the source because a role or a database sets a C(search_path) there, and fails in a restore
        because a dump has none, such as a generated column whose function calls another one without its schema.
    type: dict
    default: {}
  expected_differences:
    description:
      - Objects that may fail to be restored or be different, named as a drill's report does, with V(*) for anything.
      - For a server that lacks an extension of the source, say. What was overlooked is in the report.
    type: list
    elements: str
    default: []
  recovery_time:
    description: How long the restore may take, as V(90s), V(30m) or V(2h). By default any time.
    type: str
  record:
    description:
      - Whether to write the outcome beside the set, in the location that it was read from, with a signature where
        O(record_signing_key) is given.
    type: bool
    default: true
  report_dir:
    description: Directory on this host for a report in Markdown and one in JSON. By default none is written.
    type: path
  lock_timeout:
    description: Seconds to wait for locks on the server.
    type: int
    default: 60
  fail:
    description: Whether the module fails when a copy does. Otherwise RV(verdict) tells.
    type: bool
    default: true
seealso:
  - module: mobul.backup.verify_dump
  - module: mobul.backup.restore_database
"""

EXAMPLES = r"""
- name: Restore the newest backup of every location into a server of its own, and compare
  mobul.backup.restore_drill:
    label: shop
    locations: "{{ backup_locations }}"
    identities:
      - /root/keys/ops.agekey
    verify_key:
      - /etc/mobul/signing.pub
    expect_environment: production
    recovery_time: 2h
    report_dir: /var/log/mobul
    checks:
      - name: consents are there
        query: SELECT count(*) FROM sms_opt_ins
        expect: {min: 1000}
      - name: no consent without a recipient
        query: SELECT count(*) FROM sms_opt_ins WHERE recipient_id NOT IN (SELECT id FROM recipients)
        expect: 0

- name: The same on the staging server, which lacks an extension
  mobul.backup.restore_drill:
    target: server
    login_host: staging.example.com
    login_user: postgres
    login_password: "{{ vault_staging_password }}"
    ssl_mode: verify-full
    label: shop
    locations: "{{ backup_locations }}"
    location: s3
    identities:
      - /root/keys/ops.agekey
    expected_differences:
      - EXTENSION pg_graphql
      - COMMENT EXTENSION pg_graphql
"""

RETURN = r"""
verdict:
  description: V(passed), or V(failed) where any copy failed.
  returned: always
  type: str
  sample: passed
id:
  description: Id of the set.
  returned: always
  type: str
  sample: weekly_20261122_000000
label:
  description: Label that the set belongs to.
  returned: always
  type: str
  sample: shop
findings:
  description: What was looked at in every copy, the worst first.
  returned: always
  type: list
  elements: dict
  sample: [{check: rows, subject: s3, status: passed, message: "6,405,200 rows in 42 tables"}]
drills:
  description: The same for each location, with the times and all differences.
  returned: always
  type: list
  elements: dict
  sample:
    - location: s3
      verdict: passed
      restore_seconds: 14.8
      server_version: "17.10"
      differences: []
      record: verified_20261123_060000.json
reports:
  description: Paths of the reports.
  returned: always
  type: list
  elements: str
  sample: [/var/log/mobul/drill_shop_20261123_060015.md, /var/log/mobul/drill_shop_20261123_060015.json]
summary:
  description: What was found, for a person.
  returned: always
  type: list
  elements: str
  sample: ["shop: drill of weekly_20261122_000000 from location 's3' passed, restored and compared in 14.8 s"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import (
    CONNECTION,
    DECRYPTION,
    LOCATIONS,
    PROFILE,
    RECORD_SIGNING,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.verification.drill.run import run_restore_drill

CHECK = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "expect": {"type": "raw"},
}


def main() -> None:
    run_module(
        {
            **CONNECTION,
            **PROFILE,
            **LOCATIONS,
            **DECRYPTION,
            **RECORD_SIGNING,
            "login_db": {"type": "str", "default": "postgres"},
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "default": "latest"},
            "before": {"type": "str"},
            "location": {"type": "str"},
            "expect_environment": {"type": "str"},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "target": {"type": "str", "choices": ["server", "throwaway"], "default": "throwaway"},
            "throwaway_dir": {"type": "path"},
            "run_as": {"type": "str"},
            "jobs": {"type": "int", "default": 1},
            "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK},
            "expected_differences": {"type": "list", "elements": "str", "default": []},
            "entry_search_path": {"type": "dict", "default": {}},
            "recovery_time": {"type": "str"},
            "record": {"type": "bool", "default": True},
            "report_dir": {"type": "path"},
            "lock_timeout": {"type": "int", "default": 60},
            "fail": {"type": "bool", "default": True},
        },
        run_restore_drill,
    )


if __name__ == "__main__":
    main()
