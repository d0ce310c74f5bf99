"""What is read of a listing without the client library is what the library reads of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import quote, quote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import botocore.session
import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.client import parse_time
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.fetch import read_listing
from botocore.parsers import ResponseParserFactory
from hypothesis import given
from hypothesis import strategies as st

UTC = timezone.utc
MODEL = botocore.session.get_session().get_service_model("s3").operation_model("ListObjectsV2")
KEYS = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs", "Co", "Cn"), exclude_characters="\x7f"), min_size=1
)


def answer(
    keys: list[str], directories: list[str], token: str | None, *, space: str, code: Callable[[str], str] = str
) -> bytes:
    contents = "".join(
        f"<Contents><Key>{escape(code(key))}</Key><LastModified>2026-11-{1 + n % 28:02}T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{n}&quot;</ETag><Size>{n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n, key in enumerate(keys)
    )
    prefixes = "".join(
        f"<CommonPrefixes><Prefix>{escape(code(name))}/</Prefix></CommonPrefixes>" for name in directories
    )
    more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>" if token else ""
    encoding = "" if code is str else "<EncodingType>url</EncodingType>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult{space}><Name>bucket</Name><Prefix>x</Prefix>'
        f"{encoding}<IsTruncated>{str(bool(token)).lower()}</IsTruncated>"
        f"{contents}{prefixes}{more}</ListBucketResult>"
    ).encode()


@given(
    keys=st.lists(KEYS, max_size=5),
    directories=st.lists(KEYS, max_size=3),
    token=st.none() | st.text("abc+/=<&", min_size=1),
    space=st.sampled_from(["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"']),
)
def test_a_page_is_read_as_the_client_library_reads_it(
    keys: list[str], directories: list[str], token: str | None, space: str
) -> None:
    data = answer(keys, directories, token, space=space)
    parser = ResponseParserFactory().create_parser("rest-xml")
    theirs = parser.parse({"body": data, "headers": {}, "status_code": 200}, MODEL.output_shape)
    ours = read_listing(data)
    assert [(one["Key"], one["Size"], one["LastModified"], one["ETag"]) for one in ours["Contents"]] == [
        (one["Key"], one["Size"], one["LastModified"], one["ETag"]) for one in theirs.get("Contents", ())
    ]
    assert ours["CommonPrefixes"] == theirs.get("CommonPrefixes", [])
    assert (ours["IsTruncated"], ours["NextContinuationToken"]) == (bool(token), theirs.get("NextContinuationToken"))


@pytest.mark.parametrize("code", [quote, quote_plus])
@given(keys=st.lists(KEYS, max_size=5), directories=st.lists(KEYS, max_size=3))
def test_names_that_the_store_has_encoded_are_decoded(
    code: Callable[[str], str], keys: list[str], directories: list[str]
) -> None:
    ours = read_listing(answer(keys, directories, None, code=code, space=""))
    assert [one["Key"] for one in ours["Contents"]] == keys
    assert [one["Prefix"] for one in ours["CommonPrefixes"]] == [f"{name}/" for name in directories]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"<Error><Code>SlowDown</Code></Error>",
        b"<ListBucketResult></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents></Contents></ListBucketResult>",
        answer(["key"], [], None, space="")[:-5],
    ],
)
def test_what_is_no_listing_is_left_to_the_client_library(data: bytes) -> None:
    with pytest.raises((ElementTree.ParseError, ValueError)):
        read_listing(data)


@pytest.mark.parametrize(
    "text", ["2026-11-25T03:04:05.000Z", "2026-11-25T03:04:05Z", "Wed, 25 Nov 2026 03:04:05 GMT", "20261125T030405Z"]
)
def test_a_moment_is_read_in_every_form_that_stores_write(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)
