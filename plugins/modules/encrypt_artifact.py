#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encrypt_artifact
short_description: Encrypt or decrypt a file
version_added: 0.1.0
description:
  - Encrypts a file to age or OpenPGP recipients or with a passphrase, or decrypts one.
  - Writes age (L(the C2SP specification,https://c2sp.org/age)) and gpg.
  - Reads age, gpg, files of C(openssl enc -aes-256-cbc), and JSON envelopes C({iv, authTag, data}) of AES-256-GCM as
    export scripts on Node.js write them. The format is recognised by the file's first bytes.
  - The file passes through memory in small pieces. O(dest) appears only when it is complete, and when decrypting only
    after its last byte was proven authentic.
notes:
  - Encryption is randomised, so an encrypted O(dest) cannot be compared byte by byte. It counts as done when it is of
    the wanted format, for as many recipients (with gpg for exactly these keys), of exactly the size that O(src) gives
    (with gpg about that size), and newer than the last change of O(src).
  - With O(identities), or with O(passphrase) where that encrypts, O(dest) is decrypted in memory and compared with
    O(src) instead of trusting times.
  - After a change of an age recipient for another use O(force=true), since age hides who the recipients are.
  - A decrypted O(dest) counts as done when it has the checksum of the decrypted contents, which is computed without
    writing.
  - Files of C(openssl enc) carry no proof of integrity. Damage in the middle of one can go unnoticed, and the module
    warns of that.
author:
  - The mobul.backup maintainers (@mobul)
extends_documentation_fragment:
  - mobul.backup.decryption
attributes:
  check_mode:
    support: full
    description:
      - Writes nothing.
      - With O(state=decrypted) the file is decrypted in memory to its end, which proves that it is intact and that the
        keys fit.
  diff_mode:
    support: full
    description: Shows path, size and permissions of O(dest), never contents.
options:
  src:
    description: File to read. A symbolic link is followed.
    type: path
    required: true
  dest:
    description:
      - File to make. A directory stands for a file in it with the default name.
      - By default O(src) with C(.age), C(.gpg) or (gpg with O(armor=true)) C(.asc) at its end, or O(src) without such a
        suffix.
      - Anything there that is not a regular file is refused, a symbolic link too.
    type: path
  state:
    description: Which of both O(dest) shall be.
    type: str
    choices: [encrypted, decrypted]
    default: encrypted
  format:
    description:
      - Format to write, with O(state=encrypted).
      - By default that of the O(recipients), and V(age) with a passphrase.
    type: str
    choices: [age, gpg]
  recipients:
    description:
      - Who can decrypt. All of one kind.
      - For age, public keys (C(age1...)) or paths of files with one on each line.
      - For gpg, full fingerprints (with or without C(gpg:) before them), e-mail addresses that have exactly one key,
        public keys as text, or paths of files that hold public keys. No key is imported anywhere.
      - Give two at least, one of them kept offline.
    type: list
    elements: str
    default: []
  identities:
    description:
      - Secret keys to decrypt with, each as text or as the path of a file on the host that runs the module.
      - age identities (C(AGE-SECRET-KEY-1...)), OpenPGP secret keys, or the 64 hexadecimal digits of an envelope's
        key.
      - With O(state=encrypted), used to compare an O(dest) that is there with O(src).
  passphrase:
    description:
      - Passphrase of an age or gpg file or of C(openssl enc), or of a protected secret key.
      - With O(state=encrypted) and without O(recipients), what the file is encrypted with.
  armor:
    description: Whether to write text instead of bytes.
    type: bool
    default: false
  force:
    description: Whether to make O(dest) anew even if it counts as done, and to encrypt what is encrypted already.
    type: bool
    default: false
  mode:
    description: Permissions of O(dest) as an octal number in quotes.
    type: str
    default: "0600"
  remove_src:
    description:
      - Whether to remove O(src) once O(dest) is safely on the disk.
      - The file is unlinked. What the disk still holds of its contents is not overwritten.
      - An O(dest) that was there before only leads to the removal where it was compared with O(src) as the notes say.
        Otherwise it is made anew.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Encrypt an export for operations and for the offline escrow
  mobul.backup.encrypt_artifact:
    src: /var/exports/recipients_20261122.csv
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
      - age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg
    remove_src: true

- name: Encrypt to OpenPGP keys
  mobul.backup.encrypt_artifact:
    src: /var/exports/recipients_20261122.csv
    format: gpg
    recipients:
      - D8B1F0C34E6A29575C0E1A93B4F2D7685A1C9E30
      - /etc/backup/escrow.asc

- name: Read what an older procedure encrypted with openssl
  mobul.backup.encrypt_artifact:
    src: /mnt/old/recipients_backup_20231105.csv.enc
    dest: /srv/restore/recipients_backup_20231105.csv
    state: decrypted
    passphrase: "{{ vault_old_backup_password }}"

- name: Read the JSON envelope of an export script
  mobul.backup.encrypt_artifact:
    src: /mnt/old/sms_opt_ins_2024-06-02.enc
    dest: /srv/restore/sms_opt_ins_2024-06-02.json
    state: decrypted
    identities:
      - "{{ vault_encryption_key }}"
"""

RETURN = r"""
src:
  description: File that was read.
  returned: success
  type: str
  sample: /var/exports/recipients_20261122.csv
dest:
  description: File that was made or was there already.
  returned: success
  type: str
  sample: /var/exports/recipients_20261122.csv.age
format:
  description: V(age), V(gpg), V(openssl) or V(envelope), of the encrypted one of the two files.
  returned: success
  type: str
  sample: age
size:
  description: Size of O(dest) in bytes. In check mode, of the one that is there, or null.
  returned: success
  type: int
  sample: 1049236
sha256:
  description: SHA-256 of O(dest), in hexadecimal digits. Null in check mode where it is not known.
  returned: success
  type: str
  sample: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
plaintext_size:
  description: Size of the decrypted one of the two files in bytes. Null where O(src) was removed by an earlier run.
  returned: success
  type: int
  sample: 1048576
recipients:
  description: Public keys (age) or fingerprints (gpg) that the file was encrypted to.
  returned: success
  type: list
  elements: str
  sample: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import DECRYPTION
from ansible_collections.mobul.backup.plugins.module_utils._core.encryption.artifact import run_encrypt_artifact


def main() -> None:
    run_module(
        {
            **DECRYPTION,
            "src": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "state": {"type": "str", "choices": ["encrypted", "decrypted"], "default": "encrypted"},
            "format": {"type": "str", "choices": ["age", "gpg"]},
            "recipients": {"type": "list", "elements": "str", "default": []},
            "armor": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "mode": {"type": "str", "default": "0600"},
            "remove_src": {"type": "bool", "default": False},
        },
        run_encrypt_artifact,
    )


if __name__ == "__main__":
    main()
