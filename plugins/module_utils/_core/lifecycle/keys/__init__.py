"""What a set gets when keys change: a signature that it was made without, and new recipients."""

from .rekey import rekey_set
from .sign import sign_set

__all__ = ["rekey_set", "sign_set"]
