# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
notes:
  - Where several tasks need the connection, C(module_defaults) of C(group/mobul.backup.database) say it once.
requirements:
  - Python >= 3.11 on the host that runs the module
  - psycopg2 >= 2.9
options:
  login_host:
    description:
      - Host of the database server.
      - Empty means the Unix socket.
    type: str
    default: ""
  login_port:
    description:
      - Port of the database server.
      - A transaction pooler cannot be dumped through; on Supabase use V(5432), never V(6543).
    type: int
    default: 5432
  login_user:
    description: Role to connect as. It must be able to read everything in the database.
    type: str
    default: postgres
  login_password:
    description:
      - Password of O(login_user).
      - Programs that are started get it through a private password file, never on their command line.
    type: str
    default: ""
  login_db:
    description: Name of the database.
    type: str
    required: true
  login_unix_socket:
    description: Directory of the server's Unix socket, for local connections.
    type: str
    default: ""
  ssl_mode:
    description: How TLS is negotiated, as libpq's C(sslmode). V(verify-full) is the right choice over a network.
    type: str
    default: prefer
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
  ca_cert:
    description: File of the certificate authority that the server's certificate is checked against.
    type: path
  ssl_cert:
    description: File of the client's certificate.
    type: path
  ssl_key:
    description: File of the client's private key.
    type: path
  connect_params:
    description: Further connection parameters of libpq.
    type: dict
    default: {}
  pg_bin_dir:
    description:
      - Directory of the PostgreSQL programs to use.
      - By default a fitting version is looked for on E(PATH) and in the folders that the distributions use.
    type: path
"""
