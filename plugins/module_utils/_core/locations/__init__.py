"""Places where sets are kept, of several kinds behind one interface.

Each kind is one module with a function ``create(options) -> Location`` that owns its option names and checks them
before anything is touched.
"""

from .factory import enter_locations, open_location, open_locations

__all__ = ["enter_locations", "open_location", "open_locations"]
