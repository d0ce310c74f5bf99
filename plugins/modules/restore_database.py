#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_database
short_description: Restore a whole PostgreSQL database from a backup set or a file
version_added: 0.1.0
description:
  - Restores one database from a set that M(mobul.backup.pg_backup) made, or from a file of an older procedure.
  - Nothing is changed before the source is proven good and the target is the one that was expected.
  - A database that is there is replaced only by a set of the server that it is on, unless O(adopt) names another one. A
    database that is not there yet, or has nothing in it, is made of any set.
  - With O(strategy=side_by_side) the backup is restored into a new database, compared with the set's manifest, and only
    then exchanged with the old one in one short transaction. The old database is kept until O(state=finalized) or
    brought back by O(state=reverted).
  - With O(strategy=in_place) the database itself is restored in one transaction, which is committed only when the
    numbers of rows and the fingerprints are those of the manifest.
  - The data streams from the location into the server. Nothing of it touches the disk of the host that runs the module.
  - Roles that are missing are made from the set. Roles that exist are left as they are, their passwords above all.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - C(pg_restore), C(pg_dump) and C(psql) of the server's major version or newer
extends_documentation_fragment:
  - mobul.backup.connection
  - mobul.backup.restore
  - mobul.backup.adopt
  - mobul.backup.locations
  - mobul.backup.decryption
  - mobul.backup.profile
attributes:
  check_mode:
    support: full
    description: Proves the source, checks the target, and changes nothing.
  diff_mode:
    support: full
    description: Shows what is restored.
options:
  login_db:
    description:
      - Name of the database to restore.
      - The backup must be of a database of this name, unless O(expect_database) says otherwise.
  login_user:
    description:
      - Role to connect as.
      - For O(strategy=side_by_side) it must be a superuser, or own the database, be allowed to create databases and be
        a member of every role that owns something in the backup. For O(strategy=in_place) it need not be allowed to
        create databases.
      - What it lacks is named before anything is touched. C(docs/rights.md) has the SQL of such roles, and says what
        only superusers restore.
  backup:
    description:
      - Id of the set, or V(latest).
      - V(latest) is refused where the newest set is the safety backup of an earlier restore.
  state:
    description:
      - V(restored) restores.
      - V(finalized) drops the databases that earlier restores side by side have replaced.
      - V(reverted) brings the database back that the last restore side by side has replaced, and keeps the restored one
        beside it until V(finalized).
      - V(resumed) starts again what a restore with O(outbound=paused) has paused in the database.
    choices: [restored, finalized, reverted, resumed]
  outbound:
    description:
      - What becomes of that in the restored database which would mail, call or replicate by itself.
      - V(paused) switches off its jobs of pg_cron, pgAgent and pg_timetable, its subscriptions, and the triggers, event
        triggers and rules that call out, before anybody can use it. They are listed in RV(paused), remembered in the
        comment of the database, and started again by O(state=resumed).
      - While rows are loaded functions that call out are muted, and foreign tables are not asked. Materialized views
        that only a call can fill stay empty until O(state=resumed). Where a column or an index would store what a call
        returns, the restore is refused before anything is touched, but for what O(expected_differences) names.
      - With V(paused) a file of O(src) is refused that would call out while it is loaded, and so is a script of SQL
        whose statements do that by themselves. A script whose functions do ends when they are called.
      - V(active) leaves everything as it is in the backup.
    type: str
    choices: [paused, active]
    default: paused
  strategy:
    description:
      - How to restore.
      - By default V(side_by_side) where the role may create databases and owns this one, and V(in_place) otherwise.
    type: str
    choices: [side_by_side, in_place]
  jobs:
    description: Number of tables and indexes that are restored at the same time, with O(strategy=side_by_side).
    type: int
    default: 1
  environment:
    description: Environment that the inventory says the database belongs to. It must be O(expect_environment).
    type: str
  expect_database:
    description: Name of the database that was backed up, where it is another than O(login_db).
    type: str
  entry_search_path:
    description:
      - Schemas in which single objects find what they use, a list of them for the name of each object, which is written
        as in O(expected_differences).
      - For what works at the source because a role or a database sets a C(search_path) there, and fails in a restore
        because a dump has none, such as a generated column whose function calls another one without its schema.
      - Of a set, with O(strategy=side_by_side).
    type: dict
    default: {}
  expected_differences:
    description:
      - Objects that may fail to be restored or be different afterwards, named as the error names them, with V(*) for
        anything, for example V(EXTENSION pg_graphql). For what the server lacks, and for what C(pg_dump) cannot write
        in a way that can be made again.
      - A table that is named may be without its rows. What was overlooked is a warning.
      - With O(strategy=in_place) they are left out, with all that depends on them.
    type: list
    elements: str
    default: []
  verify_key:
    description:
      - Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed is refused.
      - Without any, whoever can write to a location can make a set that runs commands as the role of the restore.
  safety_backup:
    description:
      - Makes a backup of the database, of kind V(pre_restore), before anything is changed. If it fails, so does the
        restore.
      - The role P(mobul.backup.restore#role) makes one by itself.
    type: dict
    suboptions:
      label:
        description:
          - Name of the database in the catalogue. By default O(label).
          - Needed where what is replaced is another database than the one that the sets of O(label) are of.
        type: str
      locations:
        description: Names of those O(locations) that get it. By default all.
        type: list
        elements: str
      recipients:
        description: As of M(mobul.backup.pg_backup).
        type: list
        elements: str
      gnupghome:
        description: As of M(mobul.backup.pg_backup).
        type: path
      allow_unencrypted:
        description: As of M(mobul.backup.pg_backup).
        type: bool
      signing_key:
        description: As of M(mobul.backup.pg_backup).
        type: str
      labels:
        description: As of M(mobul.backup.pg_backup).
        type: dict
      jobs:
        description: As of M(mobul.backup.pg_backup).
        type: int
      compress:
        description: As of M(mobul.backup.pg_backup).
        type: str
      min_copies:
        description: As of M(mobul.backup.pg_backup).
        type: int
  maintenance_db:
    description: Another database of the server, to connect to while this one is exchanged.
    type: str
    default: postgres
  end_connections:
    description:
      - Whether sessions in the database are ended for the exchange.
      - Otherwise the restore fails, and changes nothing, while there are any.
    type: bool
    default: true
seealso:
  - module: mobul.backup.pg_backup
  - module: mobul.backup.maintenance_mode
"""

EXAMPLES = r"""
- name: Restore the newest backup beside the database, and take its place
  mobul.backup.restore_database:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    login_db: shop
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/db-ca.pem
    label: shop
    expect_environment: production
    environment: "{{ backup_environment }}"
    locations: "{{ backup_locations }}"
    identities:
      - /root/keys/ops.agekey
    verify_key:
      - /etc/mobul/signing.pub
    jobs: 2
    safety_backup:
      recipients: "{{ backup_recipients }}"
      signing_key: /etc/mobul/signing.pem

- name: Bring the replaced database back
  mobul.backup.restore_database:
    login_db: shop
    login_unix_socket: /run/postgresql
    state: reverted

- name: Let the restored database mail, call and replicate again
  mobul.backup.restore_database:
    login_db: shop
    login_unix_socket: /run/postgresql
    state: resumed

- name: Drop what was replaced
  mobul.backup.restore_database:
    login_db: shop
    login_unix_socket: /run/postgresql
    state: finalized

- name: Restore what an older procedure left
  mobul.backup.restore_database:
    login_db: shop
    login_unix_socket: /run/postgresql
    src: /mnt/old/shop_2024-06-02.sql.gz.enc
    passphrase: "{{ vault_old_backup_password }}"
    expect_environment: production
"""

RETURN = r"""
id:
  description: Id of the set that was restored, or the name of the file.
  returned: with O(state=restored)
  type: str
  sample: weekly_20261122_000000
label:
  description: Label that the set belongs to.
  returned: with O(state=restored)
  type: str
  sample: shop
location:
  description: Name of the location that it was read from.
  returned: with O(state=restored)
  type: str
  sample: primary
signature:
  description: V(good), or V(unsigned) or V(unverified) where nothing proves who made the set.
  returned: with O(state=restored)
  type: str
  sample: good
database:
  description: Name of the database.
  returned: success
  type: str
  sample: shop
state:
  description: What was asked for.
  returned: success
  type: str
  sample: restored
strategy:
  description: How it was restored.
  returned: with O(state=restored)
  type: str
  sample: side_by_side
replaces:
  description: Whether there is a database of that name already.
  returned: with O(state=restored)
  type: bool
  sample: true
kept:
  description: Name of the database that is kept beside the one in use.
  returned: when anything was changed
  type: str
  sample: shop_old_20261124213455
dropped:
  description: Names of the databases that were dropped.
  returned: with O(state=finalized)
  type: list
  elements: str
  sample: [shop_old_20261124213455]
safety_backup:
  description: Id of the set that was made before the restore.
  returned: when the database was restored
  type: str
  sample: pre_restore_20261124_213455
roles_made:
  description: Roles that the server did not have.
  returned: with O(state=restored)
  type: list
  elements: str
  sample: [reporting]
tables:
  description: Number of tables whose rows were compared with the manifest.
  returned: when the database was restored
  type: int
  sample: 42
rows:
  description: Number of rows in them.
  returned: when the database was restored
  type: int
  sample: 6405200
fingerprints:
  description: Number of tables whose contents were compared with a fingerprint.
  returned: when the database was restored
  type: int
  sample: 3
extra_objects:
  description: Objects in the database that the backup does not have, with O(strategy=in_place).
  returned: when the database was restored
  type: list
  elements: str
  sample: ["TABLE public.later"]
reaped:
  description: Databases that restores which were cut off had left half made, and that were dropped.
  returned: when the database was restored
  type: list
  elements: str
  sample: [shop_new_20261124200000]
paused:
  description:
    - What would mail, call or replicate, and does not before O(state=resumed).
    - In check mode what would be paused, as far as the table of contents of the backup tells.
  returned: when the database was restored, or in check mode would be
  type: list
  elements: dict
  sample: [{kind: trigger, name: notify on public.orders, why: "public.notify: net.http_post"}]
not_paused:
  description: What calls out and could not be paused, since it is another role's or cannot be switched off.
  returned: when the database was restored, or in check mode would be
  type: list
  elements: dict
  sample: []
resumed:
  description: What acts again, or in check mode would.
  returned: with O(state=resumed)
  type: list
  elements: dict
  sample: [{kind: job, name: "1 on cron.job", why: a scheduler runs nightly}]
duration:
  description: Seconds that the whole run took.
  returned: with O(state=restored)
  type: float
  sample: 14.8
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample: ["database 'shop': restored weekly_20261122_000000 in 14.8 s"]
warnings:
  description: What is not wrong but should be known.
  returned: when there are any
  type: list
  elements: str
  sample: ["the set is not signed: nothing proves who made it"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import (
    ADOPT,
    CONNECTION,
    DECRYPTION,
    PROFILE,
    RESTORE,
)
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.database.run import run_restore_database

SAFETY_BACKUP = {
    "label": {"type": "str"},
    "locations": {"type": "list", "elements": "str"},
    "recipients": {"type": "list", "elements": "str"},
    "gnupghome": {"type": "path"},
    "allow_unencrypted": {"type": "bool"},
    "signing_key": {"type": "str", "no_log": True},
    "labels": {"type": "dict"},
    "jobs": {"type": "int"},
    "compress": {"type": "str"},
    "min_copies": {"type": "int"},
}


def main() -> None:
    run_module(
        {
            **CONNECTION,
            **RESTORE,
            **ADOPT,
            **PROFILE,
            **DECRYPTION,
            "state": {**RESTORE["state"], "choices": [*RESTORE["state"]["choices"], "resumed"]},
            "strategy": {"type": "str", "choices": ["side_by_side", "in_place"]},
            "jobs": {"type": "int", "default": 1},
            "environment": {"type": "str"},
            "expect_database": {"type": "str"},
            "expected_differences": {"type": "list", "elements": "str", "default": []},
            "entry_search_path": {"type": "dict", "default": {}},
            "safety_backup": {"type": "dict", "options": SAFETY_BACKUP},
            "maintenance_db": {"type": "str", "default": "postgres"},
            "end_connections": {"type": "bool", "default": True},
            "outbound": {"type": "str", "default": "paused", "choices": ["paused", "active"]},
        },
        run_restore_database,
    )


if __name__ == "__main__":
    main()
