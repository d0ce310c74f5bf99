# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group RECORD_SIGNING."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  record_signing_key:
    description:
      - Private Ed25519 key, or the path of a file with it, that signs what this module writes beside a set.
      - C(openssl genpkey -algorithm ed25519 -out records.pem) makes one, and C(openssl pkey -in records.pem -pubout)
        prints its public key, which who reads records is given as C(record_verify_key).
      - It is another key than the one that signs sets, so that who runs drills and releases sets can forge none.
      - Without it the record is not signed, and counts only in the location where it lies.
    type: str
  record_signing_key_passphrase:
    description: Passphrase of O(record_signing_key), where it has one.
    type: str
"""
