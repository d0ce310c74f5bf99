#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_table
short_description: Restore one table from a backup set or a file
version_added: 0.1.0
description:
  - Restores the rows of one table from a set that M(mobul.backup.pg_backup) made, or from a file.
  - Brings back a table that is gone, with all that belonged to it or depended on it and went with it.
  - A set of a database of another name, or on another server, is refused unless O(adopt) names it. The server does not
    matter for a table that is gone.
  - An export (a set of kind V(export)) is taken by its id. Where it has a part of the rows or columns, or the
    result of a query, it takes O(strategy=merge).
  - Of a set only the table of contents and the table's own block are read, by ranges, where the encryption allows
    that.
  - Everything happens in one transaction of one session. Whatever ends it leaves the table as it was, and nothing
    beside it.
  - The rows stream from the location into the server. Nothing of them touches the disk of the host that runs the
    module.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - C(pg_restore) and C(pg_dump) of the server's major version or newer
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
    description:
      - Proves the source and checks the table. With O(strategy=swap) the result has the plan.
      - Of a table that is gone the plan has every object that would be made.
      - With O(strategy=merge) and O(strategy=replace) the rows are loaded into a temporary table, and the result
        says how many would be inserted, updated and deleted.
  diff_mode:
    support: partial
    description: With O(strategy=merge), shows up to 20 of the rows that change.
options:
  login_user:
    description:
      - Role to connect as. It must be a superuser, or the owner of the table and of what belongs to it or depends on
        it, or a member of these. C(docs/rights.md) has the SQL of such a role.
  table:
    description:
      - Name of the table to restore, with its schema where it is not in V(public).
      - A part of the name that holds dots or quotes is quoted as in SQL.
    type: str
    required: true
  source_table:
    description:
      - Name of the table in the backup, where it is another than O(table).
      - Of an export also the name of one of its exports, for example of a query.
    type: str
  src:
    description:
      - File to take the rows from, instead of a set.
      - CSV with a header line, a JSON array of objects, a dump of C(pg_dump -Fc) or a script of C(pg_dump -Fp). The
        format is recognised by the contents.
      - It may be compressed (gzip, xz, zstd) and encrypted (age, gpg, C(openssl enc), or an envelope of AES-256-GCM).
  strategy:
    description:
      - V(swap) loads a new table beside the old one, compares it with the manifest, and lets it take the old one's
        place in one short moment. Everything that belongs to the table or depends on it is carried over. What cannot
        be is refused by name before anything is touched. The old table is kept until O(state=finalized).
      - V(swap) also brings back a table that is gone. Its definition and whatever C(DROP TABLE ... CASCADE) took with
        it are made as the set has them, keys, foreign keys from and to other tables, views and what stands on them,
        policies, grants, sequences, publications and partitions among it. So are defaults and checks that other
        tables have lost. What is there meanwhile in another form is named before anything is touched.
      - V(merge) inserts the rows that are missing and updates those that differ, by the primary key.
      - V(replace) exchanges all rows of the table. It is refused where rows elsewhere would lose what they refer to.
      - A partitioned table, and one that others inherit from, take V(merge) and V(replace) only.
    type: str
    default: swap
    choices: [swap, merge, replace]
  state:
    description:
      - V(restored) restores.
      - V(finalized) drops the tables that were kept by earlier swaps of O(table). A table that was gone has none. It
        is one like any other from then on.
      - V(reverted) brings the rows back that the last swap has replaced, and keeps the restored ones until
        V(finalized).
      - A table that was gone is gone again after V(reverted), as long as it has the rows that were brought back and
        nothing new depends on it. Otherwise that is refused.
  missing_only:
    description: With O(strategy=merge), only inserts the rows that are missing.
    type: bool
    default: false
  delete_extra:
    description: With O(strategy=merge), also deletes the rows that the backup has not.
    type: bool
    default: false
  column_map:
    description:
      - Columns of the backup that are called otherwise in the table, as name in the backup to name in the table.
      - An empty name leaves the column out.
      - Columns are matched by name. One that only the table has gets its default. One that only the backup has is
        left out. Where there are both, it may be a renaming, and has to be said here.
    type: dict
    default: {}
  max_row_size:
    description:
      - How large in MiB a row of a JSON file may be, each of which is held in memory.
      - Rows of other files and of sets are not held, and have no limit here.
    type: int
    default: 16
  mask_columns:
    description:
      - Columns whose values are not shown in a diff.
      - Of a table that the set marks as personal data, no column but the primary key is shown.
    type: list
    elements: str
    default: []
  expected_differences:
    description:
      - Objects that stay as they are, or away, when a table that is gone is brought back.
      - Names as messages and the plan have them, with the kind in capitals, C(VIEW public.report), where C(*) stands
        for anything.
    type: list
    elements: str
    default: []
  entry_search_path:
    description:
      - Schemas in which single objects find what they use when a table that is gone is brought back. A list for each
        object, by its name as in O(expected_differences), for example V(TABLE public.people).
      - For what works because a role or a database sets a C(search_path), and fails in a restore because a dump has
        none, such as a generated column whose function calls another one without its schema.
    type: dict
    default: {}
  outbound:
    description:
      - What becomes of calls to other servers, programs or files that the table would make while rows are put into it.
      - V(paused) mutes the functions that make them, within the restore's transaction, which no other session sees.
        Where a column, an index or a materialized view on the table would store what a call returns, the restore is
        refused before anything is touched.
      - V(active) lets them call.
    type: str
    choices: [paused, active]
    default: paused
  lock_timeout:
    description:
      - How long to wait for what somebody has locked, in seconds.
      - For the exchange the table is waited for in turns of five seconds, because everybody else waits behind.
notes:
  - With O(strategy=swap) the table can be read and written while the new one is loaded. What is written to it
    meanwhile is in the kept table only.
  - Foreign keys are checked again in the exchange, with the tables on both sides locked. That takes as long as
    adding them.
  - O(state=reverted) loads the kept rows into a table built anew, and so takes as long as a restore.
  - With O(strategy=merge) and O(strategy=replace), the triggers and rules of the table do not fire.
  - With O(strategy=replace), other transactions that began before may see an empty table, as after C(TRUNCATE).
  - Sequences that belong to the table go on behind the largest number, and never back.
  - What makes a table that is gone comes from the set. Without O(verify_key) nothing proves who wrote it.
  - Tables that were dropped together come back one by one. What ties two of them comes with the last.
seealso:
  - module: mobul.backup.pg_backup
  - module: mobul.backup.restore_database
"""

EXAMPLES = r"""
- name: Restore a table from the newest backup
  mobul.backup.restore_table:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    login_db: shop
    ssl_mode: verify-full
    table: recipients
    label: shop
    expect_environment: production
    locations: "{{ backup_locations }}"
    identities:
      - /root/keys/ops.agekey
    verify_key:
      - /etc/mobul/signing.pub

- name: Drop what was replaced
  mobul.backup.restore_table:
    login_db: shop
    login_unix_socket: /run/postgresql
    table: recipients
    state: finalized

- name: Bring deleted rows back and touch nothing else
  mobul.backup.restore_table:
    login_db: shop
    login_unix_socket: /run/postgresql
    table: recipients
    label: shop
    backup: weekly_20261122_000000
    strategy: merge
    missing_only: true
    locations: "{{ backup_locations }}"
    identities:
      - /root/keys/ops.agekey

- name: Restore from the JSON envelope of an export script
  mobul.backup.restore_table:
    login_db: shop
    login_unix_socket: /run/postgresql
    table: sms_opt_ins
    src: /mnt/old/sms_opt_ins_2024-06-02.enc
    strategy: merge
    identities:
      - "{{ vault_encryption_key }}"
"""

RETURN = r"""
id:
  description: Id of the set that the rows are from, or the name of the file.
  returned: with O(state=restored)
  type: str
  sample: weekly_20261122_000000
table:
  description: Name of the table.
  returned: success
  type: str
  sample: public.recipients
state:
  description: What was asked for.
  returned: success
  type: str
  sample: restored
silenced:
  description: What of the table would call out and does not while it is restored, in check mode, too.
  returned: with O(state=restored)
  type: list
  elements: str
  sample: [constraint known_number]
strategy:
  description: How it was restored.
  returned: with O(state=restored)
  type: str
  sample: swap
rows:
  description: Number of rows in the backup. Null in check mode where it is not known.
  returned: with O(state=restored)
  type: int
  sample: 400000
inserted:
  description: Number of rows that were inserted.
  returned: with O(strategy=merge) and O(strategy=replace)
  type: int
  sample: 12
updated:
  description: Number of rows that were updated.
  returned: with O(strategy=merge) and O(strategy=replace)
  type: int
  sample: 3
deleted:
  description: Number of rows that were deleted.
  returned: with O(strategy=merge) and O(strategy=replace)
  type: int
  sample: 0
snapshot_time:
  description: The moment that the rows of the backup show, in UTC. Null for a file, which does not tell.
  returned: with O(state=restored)
  type: str
  sample: '2026-11-22T00:00:03Z'
differences:
  description: How the rows of the table differ from those of the backup before the restore.
  returned: in check mode with O(strategy=swap) and O(strategy=replace), where the role may make temporary tables
  type: dict
  contains:
    inserted:
      description: Number of rows that the table lacks.
      type: int
    updated:
      description: Number of rows that have other values, by the primary key.
      type: int
    deleted:
      description: Number of rows that the backup has not.
      type: int
  sample: {inserted: 12, updated: 3, deleted: 0}
old_table:
  description: Name of the table that is kept.
  returned: when tables were exchanged
  type: str
  sample: public.recipients_old_20261124213455
plan:
  description: What is dropped and made again around the table. Of a table that was gone, all that is made.
  returned: with O(strategy=swap), and with O(state=reverted) of a table that was gone
  type: list
  elements: str
  sample: ["view public.active_recipients"]
dropped:
  description: Names of the kept tables that were dropped.
  returned: with O(state=finalized) and O(state=reverted)
  type: list
  elements: str
  sample: [public.recipients_old_20261124213455]
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample:
    - 'public.recipients was restored from weekly_20261122_000000, as of 2026-11-22 00:00:03 UTC: 400000 rows'
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
from ansible_collections.mobul.backup.plugins.module_utils._core.restore.table.run import run_restore_table


def main() -> None:
    run_module(
        {
            **CONNECTION,
            **RESTORE,
            **ADOPT,
            **PROFILE,
            **DECRYPTION,
            "table": {"type": "str", "required": True},
            "source_table": {"type": "str"},
            "strategy": {"type": "str", "default": "swap", "choices": ["swap", "merge", "replace"]},
            "missing_only": {"type": "bool", "default": False},
            "delete_extra": {"type": "bool", "default": False},
            "outbound": {"type": "str", "default": "paused", "choices": ["paused", "active"]},
            "column_map": {"type": "dict", "default": {}},
            "mask_columns": {"type": "list", "elements": "str", "default": []},
            "max_row_size": {"type": "int", "default": 16},
            "expected_differences": {"type": "list", "elements": "str", "default": []},
            "entry_search_path": {"type": "dict", "default": {}},
        },
        run_restore_table,
    )


if __name__ == "__main__":
    main()
