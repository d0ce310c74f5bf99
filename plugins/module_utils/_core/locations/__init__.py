"""Places where sets are kept, of several kinds behind one interface.

Each kind is one subclass of :class:`base.Location`, which has its option names and checks them before anything is
touched, and one line of the table in ``factory.py``.
"""

from .factory import enter_locations, open_location, open_locations

__all__ = ["enter_locations", "open_location", "open_locations"]
