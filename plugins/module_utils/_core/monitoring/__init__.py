"""Monitoring: whether the newest sets are young, whole, everywhere, of a likely size, and were proven."""
