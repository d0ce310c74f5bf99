#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: table_export
short_description: Export a table or a query of a PostgreSQL database into a CSV or JSON file
version_added: 0.1.0
description:
  - Writes the rows of one table, or of one query, into a file on the host that runs the module, compressed and
    encrypted on their way. Nothing of them touches the disk in another form.
  - The rows are read in one transaction that cannot write. All times are UTC.
  - A partitioned table is exported with its partitions, any other table without those that inherit from it.
  - The file is replaced only when the export is complete. It has mode V(0600).
  - An export that row level security would make partial fails instead.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - cryptography >= 41, for O(recipients)
  - gpg >= 2.2, for O(recipients) of OpenPGP
  - zstandard >= 0.22, for O(compress=zstd)
extends_documentation_fragment:
  - mobul.backup.connection
attributes:
  check_mode:
    support: full
    description:
      - Checks everything and writes nothing.
      - Where an unencrypted file is there already, the rows are read to tell whether it would change.
  diff_mode:
    support: none
    description: What is exported may be personal data, so that none of it is shown.
options:
  table:
    description:
      - Table, view or materialized view to export, with its schema where it is not in V(public).
      - A view or a foreign table only where the role itself or a superuser owns it, since its functions run with the
        role's rights. So is a table whose indexes or statistics have functions of another owner.
      - A part of the name that holds dots or quotes is quoted as in SQL.
      - Exactly one of O(table) and O(query) is required.
    type: str
  query:
    description:
      - A single C(SELECT), without a semicolon.
      - Tables, functions and types that are not PostgreSQL's own are written with their schema, for example
        V(public.orders), because the search path is empty.
      - It is run as it stands. Do not build it from texts that others supply.
    type: str
  columns:
    description: Columns of O(table) to export, in this order. By default all of them.
    type: list
    elements: str
  where:
    description:
      - SQL condition on the rows of O(table). What O(query) says of names and of texts that others supply applies.
    type: str
  format:
    description:
      - V(csv) is CSV with a header line. NULL is empty and an empty text is C("").
      - V(json) is one array of objects, one a line.
      - By default as the name of O(dest) says, V(csv) where it says nothing.
    type: str
    choices: [csv, json]
  dest:
    description:
      - Path of the file. Its directory must exist.
      - The name is taken as it is, no suffix is added. What it ends in says what the file is. C(.csv) or C(.json), then
        C(.gz) or C(.zst), then C(.age) or C(.gpg).
      - A name that says something else than O(format), O(compress) or O(recipients) is refused.
    type: path
    required: true
  compress:
    description: Compression of the file. By default as the name of O(dest) says, V(none) where it says nothing.
    type: str
    choices: [none, gzip, zstd]
  recipients:
    description:
      - Public keys that can decrypt the file. Either age recipients (C(age1...)) or fingerprints of OpenPGP keys.
      - Without any, the file is not encrypted.
    type: list
    elements: str
    default: []
  gnupghome:
    description: Home directory of GnuPG with the public keys, where O(recipients) are OpenPGP keys.
    type: path
  personal_data:
    description: Whether the rows are personal data, which is never written without O(recipients).
    type: bool
    default: false
  lock_timeout:
    description: How long to wait for a table that somebody has locked, in seconds.
    type: int
    default: 60
notes:
  - An encrypted file is always reported as changed, because no two encryptions of the same rows are alike. Any other is
    left alone, and reported as not changed, when it would be the same again.
  - O(pg_bin_dir) has no effect, as no program is started.
seealso:
  - module: mobul.backup.pg_backup
    description: Takes exports in the same snapshot as the dump.
"""

EXAMPLES = r"""
- name: Export a table with personal data
  mobul.backup.table_export:
    login_db: shop
    login_unix_socket: /run/postgresql
    table: sms_opt_ins
    personal_data: true
    dest: /srv/exports/sms_opt_ins.csv.zst.age
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      - age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg

- name: Export the last 90 days of the audit log as JSON
  mobul.backup.table_export:
    login_host: db.example.com
    login_user: backup
    login_password: "{{ vault_backup_password }}"
    login_db: shop
    ssl_mode: verify-full
    table: audit.security_log
    where: created_at > now() - interval '90 days'
    dest: /srv/exports/security_log.json.age
    recipients: "{{ backup_recipients }}"

- name: Export what a query finds
  mobul.backup.table_export:
    login_db: shop
    login_unix_socket: /run/postgresql
    query: >-
      SELECT c.id, c.name, count(*) AS orders
      FROM public.clients AS c JOIN public.orders AS o ON o.client_id = c.id
      GROUP BY c.id ORDER BY c.id
    dest: /srv/exports/orders_by_client.csv.gz
"""

RETURN = r"""
dest:
  description: Path of the file.
  returned: success
  type: str
  sample: /srv/exports/sms_opt_ins.csv.zst.age
source:
  description: What was exported.
  returned: success
  type: str
  sample: public.sms_opt_ins
rows:
  description: Number of rows.
  returned: when the rows were read
  type: int
  sample: 400000
size:
  description: Bytes of the file.
  returned: when the rows were read
  type: int
  sample: 8388608
sha256:
  description: SHA-256 of the file, in hexadecimal digits.
  returned: when the rows were read
  type: str
  sample: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
format:
  description: Format of the rows.
  returned: success
  type: str
  sample: csv
compress:
  description: Compression of the file.
  returned: success
  type: str
  sample: zstd
encryption:
  description: How the file is encrypted, V(age), V(gpg) or V(none).
  returned: success
  type: str
  sample: age
recipients:
  description: Who can decrypt the file.
  returned: success
  type: list
  elements: str
  sample: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CONNECTION
from ansible_collections.mobul.backup.plugins.module_utils._core.backup.table_export import run_table_export


def main() -> None:
    run_module(
        {
            **CONNECTION,
            "table": {"type": "str"},
            "query": {"type": "str"},
            "columns": {"type": "list", "elements": "str"},
            "where": {"type": "str"},
            "format": {"type": "str", "choices": ["csv", "json"]},
            "dest": {"type": "path", "required": True},
            "compress": {"type": "str", "choices": ["none", "gzip", "zstd"]},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "gnupghome": {"type": "path"},
            "personal_data": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 60},
        },
        run_table_export,
        mutually_exclusive=[("table", "query"), ("query", "columns"), ("query", "where")],
        required_one_of=[("table", "query")],
    )


if __name__ == "__main__":
    main()
