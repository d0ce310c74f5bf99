#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket_policy
short_description: Bring an S3 bucket to the state that backups need
version_added: 0.1.0
description:
  - Blocks public access, enables versioning and default encryption, sets the retention of Object Lock where that is
    wanted, and sets lifecycle rules that are derived from the same retention policy by which sets are pruned.
  - Everything is read first. What is as it should be is not written, and what was written is read once more.
  - The lifecycle rules abort multipart uploads that were given up, end the versions behind a deletion after a while,
    and archive large objects. No rule ends an object that is there, unless O(expire) asks for it.
  - Lifecycle rules of others are kept as they are. One that may end an object which the policy keeps is an error, and
    nothing is changed.
notes:
  - The rules of this collection have ids that begin with C(mobul-backup-). Those that are not derived any more are
    removed. Describe each bucket in one task, with all its prefixes and policies.
  - An archived object must be thawed before it can be read. Manifests are never archived, so that the catalogue stays
    readable.
  - A deletion in a bucket with versions leaves the version behind for O(noncurrent_days), and longer while Object Lock
    keeps it.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.s3_connection
attributes:
  check_mode:
    support: full
    description: Reads and plans as a real run does. Writes nothing.
  diff_mode:
    support: full
    description: Shows the bucket's settings before and after.
options:
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  prefixes:
    description:
      - The paths below which sets are kept, one for each location that is in the bucket.
      - An empty one is the top of the bucket.
    type: list
    elements: str
    default: ['']
  retention:
    description:
      - The retention policy, a dictionary of kinds and periods. What it does not name is as in the default policy.
      - A list of policies where sets of different policies share the bucket. The strictest counts in each respect.
    type: raw
  create:
    description: Whether to make the bucket if it is missing, with Object Lock if O(object_lock) is given.
    type: bool
    default: false
  versioning:
    description: Whether to enable versioning. V(false) leaves it as it is.
    type: bool
    default: true
  block_public_access:
    description:
      - Whether to block public access of all kinds. V(false) takes such a block away.
      - Some stores (Ceph) take it for a ban on every write. That is tried, and the block is taken away again.
    type: bool
    default: true
  encryption:
    description:
      - How objects are encrypted that come without a wish of their own.
      - A bucket that encrypts by a key of KMS already meets V(AES256), too, and is left so.
      - V(none) leaves it as it is.
    type: str
    choices: [AES256, "aws:kms", none]
    default: AES256
  kms_key_id:
    description: Key for O(encryption=aws:kms), an id, alias or ARN. Any is good enough by default.
    type: str
  object_lock:
    description:
      - Retention of new objects that come without one, with C(mode) (C(GOVERNANCE) or C(COMPLIANCE)) and C(days).
      - It cannot be longer than the shortest period of O(retention), as sets could not be removed when they are due.
      - By default it is left as it is. One that the bucket has already must still agree with O(retention).
    type: dict
  lifecycle:
    description:
      - Whether to set lifecycle rules. V(false) leaves all rules as they are and does not look at them.
    type: bool
    default: true
  abort_uploads_after_days:
    description: Days after which a multipart upload that was not completed is removed. V(0) for never.
    type: int
    default: 7
  noncurrent_days:
    description:
      - Days for which the version behind a deletion stays and can be brought back. V(0) for ever.
    type: int
    default: 30
  archive_after_days:
    description:
      - Days after which objects larger than 64 MiB move to O(archive_storage_class). V(0) for never.
      - No manifest is that large.
      - Left out if O(retention) keeps no set for as long.
    type: int
    default: 90
  archive_storage_class:
    description: Storage class to archive in.
    type: str
    choices: [GLACIER, DEEP_ARCHIVE, GLACIER_IR, STANDARD_IA, INTELLIGENT_TIERING]
    default: GLACIER
  expire:
    description:
      - Whether a rule ends objects by age, O(expire_margin_days) after the longest period of O(retention).
      - Not possible where O(retention) keeps a kind until it is released, as it does by default.
      - Such a rule knows nothing of holds and of the newest good set, which pruning never takes. What Object Lock keeps
        is hidden by it, and its version stays.
    type: bool
    default: false
  expire_margin_days:
    description: Days between the longest period of O(retention) and the end of an object by O(expire).
    type: int
    default: 365
"""

EXAMPLES = r"""
- name: Bring the bucket to its state, and make it if it is missing
  mobul.backup.bucket_policy:
    bucket: shop-backups
    region: eu-central-1
    prefixes: [production]
    retention:
      weekly: 90d
      yearly: 10y
    object_lock:
      mode: GOVERNANCE
      days: 7
    create: true

- name: Use a store that knows lifecycle rules and little more, and archive nothing
  mobul.backup.bucket_policy:
    bucket: backups
    endpoint_url: https://s3.example.com
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
    versioning: false
    block_public_access: false
    encryption: none
    archive_after_days: 0
"""

RETURN = r"""
changes:
  description: What was changed. In check mode, what would be.
  returned: success
  type: list
  elements: str
  sample: ["enable versioning", "change the lifecycle rules: add mobul-backup-clean"]
bucket:
  description:
    - The bucket's settings. In check mode, as they would be.
    - A setting that is left as it is was not read, and is missing.
    - Where the bucket could not be looked at, there is its name alone.
  returned: always
  type: dict
  contains:
    name:
      description: Name of the bucket.
      type: str
      sample: shop-backups
    state:
      description: V(present), as the bucket is made or the run fails.
      type: str
      sample: present
    versioning:
      description: State of versioning.
      type: str
      sample: Enabled
    encryption:
      description: Default encryption as the store tells it, or V(none).
      type: raw
      sample: {"SSEAlgorithm": "AES256"}
    public_access_block:
      description: What kinds of public access are blocked.
      type: dict
      sample:
        BlockPublicAcls: true
        BlockPublicPolicy: true
        IgnorePublicAcls: true
        RestrictPublicBuckets: true
    object_lock:
      description: Whether Object Lock is enabled, and the retention of objects that come without one.
      type: dict
      sample: {"enabled": true, "default_retention": {"mode": "GOVERNANCE", "days": 7}}
    lifecycle:
      description: All lifecycle rules by their ids.
      type: dict
      sample: {"mobul-backup-clean": {"Expiration": {"ExpiredObjectDeleteMarker": true}, "Status": "Enabled"}}
notes:
  description: What is as it should be and may surprise.
  returned: success
  type: list
  elements: str
  sample: ["nothing is archived: the policy keeps no set for longer than 30 days, and archive_after_days is 90"]
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample: ["bucket 'shop-backups': done: enable versioning"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import S3_CONNECTION
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket.run import run_bucket_policy

ARGUMENTS = {
    **S3_CONNECTION,
    "bucket": {"type": "str", "required": True},
    "prefixes": {"type": "list", "elements": "str", "default": [""]},
    "retention": {"type": "raw"},
    "create": {"type": "bool", "default": False},
    "versioning": {"type": "bool", "default": True},
    "block_public_access": {"type": "bool", "default": True},
    "encryption": {"type": "str", "choices": ["AES256", "aws:kms", "none"], "default": "AES256"},
    "kms_key_id": {"type": "str", "no_log": False},
    "object_lock": {"type": "dict"},
    "lifecycle": {"type": "bool", "default": True},
    "abort_uploads_after_days": {"type": "int", "default": 7},
    "noncurrent_days": {"type": "int", "default": 30},
    "archive_after_days": {"type": "int", "default": 90},
    "archive_storage_class": {
        "type": "str",
        "choices": ["GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING"],
        "default": "GLACIER",
    },
    "expire": {"type": "bool", "default": False},
    "expire_margin_days": {"type": "int", "default": 365},
}


def main() -> None:
    run_module(ARGUMENTS, run_bucket_policy)


if __name__ == "__main__":
    main()
