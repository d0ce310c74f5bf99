#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_rekey
short_description: Let further age recipients decrypt a backup set, without writing the set anew
version_added: 0.1.0
description:
  - Writes the file C(rekeyed_<time>.json) beside a set, in every location that has it. For each file of the set that is
    encrypted with age it holds a new header, which wraps the file's own key for O(recipients).
  - From then on everything of this collection that decrypts the set takes the secret key of one of O(recipients), too.
  - Nothing of the set is written anew or signed anew, so its manifest, checksums and signature stay what they are.
  - B(It revokes nobody.) Who could decrypt the set before still can, as the files' own headers stay. Only a set that is
    deleted everywhere is kept from whoever has stolen one of its secret keys.
  - The record needs no signature to be used. The header of a file fits only one key, and a header for any other is
    refused.
  - Where a record for the same recipients is there in any location, it is taken to the others, and no new one is made.
  - A location that fails does not keep the others from being done. The module then fails, and running it again
    finishes.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - gpg >= 2.2, for OpenPGP
notes:
  - Run it where the secret keys are, which is not the host that makes the backups.
  - Of a dump only the first bytes are read. The other files, which are small as a rule, are read as a whole.
extends_documentation_fragment:
  - mobul.backup.record_signing
  - mobul.backup.locations
attributes:
  check_mode:
    support: full
    description: Finds out what would be done in each location, whether the identities fit among it, and writes nothing.
  diff_mode:
    support: full
    description: Shows the record in each location before and after.
options:
  label:
    description: Label that the set belongs to.
    type: str
    required: true
  backup:
    description: Id of the set. V(latest) is the newest one of all locations.
    type: str
    required: true
  recipients:
    description:
      - Who shall be able to decrypt the set, each an age public key (C(age1...)) or the path of a file with such.
      - Where the set is encrypted to all of them already, nothing is changed.
    type: list
    elements: str
    required: true
  identities:
    description:
      - Secret keys of which one can decrypt the set now, each an age identity (C(AGE-SECRET-KEY-1...)) or the path of a
        file on the host that runs the module. One that the set was rekeyed to does, too.
    type: list
    elements: str
    required: true
  passphrase:
    description: Passphrase of a file of O(identities) that is protected by one.
    type: str
  verify_key:
    description:
      - Ed25519 public keys, as PEM text or paths of files. A set that none of them has signed is refused.
    type: list
    elements: str
    default: []
  record_signing_key:
    description:
      - Private Ed25519 key, or the path of a file with it, that signs the record. It is another key than the one that
        signs sets.
      - The record needs no signature to be used. One tells who made it, and where it is by one of the
        C(record_verify_key) of M(mobul.backup.backup_replicate), that takes the record along.
    type: str
"""

EXAMPLES = r"""
- name: Let the new operations key decrypt an old set
  mobul.backup.backup_rekey:
    locations: "{{ backup_locations }}"
    label: shop
    backup: weekly_20261122_000000
    recipients: "{{ backup_recipients }}"
    identities: [/root/keys/old-ops.agekey]
    verify_key: "{{ backup_verify_key }}"
    record_signing_key: /root/keys/records.pem
"""

RETURN = r"""
id:
  description: Id of the set.
  returned: success, and when some locations failed
  type: str
  sample: weekly_20261122_000000
record:
  description: Name of the record beside the set. Null where the set is encrypted to all of the recipients itself.
  returned: success, and when some locations failed
  type: str
  sample: rekeyed_20270105_101500.json
recipients:
  description: Who can decrypt the set by the record.
  returned: success, and when some locations failed
  type: list
  elements: str
  sample: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]
signed_by:
  description: Id of the key that signed the record, null where none did.
  returned: success, and when some locations failed
  type: str
  sample: 1d2c3b4a59687786
copies:
  description: What became of the set in each location; in check mode, what would become of it.
  returned: success, and when some locations failed
  type: list
  elements: dict
  contains:
    location:
      description: Name of the location.
      type: str
      sample: primary
    state:
      description:
        - V(rekeyed) where the recipients can decrypt it.
        - V(missing) where the location does not have the set, V(unfinished) where it has only one without a manifest.
        - V(failed) where it could not be rekeyed.
      type: str
      sample: rekeyed
    error:
      description: Why it failed, null where it did not.
      type: str
      sample: null
summary:
  description: What was done, for a person.
  returned: success, and when some locations failed
  type: list
  elements: str
  sample:
    - "shop: weekly_20261122_000000 can be decrypted by age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    - "primary: rekeyed by rekeyed_20270105_101500.json"
warnings:
  description: What is not wrong but should be known.
  returned: when there are any
  type: list
  elements: str
  sample: ["the set is unsigned: nothing proves who made it"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATIONS, RECORD_SIGNING
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.rekey import run_backup_rekey


def main() -> None:
    run_module(
        {
            **LOCATIONS,
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "required": True},
            "recipients": {"type": "list", "elements": "str", "required": True},
            "identities": {"type": "list", "elements": "str", "required": True, "no_log": True},
            "passphrase": {"type": "str", "no_log": True},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            **RECORD_SIGNING,
        },
        run_backup_rekey,
    )


if __name__ == "__main__":
    main()
