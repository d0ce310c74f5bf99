# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # What an earlier fragment says of an option holds: this one is named before mobul.backup.locations.
    # Each module describes its own states.
    DOCUMENTATION = r"""
options:
  locations:
    description:
      - The places where the sets are kept. The names must differ.
      - The first one that has a good copy is used.
    required: false
  label:
    description: Name of the database in the catalogue. Either this or O(src) is required with O(state=restored).
    type: str
  backup:
    description:
      - Id of the set, or V(latest), the newest one in any of the locations.
      - The newest one is never the safety backup of a restore, nor an export, nor a set from the future, which a wrong
        clock has made; these are taken by their ids.
    type: str
    default: latest
  before:
    description:
      - With O(backup=latest), the newest set whose snapshot is older than this time, such as V(2026-11-23) or
        V(2026-11-23T06:00:00Z). Without a zone it is UTC.
    type: str
  location:
    description: Name of the only location to take the set from.
    type: str
  src:
    description:
      - File to restore from, instead of a set. A dump of C(pg_dump -Fc), or a script of C(pg_dump -Fp).
      - It may be compressed (gzip, xz, zstd) and encrypted (age, gpg, C(openssl enc), or an envelope of AES-256-GCM).
    type: path
  state:
    type: str
    default: restored
    choices: [restored, finalized, reverted]
  expect_environment:
    description:
      - Environment that you take the database for. A set of another environment is refused.
      - Required with O(state=restored). A set that was made without an environment leads to a warning.
    type: str
  verify_key:
    description:
      - Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed is refused.
    type: list
    elements: str
    default: []
  lock_timeout:
    description: How long to wait for what somebody has locked, in seconds.
    type: int
    default: 60
"""
