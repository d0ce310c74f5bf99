#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_hold
short_description: Keep a backup set from being taken away, or let it go, in all of its locations
version_added: 0.1.0
description:
  - With O(state=held) nothing of this collection takes the set away, whatever the retention policy says, until the hold
    ends or is released. The hold is the file C(hold.json) in the set's directory, in every location that has the set.
  - Another reason or end than before takes the old hold's place. The set is held at every moment of that.
  - With O(state=released) the hold goes, and C(released.json) says that a set which its policy keeps until it is
    released, such as one of kind C(post_incident), may go. Holding the set again takes that back.
  - In a bucket with Object Lock every object of the set is put under a legal hold, too, and freed of it when the set is
    released. Where the store has no Object Lock, or the credentials may not use it, the hold is C(hold.json) alone.
  - A hold keeps the set in every location, whoever placed it. A release counts everywhere only when it is signed with
    O(record_signing_key) and who reads it has the public key; any other counts in the location where it lies, and never
    where the set was held after it.
  - A set is reported as held only when it is there with the hold beside it, and no clean-up is deleting it meanwhile.
    Where one is, the module fails and says that the hold may have come too late.
  - A location that fails does not keep the others from being done. The module then fails, and running it again
    finishes.
author:
  - The mobul.backup maintainers (@mobul)
notes:
  - Legal holds take the permissions C(s3:GetBucketObjectLockConfiguration), C(s3:GetObjectLegalHold) and
    C(s3:PutObjectLegalHold).
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.record_signing
attributes:
  check_mode:
    support: full
    description: Finds out what would be done in each location, and writes nothing.
  diff_mode:
    support: full
    description: Shows the hold in each location before and after.
options:
  label:
    description: Label that the set belongs to.
    type: str
    required: true
  backup:
    description:
      - Id of the set.
      - V(latest) is the newest set of which any location has a good copy. The next backup changes what
        that is, so a run that is to finish another one names the id.
    type: str
    required: true
  state:
    description: Whether the set shall be held.
    type: str
    default: held
    choices: [held, released]
  reason:
    description: For whom and why, for example the reference of an incident. It is stored and shown, so it is no secret.
    type: str
    required: true
  until:
    description:
      - When the hold ends by itself, with O(state=held). By default it lasts until it is released.
      - A day, V(2027-01-31), which means its beginning in UTC, or a time with its zone as in RFC 3339,
        V(2027-01-31T18:00:00Z). It must be still to come.
      - A legal hold in a bucket knows no end; it is there until the set is released.
    type: str
  verify_key:
    description:
      - Public keys, as PEM text or paths of files. With any, a set that none of them signed is not the V(latest) one.
    type: list
    elements: str
    default: []
  record_verify_key:
    description:
      - Public keys, as PEM text or paths of files, that vouch for the records that are there. One that none of them has
        signed gives way to a signed one, where O(record_signing_key) is given.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Keep the set that an investigation needs
  mobul.backup.backup_hold:
    locations: "{{ backup_locations }}"
    label: shop
    backup: weekly_20261122_000000
    reason: INC-4711

- name: Keep the newest set over the audit
  mobul.backup.backup_hold:
    locations: "{{ backup_locations }}"
    label: shop
    backup: latest
    reason: audit 2026
    until: "2027-01-31"

- name: The migration is proven, so its backup may go
  mobul.backup.backup_hold:
    locations: "{{ backup_locations }}"
    label: shop
    backup: pre_migration_20261120_181500
    state: released
    reason: migration 42 accepted
"""

RETURN = r"""
id:
  description: Id of the set.
  returned: success, and when some locations failed
  type: str
  sample: weekly_20261122_000000
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
        - V(held) or V(released).
        - V(missing) where the location does not have the set, V(unfinished) where it has only one without a manifest.
        - V(failed) where something could not be done.
      type: str
      sample: held
    hold:
      description: The hold that is there, null where there is none. Where the state is V(failed), the one of before.
      type: dict
      sample: {"reason": "INC-4711", "until": null, "held_at": "2026-11-24T09:12:00Z"}
    legal_hold:
      description: Whether the store itself holds all objects of the set. Null where it cannot, or that is not known.
      type: bool
      sample: true
    error:
      description: Why it failed, null where it did not.
      type: str
      sample: null
summary:
  description: What was done, for a person.
  returned: success, and when some locations failed
  type: list
  elements: str
  sample: ["shop: weekly_20261122_000000 is held: INC-4711", "primary: held", "gdrive: does not have this set"]
warnings:
  description: What is not wrong but should be known.
  returned: when there are any
  type: list
  elements: str
  sample: ["location 'primary': hold.json could not be read and is replaced"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import LOCATIONS, RECORD_SIGNING
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.hold.run import run_backup_hold


def main() -> None:
    run_module(
        {
            **LOCATIONS,
            "label": {"type": "str", "required": True},
            "backup": {"type": "str", "required": True},
            "state": {"type": "str", "default": "held", "choices": ["held", "released"]},
            "reason": {"type": "str", "required": True},
            "until": {"type": "str"},
            "verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "record_verify_key": {"type": "list", "elements": "str", "default": [], "no_log": False},
            **RECORD_SIGNING,
        },
        run_backup_hold,
    )


if __name__ == "__main__":
    main()
