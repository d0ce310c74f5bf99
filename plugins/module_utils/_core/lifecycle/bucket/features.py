"""The settings of a bucket that a store may have, and the calls that read and write them.

Not every store knows every one. What is not known is said in many ways: by a status, by taking the request for
another one (for the making of a bucket, say), or by taking it and forgetting it, which only reading again can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...locations.s3.errors import DENIED_CODES, S3Error
from ...locations.s3.store import Store

_UNKNOWN = {"NotImplemented", "XNotImplemented", "MethodNotAllowed", "405", "501"}
_TAKEN_FOR_CREATION = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}
_REFUSED = (400, 409)


@dataclass(frozen=True)
class Feature:
    """One setting of a bucket and the calls that read, write and delete it.

    :param leave_out: the module's option with which it is not set.
    :param noun: of the client's methods ``get_...`` and ``put_...``.
    :param actions: what the credentials must be allowed to do, to read and to write it.
    :param unset: what a store says where it is not set.
    """

    name: str
    leave_out: str
    noun: str
    actions: tuple[str, str]
    unset: str = ""

    def read(self, store: Store) -> dict[str, Any]:
        """The bucket's value of the setting; an empty dict if it has none.

        :raises S3Error: the bucket is missing, or the store does not know this setting.
        """
        step = f"read the bucket's {self.name}"
        try:
            return store.call(step, f"get_{self.noun}")
        except S3Error as error:
            if error.code == self.unset:
                return {}
            raise self._explained(store, step, error, self.actions[0]) from error

    def write(self, store: Store, operation: str, **parameters: Any) -> None:
        """Set or delete the setting by *operation*."""
        step = f"set the bucket's {self.name}"
        try:
            store.call(step, operation, **parameters)
        except S3Error as error:
            unknown = error.code in _TAKEN_FOR_CREATION
            explained = self._explained(store, step, error, self.actions[1], unknown=unknown)
            if explained is error and error.status in _REFUSED:
                error.advise(f"{self.leave_out} leaves it as it is")
            raise explained from error

    def unknown(self, error: S3Error) -> bool:
        """Whether *error* says that the store does not know this setting."""
        return error.code in _UNKNOWN or error.status == 501

    def _explained(self, store: Store, step: str, error: S3Error, action: str, *, unknown: bool = False) -> S3Error:
        if unknown or self.unknown(error):
            message = f"the store does not know {self.name} of a bucket ({error.code})"
            hint = f"{self.leave_out} leaves it as it is"
        elif error.code in DENIED_CODES:
            message, hint = "access is denied", f"the credentials need {action} on the bucket"
        else:
            return error
        settings = store.settings
        return S3Error(settings, step, message, hint=hint, code=error.code, status=error.status)


VERSIONING = Feature(
    "versioning",
    "versioning: false",
    "bucket_versioning",
    ("s3:GetBucketVersioning", "s3:PutBucketVersioning"),
)
PUBLIC_ACCESS = Feature(
    "public access block",
    "block_public_access: false",
    "public_access_block",
    ("s3:GetBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    "NoSuchPublicAccessBlockConfiguration",
)
ENCRYPTION = Feature(
    "default encryption",
    "encryption: none",
    "bucket_encryption",
    ("s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
    "ServerSideEncryptionConfigurationNotFoundError",
)
OBJECT_LOCK = Feature(
    "Object Lock",
    "no object_lock",
    "object_lock_configuration",
    ("s3:GetBucketObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
    "ObjectLockConfigurationNotFoundError",
)
LIFECYCLE = Feature(
    "lifecycle rules",
    "lifecycle: false",
    "bucket_lifecycle_configuration",
    ("s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    "NoSuchLifecycleConfiguration",
)
