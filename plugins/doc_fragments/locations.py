# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
notes:
  - Where several tasks need O(locations), C(module_defaults) of C(group/mobul.backup.locations) say it once.
requirements:
  - Python >= 3.11 on the host that runs the module
  - cryptography >= 41
  - boto3 >= 1.34, for locations of type s3
  - rclone, for locations of type rclone
options:
  locations:
    description: The places where the sets are kept. The names must differ.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the location, for reports.
        type: str
        required: true
      type:
        description: Kind of store.
        type: str
        required: true
        choices: [local, s3, rclone]
      path:
        description: Absolute path of the root directory, for O(locations[].type=local).
        type: path
      bucket:
        description: Name of the bucket, for O(locations[].type=s3).
        type: str
      prefix:
        description: Path below which everything is kept in the bucket.
        type: str
      endpoint_url:
        description: Address of a store other than AWS.
        type: str
      region:
        description: Region of the bucket.
        type: str
      access_key:
        description: Access key id. By default the environment, the profile or the instance's role is used.
        type: str
      secret_key:
        description: Secret access key.
        type: str
      session_token:
        description: Session token of temporary credentials.
        type: str
      sse:
        description: Encryption by the store. V(none) for stores that reject the header.
        type: str
        choices: [AES256, "aws:kms", none]
      sse_kms_key_id:
        description: Key for O(locations[].sse=aws:kms).
        type: str
      storage_class:
        description: Storage class of new objects.
        type: str
      object_lock:
        description:
          - Retention that new objects get, with C(mode) (C(GOVERNANCE) or C(COMPLIANCE)) and C(days).
          - The bucket must have Object Lock enabled. Each object's lock is read back, which takes C(s3:GetObject) and
            C(s3:GetObjectRetention), and one that the store did not lock as asked is no copy.
        type: dict
      checksums:
        description: Whether to send additional checksums. V(false) for stores that reject them.
        type: bool
      ca_bundle:
        description: File of the certificate authorities for the endpoint.
        type: path
      addressing_style:
        description: Whether the bucket is part of the path or of the host's name.
        type: str
        choices: [auto, path, virtual]
      stall_timeout:
        description:
          - Seconds without a byte after which a store of O(locations[].type=s3) or O(locations[].type=rclone) is given
            up, V(60) by default. So is one from which, or to which, fewer than 16 kB a second come over five times as
            long.
          - What waits for us, as a store does while a restore takes its time, does not count.
        type: int
      remote:
        description: Remote and path as rclone writes them, for example V(gdrive:Backups), for
          O(locations[].type=rclone).
        type: str
      config:
        description: Path of rclone's configuration file. By default rclone's own is used.
        type: path
      rclone_path:
        description:
          - Path of the program C(rclone).
          - By default it is looked for beside the Python that runs the module and on E(PATH).
        type: path
"""
