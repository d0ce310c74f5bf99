"""From a location to the plain bytes of a backup, proven on the way."""
