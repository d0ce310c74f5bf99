"""Drills: a set is restored into a scratch database and compared with what its manifest tells of its source."""
