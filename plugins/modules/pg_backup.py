#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Back up one PostgreSQL database into several locations in one pass
version_added: 0.1.0
description:
  - Makes one backup set of one database and writes it into every location at the same time.
  - A set holds the whole database as a custom-format archive of C(pg_dump), the roles and settings of the server, the
    table exports that are asked for, and a manifest that is written last.
  - Every artifact is encrypted in flight. Nothing of the data touches the disk of the host that runs the module.
  - The row counts and fingerprints in the manifest are taken in the same snapshot as the dump.
  - Everything that can be known beforehand is checked before anything is dumped or written.
  - The folder or directory that is a location's root is made when nothing else is in the way of the backup. It stays
    if the backup then fails, since another run may count on it.
  - It runs at a niceness of 5, as do the programs that it starts, so that a server on the same host goes first.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - gpg >= 2.2, for recipients of OpenPGP
  - zstandard >= 0.22, for compressed exports and for servers whose C(pg_dump) knows no zstd
  - C(pg_dump) and C(pg_dumpall) of the server's major version or newer
extends_documentation_fragment:
  - mobul.backup.connection
  - mobul.backup.locations
  - mobul.backup.adopt
  - mobul.backup.profile
attributes:
  check_mode:
    support: full
    description: Runs every check against the server, the keys and the locations, and writes nothing.
  diff_mode:
    support: full
    description: Shows the set that is made.
options:
  label:
    description:
      - Name of the database in the catalogue, the first part of every path in a location.
      - One label belongs to one database. Where its last set is of another one, by the system identifier of its
        server or by its name, no backup is made unless O(adopt) names it.
    type: str
    required: true
  kind:
    description:
      - Why the backup is made. The retention is derived from it.
      - V(export) makes no backup, but a set of the O(exports) alone, in every location like any other.
        M(mobul.backup.restore_table) takes rows from it by its id. It is never the newest backup, and no check counts
        it as one.
    type: str
    default: manual
    choices: [daily, weekly, monthly, yearly, pre_deploy, pre_migration, post_incident, pre_restore, manual, export]
  environment:
    description: Environment that the database belongs to, for example V(production). A restore checks it.
    type: str
  labels:
    description: Free names and values kept in the manifest, for example a deployment's id or an incident's reference.
    type: dict
    default: {}
  recipients:
    description:
      - Public keys that can decrypt the set. Either age recipients (C(age1...)) or fingerprints of OpenPGP keys.
      - Give two at least, one of them kept offline.
    type: list
    elements: str
    default: []
  gnupghome:
    description: Home directory of GnuPG with the public keys, where O(recipients) are OpenPGP keys.
    type: path
  allow_unencrypted:
    description:
      - Allows O(recipients) to be empty, as long as no table is marked as personal data.
      - The roles are then written without their passwords, and a warning says so.
    type: bool
    default: false
  signing_key:
    description: Ed25519 private key that signs the manifest, as PEM text or the path of a file with it.
    type: str
  verify_key:
    description:
      - Ed25519 public keys, as PEM text or the path of a file with one or several.
      - Several are needed while keys are rotated.
      - With any, only a set that was signed by one of them can be the one that the new set says it came after.
      - The public half of O(signing_key) always counts as one of them.
    type: list
    elements: str
    default: []
  jobs:
    description:
      - Number of C(pg_dump) processes that share the snapshot.
      - With more than one, the largest tables go into parts of their own.
    type: int
    default: 1
  compress:
    description:
      - How the dump is compressed, for example V(zstd:3), V(gzip:6), V(lz4) or V(none).
      - V(auto) is C(zstd:1), made by C(pg_dump) itself where it can and by the module otherwise.
    type: str
    default: auto
  tables:
    description:
      - What is known of single tables. Every table is in the backup, named here or not.
      - One that is not there is dealt with as O(missing_tables) says.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the table, with its schema where it is not in V(public).
        type: str
        required: true
      priority:
        description: V(1) for critical, V(2) for important, V(3) for what can be made again.
        type: int
        choices: [1, 2, 3]
      personal_data:
        description: Whether the table may never be written unencrypted.
        type: bool
        default: false
      fingerprint:
        description: Whether a fingerprint of the table's contents is taken.
        type: bool
        default: false
  exports:
    description: Tables or queries that are kept as files of their own beside the dump.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: First part of the file's name. By default the table's name.
        type: str
      table:
        description: Table to export.
        type: str
      query:
        description:
          - Query to export, instead of O(exports[].table).
          - The manifest keeps it as it stands, and is not encrypted. Write nothing secret or personal into it.
        type: str
      columns:
        description: Columns to export. By default all.
        type: list
        elements: str
      where:
        description:
          - SQL condition on the rows.
          - The manifest keeps it as it stands, and is not encrypted. Write nothing secret or personal into it.
        type: str
      format:
        description: Format of the file.
        type: str
        choices: [csv, json]
        default: csv
      compress:
        description: Compression of the file.
        type: str
        choices: [zstd, gzip, none]
        default: zstd
  attachments:
    description:
      - Small files that are kept in the set beside the data, for example the details of an incident.
      - They are encrypted already, to the recipients of the set, so that this host never has them in the open.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name with an extension, for example V(incident.txt). The time is put between the two.
        type: str
        required: true
      content:
        description: The encrypted file in base64, 8 MiB at most.
        type: str
        required: true
  fingerprint:
    description: Which tables get a fingerprint of their contents, those marked in O(tables), all, or none.
    type: str
    choices: [none, marked, all]
    default: marked
  missing_tables:
    description:
      - What to do when a table that O(tables) or O(exports) name is not in the database. It may have been dropped.
      - V(warn) makes the backup without it. A warning names it, with the last set if that has it.
      - V(fail) makes no backup.
      - V(fail_critical) makes none where the table has priority 1, or with O(kind=export), and warns of any other.
    type: str
    default: fail_critical
    choices: [fail_critical, warn, fail]
  exclude_table_data:
    description:
      - Tables whose rows are left out on purpose, for example demo data. Their definitions are in the backup, so that a
        restore has them empty.
      - Names as in O(tables), in which V(*) stands for any text and V(?) for one character, for example V(demo_*) or
        V(demo.*). Without a schema it is about the tables in V(public). In a name with quotes there are no patterns.
      - Of a partitioned table it is all partitions.
      - Tables with priority 1 are refused, and so are those that foreign keys of other rows in the backup refer to. A
        pattern that means no table is a warning.
    type: list
    elements: str
    default: []
  min_copies:
    description:
      - Number of good copies that make the run a success. By default one in every location.
      - With fewer good copies the run fails; those that were made are kept and reported.
      - Where it is known beforehand that there will be fewer, nothing is written.
    type: int
  lock_timeout:
    description:
      - How long to wait for a table that somebody has locked, in seconds.
      - The tables are locked before the snapshot is taken, so that nobody drops, alters, empties or exchanges one until
        the backup has ended; they can be read and written. What of them changes all the same fails the backup by name.
    type: int
    default: 60
  if_running:
    description:
      - What to do when another backup of the database is running.
      - With V(skip) a warning names the session that makes it, and every location gets a small record of the skip, so
        that the daily check fails after the second one in a row.
      - A session counts only if its role could make a backup. A warning names who else holds the lock.
    type: str
    choices: [fail, skip]
    default: fail
"""

EXAMPLES = r"""
- name: Back up the database into two locations
  mobul.backup.pg_backup:
    login_host: db.example.com
    login_user: backup
    login_password: "{{ vault_backup_password }}"
    login_db: shop
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/db-ca.pem
    label: shop
    kind: weekly
    environment: production
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      - age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg
    signing_key: /etc/mobul/signing.pem
    locations:
      - name: primary
        type: s3
        bucket: shop-backups
        region: eu-central-1
        sse: AES256
      - name: local
        type: local
        path: /srv/backups

- name: Keep the last 90 days of the audit log as a file of its own, and prove the consents' contents
  mobul.backup.pg_backup:
    login_db: shop
    login_unix_socket: /run/postgresql
    label: shop
    recipients: "{{ backup_recipients }}"
    locations: "{{ backup_locations }}"
    tables:
      - name: sms_opt_ins
        priority: 1
        personal_data: true
        fingerprint: true
    exports:
      - table: security_audit_log
        where: created_at > now() - interval '90 days'

- name: Export the consents as JSON, without a backup
  mobul.backup.pg_backup:
    login_db: shop
    login_unix_socket: /run/postgresql
    label: shop
    kind: export
    recipients: "{{ backup_recipients }}"
    locations: "{{ backup_locations }}"
    exports:
      - table: sms_opt_ins
        format: json

- name: Take the set that a deployment waits for
  mobul.backup.pg_backup:
    login_db: shop
    login_unix_socket: /run/postgresql
    label: shop
    kind: pre_deploy
    labels:
      deployment: "2026-11-24.3"
    recipients: "{{ backup_recipients }}"
    locations: "{{ backup_locations }}"
    min_copies: 1
"""

RETURN = r"""
id:
  description: Id of the set. In check mode, of the set that would be made at this moment.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: str
  sample: weekly_20261122_000000
label:
  description: Label that the set belongs to.
  returned: success, and when the run failed because too few copies are good
  type: str
  sample: shop
directory:
  description: Path of the set below each location's root.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: str
  sample: shop/2026/11/22/weekly_20261122_000000
skipped_because:
  description: Why no backup was made, with O(if_running=skip).
  returned: when another backup is running and O(if_running=skip)
  type: str
  sample: another backup of 'shop' is running (pid 4711, application 'mobul.backup', role 'backup')
copies:
  description: Number of good copies.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: int
  sample: 2
locations:
  description: What became of every location.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: list
  elements: dict
  contains:
    name:
      description: Name of the location.
      type: str
      sample: primary
    type:
      description: Kind of store.
      type: str
      sample: s3
    status:
      description: V(good), V(failed), or V(planned) in check mode.
      type: str
      sample: good
    proof:
      description:
        - What the store proved by that it holds the bytes that were sent, for example V(sha256), V(md5), V(crc32) or
          V(size).
        - The weakest of the set's objects counts. Null in check mode and where the location failed.
      type: str
      sample: crc32
    error:
      description: What went wrong there, null where nothing did.
      type: str
      sample: "upload: location 'primary': the bucket is gone"
artifacts:
  description: The files of the set.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: list
  elements: dict
  contains:
    name:
      description: Name of the file.
      type: str
      sample: backup_20261122_0000.dump.age
    role:
      description: V(dump), V(globals), V(export) or V(attachment).
      type: str
      sample: dump
    size:
      description: Bytes.
      type: int
      sample: 286748977
    sha256:
      description: SHA-256 of the file, in hexadecimal digits.
      type: str
      sample: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
manifest_sha256:
  description: SHA-256 of the manifest, in hexadecimal digits.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: str
  sample: d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35
signed:
  description: Whether the manifest is signed.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: bool
  sample: true
database:
  description: What was backed up.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: dict
  sample: {"name": "shop", "system_identifier": "7318446153489713245", "server_version": "17.10", "size": 1468006400}
missing_tables:
  description: Tables that O(tables) or O(exports) name and that are not in the database.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: list
  elements: str
  sample: [crm.recipients]
left_out:
  description: Tables whose rows were left out on purpose, as O(exclude_table_data) says.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: list
  elements: str
  sample: [public.demo_campaigns]
tables:
  description: Number of tables in the set.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: int
  sample: 42
rows:
  description: Number of rows in all tables.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: int
  sample: 6405200
size:
  description: Bytes of all artifacts together.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: int
  sample: 286761234
duration:
  description: Seconds that the whole run took.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: float
  sample: 6.2
previous:
  description: Id of the set that came before, null where there is none.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: str
  sample: weekly_20261115_000000
behind:
  description: Locations that lack the set that came before, for M(mobul.backup.backup_replicate) to make up for.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: list
  elements: str
  sample: [gdrive]
findings:
  description:
    - What else was looked at. C(backup_lock) is a warning where somebody who could make no backup of the database holds
      the lock that keeps two of them apart, C(missing_tables) where tables that are named are not there.
  returned: when a set was made, also when the run failed because too few of its copies are good; in check mode
  type: list
  elements: dict
  sample:
    - {check: backup_lock, subject: "", status: passed, message: no session blocks backups}
    - {check: missing_tables, subject: "", status: passed, message: every table that is named is there}
summary:
  description: What was done, for a person.
  returned: success, and when the run failed because too few copies are good
  type: list
  elements: str
  sample: ["shop: weekly_20261122_000000, 2 of 2 copies good, 6.2 s"]
reaped:
  description: What earlier runs had left unfinished and this one removed.
  returned: when a set was made, also when the run failed because too few of its copies are good
  type: list
  elements: str
  sample: ["primary: shop/2026/11/20/weekly_20261120_000000"]
warnings:
  description: What is not wrong but should be known.
  returned: when there are any
  type: list
  elements: str
  sample: ["one recipient only: if its key is lost, so are the backups"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import ADOPT, CONNECTION, LOCATIONS, PROFILE
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.run import run_pg_backup
from ansible_collections.mobul.backup.plugins.module_utils._core.backupset.naming import KINDS

TABLE = {
    "name": {"type": "str", "required": True},
    "priority": {"type": "int", "choices": [1, 2, 3]},
    "personal_data": {"type": "bool", "default": False},
    "fingerprint": {"type": "bool", "default": False},
}
ATTACHMENT = {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}}
EXPORT = {
    "name": {"type": "str"},
    "table": {"type": "str"},
    "query": {"type": "str"},
    "columns": {"type": "list", "elements": "str"},
    "where": {"type": "str"},
    "format": {"type": "str", "choices": ["csv", "json"], "default": "csv"},
    "compress": {"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
}


def main() -> None:
    run_module(
        {
            **CONNECTION,
            **LOCATIONS,
            **ADOPT,
            **PROFILE,
            "label": {"type": "str", "required": True},
            "kind": {"type": "str", "default": "manual", "choices": list(KINDS)},
            "environment": {"type": "str"},
            "labels": {"type": "dict", "default": {}},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "gnupghome": {"type": "path"},
            "allow_unencrypted": {"type": "bool", "default": False},
            "signing_key": {"type": "str", "no_log": True},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "jobs": {"type": "int", "default": 1},
            "compress": {"type": "str", "default": "auto"},
            "tables": {"type": "list", "elements": "dict", "default": [], "options": TABLE},
            "exports": {"type": "list", "elements": "dict", "default": [], "options": EXPORT},
            "attachments": {"type": "list", "elements": "dict", "default": [], "options": ATTACHMENT},
            "fingerprint": {"type": "str", "choices": ["none", "marked", "all"], "default": "marked"},
            "missing_tables": {
                "type": "str",
                "default": "fail_critical",
                "choices": ["fail_critical", "warn", "fail"],
            },
            "exclude_table_data": {"type": "list", "elements": "str", "default": []},
            "min_copies": {"type": "int"},
            "lock_timeout": {"type": "int", "default": 60},
            "if_running": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        },
        run_pg_backup,
    )


if __name__ == "__main__":
    main()
