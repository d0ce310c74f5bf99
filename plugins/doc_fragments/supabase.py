# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group SUPABASE."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - Python >= 3.11 on the host that runs the module
options:
  project_ref:
    description:
      - The project's reference, 20 lower-case letters, as in the address of its dashboard.
    type: str
    required: true
  access_token:
    description:
      - A token of the account page of Supabase. Without it the one in O(access_token_file) is taken, or that in the
        environment variable E(SUPABASE_ACCESS_TOKEN) of the host that runs the module.
      - A scoped token needs the permissions to read the project and its backups, and where something is restored or a
        restore point is made, to write backups.
    type: str
  access_token_file:
    description:
      - File on the host that runs the module which has the token and nothing else.
    type: path
  api_url:
    description:
      - Address of the management API, V(https://api.supabase.com) by default. Without TLS it is taken on loopback only.
      - The token is sent there and nowhere else, as a redirect is never followed.
    type: str
  ca_cert:
    description:
      - File of the certificate authorities to trust, instead of the system's.
    type: path
  timeout:
    description:
      - Seconds that the API may be silent.
    type: int
    default: 30
notes:
  - Where several tasks need the project and its token, C(module_defaults) of C(group/mobul.backup.supabase) say it
    once.
  - An account may ask 120 times a minute. What is beyond that is refused, and asked again once that minute is over.
  - A request that does something is never sent a second time, unless the first certainly did not arrive or was refused
    for that limit.
"""
