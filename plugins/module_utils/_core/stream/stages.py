"""Transforms one behind the other without threads: for whoever reads a stream piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .decompression import Decompressor
from .pipeline import Transform


def through(pieces: Iterator[bytes], stages: Sequence[Transform]) -> Iterator[bytes]:
    """What comes out behind *stages*, in pieces that stay small however much a few bytes expand to.

    The stream is known to be whole, and authentic as far as its format tells, when the last piece has come.

    :raises BackupError: what *pieces* or a stage raises.
    """
    for stage in stages:
        pieces = _through(pieces, stage)
    return pieces


def _through(pieces: Iterator[bytes], stage: Transform) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(stage, Decompressor):
            yield from stage.pieces(piece)
        elif out := stage.update(piece):
            yield out
    if rest := stage.finalize():
        yield rest
