"""The catalogue of a location: nothing but its manifests and where they lie."""

from ..backupset.naming import next_id
from .chain import ChainFinding, check_chain
from .loading import LATEST, LoadedSet, load_set, newest_set
from .search import Problem, Problems, free_id, id_taken, set_exists, set_ids
from .unfinished import Reaped, Unfinished, find_unfinished, reap

__all__ = [
    "LATEST",
    "ChainFinding",
    "LoadedSet",
    "Problem",
    "Problems",
    "Reaped",
    "Unfinished",
    "check_chain",
    "find_unfinished",
    "free_id",
    "id_taken",
    "load_set",
    "newest_set",
    "next_id",
    "reap",
    "set_exists",
    "set_ids",
]
