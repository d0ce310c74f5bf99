"""A script of SQL, divided into its statements as psql divides it, while it goes by."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    rb"""
    (?P<line>--|\\)
  | (?P<block>/\*)
  | (?P<escape>[eE]')
  | (?P<string>')
  | (?P<name>")
  | (?P<dollar>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)
  | (?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)
  | (?P<end>;)
  | (?P<open>[(])
  | (?P<close>[)])
  | (?P<other>[^-\\/'"$A-Za-z_\x80-\xff;()]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PARTIAL_TAG = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\Z")
_WITHIN_ESCAPED = re.compile(rb"\\.|''|(?P<end>')", re.DOTALL)
_WITHIN_BLOCK = re.compile(rb"(?P<begin>/\*)|(?P<end>\*/)")
_WITHIN_ROWS = re.compile(rb"\n\\\.(?P<end>\r?\n)")
_PLAIN = re.compile(rb"""(?:[^;'"$\\/eE-]+|[eE](?!')|'[^'\\]*'(?=.)|-(?!-)|/(?![*]))+""", re.DOTALL)
"""What rows in INSERT statements are made of, without what ends a statement or may be one of several things."""
_INSERTS = re.compile(
    rb"""(?:\s*INSERT\ INTO\ [^;'"$\\/-]*(?:(?:'[^'\\]*'|-(?!-)|/(?![*]))[^;'"$\\/-]*)*;)+""", re.VERBOSE
)
"""Whole statements of that kind: a dump may have nothing else for gigabytes."""
_HEAD_WORDS = 5
_ROUTINE = re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b")
_FROM_HERE = re.compile(rb"\bFROM\s+STDIN\b", re.IGNORECASE)
_BACKSLASHES = re.compile(rb"\bstandard_conforming_strings\s*(?:=|\bTO\b)\s*'?(off|false|on|true)\b", re.IGNORECASE)
_WITH_ENDS = ("line", "block", "escape", "string", "name", "dollar")
_LONGEST_END = 5
_KEPT = 4 * 1024 * 1024
"""Bytes of a statement that are remembered."""


class ScriptStatements:
    """Base of what looks at each statement of a script, as a transform; what comes out of it is the script."""

    name = "statements"

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._out: list[bytes] = []
        self._mode: str | None = None
        self._tag = b""
        self._depth = 0
        self._backslashes = False
        self._new_statement()

    def before(self, head: str) -> bytes:
        """What is to come before a statement.

        :param head: its first words, in capitals.
        """
        return b""

    def after(self, head: str, text: bytes) -> None:
        """A statement is complete.

        :param text: all of it, or the beginning of a very long one.
        """

    def update(self, chunk: bytes) -> bytes:
        """Take the next bytes of the script."""
        self._data, self._at = self._data[self._at :] + chunk, 0
        self._read(last=False)
        return self._given()

    def finalize(self) -> bytes:
        """The last bytes."""
        self._read(last=True)
        self._decide()
        self._take(len(self._data))
        self._out.append(bytes(self._held))
        return self._given()

    def _given(self) -> bytes:
        given, self._out = b"".join(self._out), []
        return given

    def _new_statement(self) -> None:
        self._head: str | None = None
        self._words: list[str] = []
        self._held = bytearray()
        self._text = bytearray()
        self._parentheses = 0
        self._blocks = 0
        self._plain = False

    def _take(self, end: int) -> None:
        """Pass on the next bytes; those before which something may come are held back."""
        taken, self._at = self._data[self._at : end], end
        if len(self._text) < _KEPT and not self._plain:
            self._text += taken
        if self._head is None:
            self._held += taken
        else:
            self._out.append(taken)

    def _read(self, *, last: bool) -> None:
        while self._at < len(self._data):
            if self._mode is None:
                if not self._read_tokens(last):
                    return
                continue
            end, ended = self._within(last)
            self._take(end)
            if not ended:
                return
            if self._mode == "rows":
                self._new_statement()
            self._mode = None

    def _read_tokens(self, last: bool) -> bool:
        """Read to the end of a statement, or up to something with an end of its own; whether that was there."""
        if not self._held and self._head is None and (found := _INSERTS.match(self._data, self._at)) is not None:
            self._out += [self.before("INSERT INTO"), found[0]]
            self._at = found.end()
            return True
        if self._plain and (found := _PLAIN.match(self._data, self._at)) is not None:
            # What the last byte means the next may say.
            self._take(max(min(found.end(), len(self._data) - 1), self._at))
        taken = self._at
        for token in _TOKEN.finditer(self._data, self._at):
            kind = str(token.lastgroup)
            if not last and self._is_partial(token):
                break
            taken = token.end()
            if kind == "word":
                self._word(token[0])
            elif kind in ("open", "close"):
                self._parentheses = max(self._parentheses + (1 if kind == "open" else -1), 0)
            if kind not in ("word", "other", "line", "block") or len(self._words) >= _HEAD_WORDS:
                self._decide()
            if kind == "end" and (self._plain or not (self._parentheses or self._blocks)):
                self._take(taken)
                self._finish()
                return True
            if kind in _WITH_ENDS:
                self._take(taken)
                self._mode, self._tag, self._depth = kind, token[0], 1
                if kind == "string" and self._backslashes:
                    self._mode = "escape"
                return True
        self._take(taken)
        return False

    def _is_partial(self, token: re.Match[bytes]) -> bool:
        """Whether more of it may be still to come."""
        if token.end() == len(self._data):
            return token.lastgroup != "end"
        return token[0] == b"$" and _PARTIAL_TAG.match(self._data, token.start()) is not None

    def _word(self, word: bytes) -> None:
        if self._head is None:
            self._words.append(word.decode("latin-1").upper())
        elif self._parentheses == 0 and _ROUTINE.match(self._head):
            # The statements of a body that the server parses: BEGIN ATOMIC ... END.
            found = word.upper()
            if found == b"BEGIN" or (found == b"CASE" and self._blocks):
                self._blocks += 1
            elif found == b"END" and self._blocks:
                self._blocks -= 1

    def _decide(self) -> None:
        """The words by which a statement is known are there; tell what comes before it."""
        if self._head is None and self._words:
            self._head = " ".join(self._words)
            self._plain = self._words[0] == "INSERT"
            self._out += [self.before(self._head), bytes(self._held)]
            self._held.clear()

    def _finish(self) -> None:
        head, text = self._head, bytes(self._text)
        if head is None:
            self._out.append(bytes(self._held))
        else:
            self.after(head, text)
        self._new_statement()
        if head is not None and head.startswith("COPY ") and _FROM_HERE.search(text):
            # Nothing is to come between a statement and its rows.
            self._mode, self._depth, self._head = "rows", 1, ""
        elif head is not None and head.startswith("SET ") and (found := _BACKSLASHES.search(text)):
            self._backslashes = found[1].lower() in (b"off", b"false")

    def _within(self, last: bool) -> tuple[int, bool]:
        """Up to where something with an end of its own is there, and whether it ends there."""
        size, at = len(self._data), self._at
        pattern = {"escape": _WITHIN_ESCAPED, "block": _WITHIN_BLOCK, "rows": _WITHIN_ROWS}.get(str(self._mode))
        if pattern is None:
            end = {"line": b"\n", "string": b"'", "name": b'"'}.get(str(self._mode), self._tag)
            found_at = self._data.find(end, at)
            return (found_at + len(end), True) if found_at >= 0 else (max(size - len(end) + 1, at), False)
        for found in pattern.finditer(self._data, at):
            if found.end() == size and self._mode == "escape" and not last:
                return found.start(), False
            at = found.end()
            self._depth += 1 if self._mode == "block" and found[0] == b"/*" else 0
            self._depth -= 1 if found["end"] is not None else 0
            if self._depth == 0:
                return at, True
        # What may be the beginning of the next that is looked for.
        return max(size - (_LONGEST_END - 1), at) if self._mode != "escape" else self._before_backslash(at), False

    def _before_backslash(self, at: int) -> int:
        size = len(self._data)
        return size - 1 if size > at and self._data.endswith(b"\\") else size
