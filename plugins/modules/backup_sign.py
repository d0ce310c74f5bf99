#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_sign
short_description: Sign a backup set that was made before there was a signing key
version_added: 0.1.0
description:
  - Adds the file C(manifest.json.sig) to a set, in every location that has the manifest whose digest is named. From
    then on readers that are given the public key take the set for one that the key's holder made.
  - What is signed are the bytes that had that digest when they were read. Where a location has another manifest,
    nothing is signed there, and the module fails and names it.
  - A signature that is there stays. The module changes nothing where it is that of the same key, and fails where it is
    another one, unless a key made it that is named in O(revoked_key).
  - It is not for changing keys. Sets that an earlier key has signed stay as they are, and readers are given both public
    keys. Only a key that was stolen is revoked.
  - A location that fails does not keep the others from being done. The module then fails, and running it again
    finishes.
author:
  - The mobul.backup maintainers (@mobul)
notes:
  - Nobody but you can know that the digest is that of a manifest which your backup has written. Do not take it from the
    location that you sign in, but from where nobody else could write, such as the log of the backup or a copy that was
    offline. A manifest names the digest of the set before it, so that one that you trust vouches for all before it.
extends_documentation_fragment:
  - mobul.backup.locations
attributes:
  check_mode:
    support: full
    description: Finds out what would be done in each location, and writes nothing.
  diff_mode:
    support: full
    description: Shows by whom the set is signed in each location before and after.
options:
  label:
    description: Label that the set belongs to.
    type: str
    required: true
  backup:
    description: Id of the set. V(latest) is the newest one of all locations.
    type: str
    required: true
  digest:
    description: SHA-256 of the set's C(manifest.json) as it was written, 64 hexadecimal digits.
    type: str
    required: true
  signing_key:
    description: Ed25519 private key to sign with, as PEM text or the path of a file on the host that runs the module.
    type: str
    required: true
  signing_key_passphrase:
    description: Passphrase of O(signing_key), where it has one.
    type: str
  revoked_key:
    description:
      - Ed25519 public keys, as PEM text or paths of files, that are not trusted any more, because somebody else may
        have had their private half.
      - A signature that one of them made gives way to the new one. O(digest) alone says which manifests are yours.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Vouch for the set of before the signing key
  mobul.backup.backup_sign:
    locations: "{{ backup_locations }}"
    label: shop
    backup: weekly_20261122_000000
    digest: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
    signing_key: /root/keys/signing.pem

- name: Take a set over from a key that was stolen, by what the log of its backup says
  mobul.backup.backup_sign:
    locations: "{{ backup_locations }}"
    label: shop
    backup: weekly_20261129_000000
    digest: 7c9a5f0e3d2b1a4876655443322110ffeeddccbbaa99887766554433221100ff
    signing_key: /root/keys/signing-2027.pem
    revoked_key: [/root/keys/signing.pub]
"""

RETURN = r"""
id:
  description: Id of the set.
  returned: success, and when some locations failed
  type: str
  sample: weekly_20261122_000000
digest:
  description: SHA-256 of the manifest that was signed.
  returned: success, and when some locations failed
  type: str
  sample: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
signed_by:
  description: Id of the key, the first 16 digits of the SHA-256 of its public half.
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
        - V(signed) where it is signed with the key.
        - V(missing) where the location does not have the set, V(unfinished) where it has only one without a manifest.
        - V(failed) where it could not be signed.
      type: str
      sample: signed
    error:
      description: Why it failed, null where it did not.
      type: str
      sample: null
summary:
  description: What was done, for a person.
  returned: success, and when some locations failed
  type: list
  elements: str
  sample: ["shop: weekly_20261122_000000 is signed by 1d2c3b4a59687786", "primary: signed by 1d2c3b4a59687786"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATIONS
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.keys.sign import run_backup_sign


def main() -> None:
    run_module(
        {
            **LOCATIONS,
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "required": True},
            "digest": {"type": "str", "required": True},
            "signing_key": {"type": "str", "required": True, "no_log": True},
            "signing_key_passphrase": {"type": "str", "no_log": True},
            "revoked_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        run_backup_sign,
    )


if __name__ == "__main__":
    main()
