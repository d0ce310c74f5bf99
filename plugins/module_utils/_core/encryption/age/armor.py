"""ASCII armor (C2SP age, "ASCII armor"): strict PEM (RFC 7468) with the label AGE ENCRYPTED FILE."""

from __future__ import annotations

import binascii

from .errors import ArmorError

BEGIN_LINE = b"-----BEGIN AGE ENCRYPTED FILE-----"
END_LINE = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_LINE_BYTES = 48


class ArmorWriter:
    """Turns bytes into armored text, piece by piece."""

    def __init__(self) -> None:
        self._prefix = BEGIN_LINE + b"\n"
        self._carry = b""

    def update(self, data: bytes) -> bytes:
        """Take the next bytes and return the lines that are full."""
        data = self._carry + data
        full = len(data) - len(data) % _LINE_BYTES
        self._carry = data[full:]
        view = memoryview(data)
        lines = [binascii.b2a_base64(view[start : start + _LINE_BYTES]) for start in range(0, full, _LINE_BYTES)]
        prefix, self._prefix = self._prefix, b""
        return prefix + b"".join(lines)

    def finalize(self) -> bytes:
        """The last, shorter line and the end line."""
        last = binascii.b2a_base64(self._carry) if self._carry else b""
        return self._prefix + last + END_LINE + b"\n"


class ArmorReader:
    """Turns armored text back into bytes, piece by piece, and refuses every other text for the same bytes.

    White space may surround the block and lines may end with CRLF; nothing else is lenient. Never holds more than one
    incomplete line.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._begun = False
        self._closed = False
        self._ended = False

    def update(self, data: bytes) -> bytes:
        """Take the next text and return the bytes of its complete lines.

        :raises ArmorError: the text is malformed.
        """
        text = self._buffer + data
        if not self._begun:
            text = text.lstrip()
            if not BEGIN_LINE.startswith(text[: len(BEGIN_LINE)]):
                raise ArmorError(f"armor malformed: the text does not begin with {BEGIN_LINE.decode()}")
        end = text.rfind(b"\n") + 1
        self._buffer = text[end:]
        output = self._take([line.removesuffix(b"\r") for line in text[:end].split(b"\n")[:-1]])
        self._check_incomplete()
        return output

    def finalize(self) -> None:
        """The text ends here.

        :raises ArmorError: it may not.
        """
        if self._buffer:
            # The end line alone may lack its line feed.
            self._take([self._buffer.removesuffix(b"\r")])
        if not self._ended:
            raise ArmorError("armor malformed: its end line is missing", hint="the file was truncated")

    def _check_incomplete(self) -> None:
        if self._ended:
            if self._buffer.strip():
                raise ArmorError("armor malformed: something follows its end line")
            self._buffer = b""
        elif len(self._buffer) > _COLUMNS + 1:
            raise ArmorError("armor malformed: a line is too long")

    def _take(self, lines: list[bytes]) -> bytes:
        if lines and not self._begun:
            if lines[0] != BEGIN_LINE:
                raise ArmorError(f"armor malformed: the first line is not {BEGIN_LINE.decode()}")
            self._begun, lines = True, lines[1:]
        output = b""
        if not self._ended:
            body = lines[: lines.index(END_LINE)] if END_LINE in lines else lines
            output = self._decode(body)
            self._ended = len(body) < len(lines)
            lines = lines[len(body) + 1 :]
        if any(line.strip() for line in lines):
            raise ArmorError("armor malformed: something follows its end line")
        return output

    def _decode(self, lines: list[bytes]) -> bytes:
        """The bytes of *lines*, of which only the very last of the text may be short or padded."""
        if not lines:
            return b""
        if self._closed or any(len(line) != _COLUMNS or line.endswith(b"=") for line in lines[:-1]):
            raise ArmorError("armor malformed: a line before the last is not full")
        if not 0 < len(lines[-1]) <= _COLUMNS:
            raise ArmorError("armor malformed: a line is empty or too long")
        self._closed = len(lines[-1]) < _COLUMNS or lines[-1].endswith(b"=")
        text = b"".join(lines)
        try:
            data = binascii.a2b_base64(text)
        except binascii.Error as error:
            raise ArmorError("armor malformed: a line is not base64") from error
        # The decoder is lenient; that only one text stands for these bytes is what makes a text canonical.
        if binascii.b2a_base64(data, newline=False) != text:
            raise ArmorError("armor malformed: a line is not canonical base64")
        return data
