"""Keeping a set from being taken away, and letting it go, in all of its locations."""

from .run import set_hold

__all__ = ["set_hold"]
