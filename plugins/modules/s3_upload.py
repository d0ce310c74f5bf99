#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: s3_upload
short_description: Upload a file to S3 and verify what the store holds
version_added: 0.1.0
description:
  - Makes one object of one file, in Amazon S3 or in any store that speaks its protocol.
  - A file that is larger than O(part_size) is uploaded in parallel parts. Nothing is visible before the last byte has
    arrived, and a failed upload leaves nothing behind.
  - Every part is verified against what the store answers, by an additional checksum (CRC-32) where the store echoes
    it, otherwise by the MD5 in its ETag.
  - Reports no change when the same bytes are there already.
notes:
  - The file's SHA-256 is kept in the object's metadata as C(sha256), so that a later run, or anybody, can compare
    without a download.
  - An object without it is compared by its ETag where that is an MD5, also one of parts, by the store's own SHA-256, or
    else by reading it.
  - Metadata, tags, encryption and storage class of an object with the same bytes are left as they are.
  - The file is read twice, once for its SHA-256 and once for the upload. If it changes in between, nothing is uploaded.
  - An object is replaced only in the state in which it was compared, and never made where somebody else was faster,
    provided that the store knows conditional writes.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.s3_connection
attributes:
  check_mode:
    support: full
    description:
      - Compares, and proves that an upload would be accepted by starting a multipart upload and aborting it at once.
      - Writes nothing.
  diff_mode:
    support: full
    description: Shows size and SHA-256 of the object before and after, never contents.
options:
  src:
    description: File to upload. A symbolic link is followed.
    type: path
    required: true
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  object:
    description:
      - Name of the object, without a slash at its beginning. With a slash at its end, the file's name is appended.
      - By default the file's name.
    type: str
  if_exists:
    description:
      - What to do when there is an object with other bytes.
      - V(verify) fails.
      - V(replace) overwrites it.
    type: str
    choices: [verify, replace]
    default: verify
  sse:
    description: Encryption by the store. By default, and with V(none), what the bucket does by itself.
    type: str
    choices: [AES256, "aws:kms", none]
  sse_kms_key_id:
    description: Key for O(sse=aws:kms). By default the account's own key for S3.
    type: str
  storage_class:
    description: Storage class of the object, for example V(STANDARD_IA).
    type: str
  object_lock:
    description:
      - Retention of the object, with C(mode) (C(GOVERNANCE) or C(COMPLIANCE)) and C(days).
      - The bucket must have Object Lock enabled. The lock is read back, which takes C(s3:GetObject) and
        C(s3:GetObjectRetention), and an object that the store did not lock as asked is removed.
    type: dict
  content_type:
    description: Media type of the object.
    type: str
  tags:
    description: Tags of the object, ten at most.
    type: dict
    default: {}
  metadata:
    description: Metadata of the object. Names are not case sensitive, and values are printable ASCII.
    type: dict
    default: {}
  checksums:
    description: Whether to send additional checksums. V(false) for stores that reject them.
    type: bool
    default: true
  part_size:
    description: Size of a part in MiB, from 5 to 5120. Larger ones are used where 10,000 parts would not suffice.
    type: int
    default: 8
  concurrency:
    description: Number of parts that are uploaded at the same time. Memory for as many and one more is needed.
    type: int
    default: 4
"""

EXAMPLES = r"""
- name: Upload an encrypted export
  mobul.backup.s3_upload:
    src: /srv/exports/recipients.csv.age
    bucket: shop-backups
    object: exports/2026/11/24/recipients.csv.age
    region: eu-central-1
    sse: aws:kms
    sse_kms_key_id: alias/backups
    storage_class: STANDARD_IA
    tags:
      incident: INC-1042

- name: Keep the newest report under one name, in a store that knows no additional checksums
  mobul.backup.s3_upload:
    src: /srv/reports/today.html
    bucket: reports
    object: latest/
    if_exists: replace
    content_type: text/html
    endpoint_url: https://s3.example.com
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
    checksums: false
"""

RETURN = r"""
object:
  description: The object. In check mode, as it would be.
  returned: success
  type: dict
  contains:
    bucket:
      description: Name of the bucket.
      type: str
      sample: shop-backups
    key:
      description: Name of the object.
      type: str
      sample: exports/2026/11/24/recipients.csv.age
    size:
      description: Bytes.
      type: int
      sample: 1049236
    sha256:
      description: SHA-256 of the file, in hexadecimal digits.
      type: str
      sample: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
    etag:
      description: ETag of the object, with the quotes that belong to it. Null in check mode if it would change.
      type: str
      sample: '"d41d8cd98f00b204e9800998ecf8427e"'
    version_id:
      description: Version of the object, where the bucket keeps versions. Null in check mode if it would change.
      type: str
      sample: 3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY
    proof:
      description:
        - How it is known what the store holds.
        - After an upload V(crc32), V(md5), or V(size) where the store's answers prove no more, which is warned of.
        - Without a change V(sha256), V(md5) or V(contents). Null in check mode if it would change.
      type: str
      sample: crc32
bytes_sent:
  description: Bytes of the file that were uploaded.
  returned: success
  type: int
  sample: 1049236
duration:
  description: Seconds that the whole run took.
  returned: success
  type: float
  sample: 1.7
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import S3_CONNECTION
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.upload import run_s3_upload


def main() -> None:
    run_module(
        {
            **S3_CONNECTION,
            "src": {"type": "path", "required": True},
            "bucket": {"type": "str", "required": True},
            "object": {"type": "str"},
            "if_exists": {"type": "str", "choices": ["verify", "replace"], "default": "verify"},
            "sse": {"type": "str", "choices": ["AES256", "aws:kms", "none"]},
            "sse_kms_key_id": {"type": "str", "no_log": False},
            "storage_class": {"type": "str"},
            "object_lock": {"type": "dict"},
            "content_type": {"type": "str"},
            "tags": {"type": "dict", "default": {}},
            "metadata": {"type": "dict", "default": {}},
            "checksums": {"type": "bool", "default": True},
            "part_size": {"type": "int", "default": 8},
            "concurrency": {"type": "int", "default": 4},
        },
        run_s3_upload,
    )


if __name__ == "__main__":
    main()
