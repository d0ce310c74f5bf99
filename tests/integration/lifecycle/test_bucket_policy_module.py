"""A bucket is brought to its declared state in one run, and to nothing else."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mobul.backup.plugins.module_utils._core.documents.strict_json import MAX_BYTES
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import BackupError, ConfigError, PreflightError
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket import applying
from ansible_collections.mobul.backup.plugins.module_utils._core.lifecycle.bucket.run import run_bucket_policy
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.s3.errors import S3Error
from ansible_collections.mobul.backup.plugins.modules.bucket_policy import ARGUMENTS
from botocore.exceptions import ClientError
from support.lab import MotoServer, S3Server
from support.playbooks import Playbooks
from support.s3_proxy import Forward, Reply, Request, S3Proxy, error

DOCUMENTS_RULE = {
    "ID": "expire-old-backups",
    "Status": "Enabled",
    "Filter": {"Prefix": "backups/"},
    "Expiration": {"Days": 365},
}
FOREIGN = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}
READING = {"GET", "HEAD"}
ENDING_POLICY = {"pre_migration": "30d", "post_incident": "30d", "manual": "30d"}


class SizesKept:
    """Makes moto, which forgets limits of size, a store that keeps lifecycle rules as they were given."""

    def __init__(self) -> None:
        self._documents: dict[str, bytes] = {}

    def __call__(self, request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        bucket = request.path.partition("?")[0]
        if "lifecycle" not in request.query or reply.status not in (200, 204):
            return reply
        method = request.headers[":method"]
        if method == "PUT":
            self._documents[bucket] = request.body
        elif method == "DELETE":
            self._documents.pop(bucket, None)
        elif bucket in self._documents:
            reply.body = self._documents[bucket]
            reply.headers["content-length"] = str(len(reply.body))
        return reply


@dataclass
class Bench:
    """The module against one store, and what was asked of that."""

    server: Any
    proxy: S3Proxy
    bucket: str
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """One run, with the options that Ansible would fill in."""
        location = self.server.location(self.bucket)
        given = {name: location[name] for name in ("bucket", "region", "access_key", "secret_key")}
        given |= {"endpoint_url": self.proxy.endpoint_url, **self.options, **options}
        validated = ArgumentSpecValidator(ARGUMENTS).validate(given)
        assert validated.error_messages == []
        self.proxy.requests.clear()
        return run_bucket_policy(validated.validated_parameters, check)

    def writes(self) -> list[str]:
        """The requests of the last run that change something."""
        return [request.path for request in self.proxy.requests if request.headers[":method"] not in READING]

    def client(self) -> Any:
        """Somebody else, who sees the same store."""
        return boto3.client(
            "s3",
            endpoint_url=self.proxy.endpoint_url,
            region_name=self.server.region,
            aws_access_key_id=self.server.access_key,
            aws_secret_access_key=self.server.secret_key,
        )

    def rules(self) -> list[dict[str, Any]]:
        """The lifecycle rules as the store tells them."""
        try:
            reply = self.client().get_bucket_lifecycle_configuration(Bucket=self.bucket)
        except ClientError:
            return []
        found: list[dict[str, Any]] = reply["Rules"]
        return found

    def set_rules(self, *rules: dict[str, Any]) -> None:
        """Somebody else sets lifecycle rules."""
        configuration = {"Rules": list(rules)}
        self.client().put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration=configuration)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def bench_of() -> Iterator[Callable[[Any, str], Bench]]:
    """Makes a :class:`Bench` of a server and a bucket."""
    made: list[S3Proxy] = []

    def make(server: Any, bucket: str) -> Bench:
        proxy = S3Proxy(server.endpoint_url)
        proxy.__enter__()
        made.append(proxy)
        return Bench(server, proxy, bucket)

    yield make
    for proxy in made:
        proxy.__exit__()


@pytest.fixture
def bench(bench_of: Callable[[Any, str], Bench], moto_server: MotoServer) -> Bench:
    """A fresh bucket of a store that knows everything."""
    made = bench_of(moto_server, moto_server.create_bucket())
    made.proxy.inject("*", SizesKept())
    return made


def test_a_fresh_bucket_gets_everything_and_a_second_run_finds_nothing_to_do(bench: Bench) -> None:
    first = bench.run(prefixes=["backups"])
    assert first["changed"]
    client = bench.server.client()
    assert client.get_bucket_versioning(Bucket=bench.bucket)["Status"] == "Enabled"
    assert all(client.get_public_access_block(Bucket=bench.bucket)["PublicAccessBlockConfiguration"].values())
    assert {rule["ID"] for rule in bench.rules()} == {"mobul-backup-clean-backups", "mobul-backup-archive-backups"}
    archive = first["bucket"]["lifecycle"]["mobul-backup-archive-backups"]
    assert archive["Scope"] == {"larger_than": MAX_BYTES, "prefix": "backups/"}
    assert archive["Transitions"] == [{"Days": 90, "StorageClass": "GLACIER"}]
    second = bench.run(prefixes=["backups"])
    assert not second["changed"]
    assert second["changes"] == []
    assert bench.writes() == []
    assert second["bucket"] == first["bucket"]
    assert second["diff"]["before"] == second["diff"]["after"]


def test_our_rules_in_another_order_and_form_are_the_same_rules(bench: Bench) -> None:
    options = {"prefixes": ["a", "b"], "archive_after_days": 0}
    bench.run(**options)
    rules = [{**rule, "Filter": {"And": {"Prefix": rule["Filter"]["Prefix"]}}} for rule in bench.rules()]
    bench.set_rules(*reversed(rules))
    assert not bench.run(**options)["changed"]


def test_the_smallest_size_of_transitions_that_somebody_chose_is_kept(bench: Bench) -> None:
    name = "x-amz-transition-default-minimum-object-size"

    def choose(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        if "lifecycle" in request.query and request.headers[":method"] == "GET":
            reply.headers[name] = "varies_by_storage_class"
        return reply

    bench.set_rules(FOREIGN)
    bench.proxy.inject("*", choose)
    bench.run(prefixes=["backups"], archive_after_days=0)
    (written,) = (one for one in bench.proxy.of("Bucket") if "lifecycle" in one.query)
    assert written.headers[name] == "varies_by_storage_class"


def test_check_mode_writes_nothing_and_tells_what_the_run_then_does(bench: Bench) -> None:
    bench.set_rules(FOREIGN)
    told = bench.run(check=True, prefixes=["backups"])
    assert told["changed"]
    assert bench.writes() == []
    assert [rule["ID"] for rule in bench.rules()] == ["logs"]
    assert told["summary"][0].startswith(f"bucket '{bench.bucket}': would ")
    done = bench.run(prefixes=["backups"])
    assert done["changes"] == told["changes"]
    assert done["bucket"] == told["bucket"]
    assert done["diff"] == told["diff"]
    again = bench.run(check=True, prefixes=["backups"])
    assert not again["changed"]


def test_the_diff_names_what_changes_and_nothing_else(bench: Bench) -> None:
    bench.run()
    diff = bench.run(check=True, noncurrent_days=60)["diff"]
    before, after = diff["before"], diff["after"]
    assert before.pop("lifecycle") != after["lifecycle"]
    clean = after.pop("lifecycle")["mobul-backup-clean"]
    assert clean["NoncurrentVersionExpiration"] == {"NoncurrentDays": 60}
    assert before == after


def test_rules_of_others_are_kept_and_ours_that_are_not_derived_any_more_are_removed(bench: Bench) -> None:
    bench.set_rules(FOREIGN)
    bench.run(prefixes=["a", "b"])
    done = bench.run(prefixes=["b"], archive_after_days=0)
    assert "remove mobul-backup-clean-a, mobul-backup-archive-a, mobul-backup-archive-b" in done["changes"][0]
    assert [rule["ID"] for rule in bench.rules()] == ["logs", "mobul-backup-clean-b"]
    assert bench.rules()[0] == FOREIGN
    nothing = dict.fromkeys(["abort_uploads_after_days", "noncurrent_days", "archive_after_days"], 0)
    assert bench.run(prefixes=["b"], **nothing)["changed"]
    assert bench.rules() == [FOREIGN]


def test_where_no_rule_is_left_there_is_no_configuration(bench: Bench) -> None:
    nothing = dict.fromkeys(["abort_uploads_after_days", "noncurrent_days", "archive_after_days"], 0)
    bench.run()
    assert bench.run(**nothing)["changed"]
    assert bench.rules() == []
    assert not bench.run(**nothing)["changed"]


@pytest.mark.parametrize("prefixes", [["backups"], ["backups/shop"], [""]])
def test_the_documents_own_rule_is_refused_and_nothing_is_written(bench: Bench, prefixes: list[str]) -> None:
    bench.set_rules(FOREIGN, DOCUMENTS_RULE)
    with pytest.raises(ConfigError) as caught:
        bench.run(prefixes=prefixes)
    assert "'expire-old-backups' on 'backups/' ends objects after 365 days" in str(caught.value)
    assert "until they are released (pre_migration, post_incident, manual)" in str(caught.value)
    assert bench.writes() == []
    assert bench.server.client().get_bucket_versioning(Bucket=bench.bucket).get("Status") is None


def test_a_rule_of_others_that_would_archive_manifests_is_a_warning(bench: Bench) -> None:
    cold = {"ID": "cold", "Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 9, "StorageClass": "GLACIER"}]}
    bench.set_rules(cold)
    (warning,) = bench.run()["warnings"]
    assert "'cold' on the whole bucket may move manifests to GLACIER" in warning


def test_a_store_that_forgets_the_limit_of_size_gets_its_rules_of_before_back(
    bench_of: Callable[[Any, str], Bench], moto_server: MotoServer
) -> None:
    bench = bench_of(moto_server, moto_server.create_bucket())
    bench.set_rules(FOREIGN)
    with pytest.raises(S3Error, match="tells something else now") as caught:
        bench.run(prefixes=["backups"])
    assert "the lifecycle rules of before were brought back" in str(caught.value)
    assert bench.rules() == [FOREIGN]
    assert bench.run(prefixes=["backups"], archive_after_days=0)["changed"]
    assert not bench.run(prefixes=["backups"], archive_after_days=0)["changed"]


def test_a_store_that_loses_a_rule_of_others_gets_it_back(bench: Bench) -> None:
    bench.set_rules(FOREIGN)
    bench.run(prefixes=["backups"])
    ours = bench.rules()[1:]
    looks: list[int] = []

    def lose(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        if "lifecycle" in request.query and request.headers[":method"] == "GET":
            looks.append(1)
            if len(looks) == 2:
                reply.body = re.sub(rb"<Rule>(?:(?!</Rule>).)*<ID>logs</ID>.*?</Rule>", b"", reply.body, flags=re.S)
                reply.headers["content-length"] = str(len(reply.body))
        return reply

    kept = SizesKept()
    bench.proxy.inject("*", lambda request, forward: lose(request, lambda one: kept(one, forward)))
    bench.set_rules(FOREIGN, *ours)
    with pytest.raises(S3Error, match="rules of before were brought back"):
        bench.run(prefixes=["backups"], archive_after_days=10)
    assert bench.rules() == [FOREIGN, *ours]


def test_a_missing_bucket_is_an_error_and_made_only_where_that_was_asked_for(bench: Bench) -> None:
    bench.bucket = f"bucket-{secrets.token_hex(5)}"
    with pytest.raises(PreflightError, match=r"does not exist \(create: true makes it"):
        bench.run()
    told = bench.run(check=True, create=True)
    assert told["changes"][0] == "make the bucket"
    assert told["diff"]["before"]["state"] == "absent"
    assert bench.writes() == []
    assert bench.bucket not in {found["Name"] for found in bench.server.client().list_buckets()["Buckets"]}
    done = bench.run(create=True)
    assert done["changes"] == told["changes"]
    assert done["bucket"] == told["bucket"]
    assert not bench.run(create=True)["changed"]


def test_a_bucket_in_another_region_is_made_there(bench: Bench) -> None:
    bench.bucket = f"bucket-{secrets.token_hex(5)}"
    assert bench.run(create=True, region="eu-central-1")["changed"]
    found = bench.server.client().get_bucket_location(Bucket=bench.bucket)
    assert found["LocationConstraint"] == "eu-central-1"


def test_a_bucket_that_cannot_be_made_says_what_is_missing(bench: Bench) -> None:
    bench.bucket = f"bucket-{secrets.token_hex(5)}"
    bench.proxy.inject("Bucket", error(403, "AccessDenied"))
    with pytest.raises(S3Error, match=r"make the bucket: .*s3:CreateBucket"):
        bench.run(create=True)
    bench.proxy.inject("Bucket", error(400, "IllegalLocationConstraintException"))
    with pytest.raises(S3Error, match="set region to where the bucket shall be"):
        bench.run(create=True)


LOCK = {"mode": "GOVERNANCE", "days": 7}


def test_a_bucket_is_made_with_object_lock_and_its_retention(bench: Bench) -> None:
    bench.bucket = f"bucket-{secrets.token_hex(5)}"
    done = bench.run(create=True, object_lock=LOCK)
    assert done["changes"][:1] == ["make the bucket with Object Lock"]
    assert "enable versioning" not in done["changes"]
    assert done["bucket"]["object_lock"] == {"enabled": True, "default_retention": LOCK}
    assert not bench.run(object_lock=LOCK)["changed"]
    shorter = bench.run(object_lock={**LOCK, "days": 3})
    assert shorter["changes"] == ["lock new objects for 3 days (GOVERNANCE)"]


def test_a_bucket_that_was_made_without_object_lock_says_what_to_do(bench: Bench) -> None:
    bench.server.client().put_object(Bucket=bench.bucket, Key="there", Body=b"already")
    with pytest.raises(S3Error) as caught:
        bench.run(object_lock=LOCK)
    assert "a bucket is best made with Object Lock, which create: true does" in str(caught.value)
    assert "done before: enable versioning, block public access" in str(caught.value)


def test_a_lock_that_outlasts_the_policy_is_refused_with_both_numbers(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"for 8 days, but the policy lets sets go after 7 days"):
        bench.run(object_lock={"mode": "COMPLIANCE", "days": 8})
    assert bench.proxy.requests == []
    longer = {"daily": "9d", "pre_restore": "9d"}
    with pytest.raises(ConfigError, match=r"for 10 days, but the policy lets sets go after 9 days"):
        bench.run(object_lock={"mode": "COMPLIANCE", "days": 10}, retention=longer)


def test_a_policy_shorter_than_the_buckets_own_lock_is_refused_and_nothing_is_written(bench: Bench) -> None:
    bench.bucket = bench.server.create_bucket(ObjectLockEnabledForBucket=True)
    retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": retention}
    bench.server.client().put_object_lock_configuration(Bucket=bench.bucket, ObjectLockConfiguration=configuration)
    with pytest.raises(ConfigError, match=r"the bucket's Object Lock \(COMPLIANCE\) keeps every object for 366 days"):
        bench.run()
    assert bench.writes() == []
    assert bench.run(object_lock=LOCK)["bucket"]["object_lock"]["default_retention"] == LOCK


def test_the_strictest_of_several_policies_counts(bench: Bench) -> None:
    longer = {"daily": "9d", "pre_restore": "9d"}
    with pytest.raises(ConfigError, match="after 7 days"):
        bench.run(object_lock={"mode": "COMPLIANCE", "days": 8}, retention=[longer, None])
    with pytest.raises(ConfigError, match="until they are released"):
        bench.run(expire=True, retention=[ENDING_POLICY, None])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retention": {}}, "the policy is empty"),
        ({"retention": {"hourly": "1d"}}, "unknown kind 'hourly'"),
        ({"retention": "90d"}, "neither a policy nor a list"),
        ({"retention": {"yearly": "1d"}}, "contradicts itself"),
        ({"prefixes": []}, "prefixes is empty"),
        ({"prefixes": ["../other"]}, "not usable"),
        ({"kms_key_id": "alias/a"}, "kms_key_id is given without"),
        ({"archive_after_days": -1}, "archive_after_days is -1"),
        ({"noncurrent_days": 40000}, "noncurrent_days is 40000"),
        ({"object_lock": {"mode": "NEVER", "days": 1}}, "unknown mode"),
        ({"expire": True}, "keeps pre_migration, post_incident, manual sets until they are released"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_store_is_asked(
    bench: Bench, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        bench.run(**options)
    assert bench.proxy.requests == []


def test_expirations_come_a_margin_after_the_longest_period_and_with_a_warning(bench: Bench) -> None:
    done = bench.run(expire=True, retention=ENDING_POLICY, expire_margin_days=10)
    rule = next(rule for rule in bench.rules() if rule["ID"] == "mobul-backup-expire")
    assert rule["Expiration"] == {"Days": 7 * 366 + 10}
    assert any("held or not" in warning for warning in done["warnings"])
    assert not bench.run(expire=True, retention=ENDING_POLICY, expire_margin_days=10)["changed"]


def test_nothing_is_archived_that_is_gone_by_then_and_that_is_told(bench: Bench) -> None:
    short = {**ENDING_POLICY, "weekly": "60d", "export": "60d", "monthly": None, "yearly": None}
    done = bench.run(retention=short)
    assert [rule["ID"] for rule in bench.rules()] == ["mobul-backup-clean"]
    assert done["notes"] == [
        "nothing is archived: the policy keeps no set for longer than 60 days, and archive_after_days is 90"
    ]


def test_a_key_of_kms_is_set_and_told_from_another_but_never_taken_away(bench: Bench) -> None:
    first = {"encryption": "aws:kms", "kms_key_id": "alias/backups"}
    assert "encrypt new objects by aws:kms with the key alias/backups" in bench.run(**first)["changes"]
    assert not bench.run(**first)["changed"]
    assert not bench.run(encryption="aws:kms")["changed"]
    kept = bench.run(encryption="AES256")
    assert not kept["changed"]
    assert kept["notes"] == ["new objects are encrypted with aws:kms, which is more than asked"]
    assert bench.run(**{**first, "kms_key_id": "alias/other"})["changed"]


def test_a_keys_arn_is_the_key(bench: Bench) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    bench.run(encryption="aws:kms", kms_key_id=arn)
    assert not bench.run(encryption="aws:kms", kms_key_id=arn.rpartition("/")[2])["changed"]
    assert bench.run(check=True, encryption="aws:kms", kms_key_id="1234abcd")["changed"]


NOT_TOUCHED = {"versioning": False, "block_public_access": False, "encryption": "none", "lifecycle": False}


@pytest.mark.parametrize(
    ("name", "value", "feature"),
    [
        ("versioning", True, "versioning"),
        ("block_public_access", True, "public access block"),
        ("encryption", "AES256", "default encryption"),
        ("lifecycle", True, "lifecycle rules"),
    ],
)
def test_a_store_that_does_not_know_a_setting_is_told_with_the_option_that_leaves_it_out(
    bench_of: Callable[[Any, str], Bench], s3_server: S3Server, s3_bucket: str, name: str, value: Any, feature: str
) -> None:
    bench = bench_of(s3_server, s3_bucket)
    with pytest.raises(S3Error, match=f"the store does not know {feature} of a bucket") as caught:
        bench.run(**{**NOT_TOUCHED, name: value})
    left_out = f"{name}: {str(NOT_TOUCHED[name]).lower()} leaves it as it is"
    assert left_out in str(caught.value)
    done = bench.run(**NOT_TOUCHED)
    assert not done["changed"]
    assert done["summary"] == [f"bucket '{s3_bucket}': is as declared"]


@pytest.mark.parametrize("status", [(501, "NotImplemented"), (405, "MethodNotAllowed")])
def test_a_store_that_does_not_know_how_to_read_a_setting_is_told_alike(bench: Bench, status: tuple[int, str]) -> None:
    bench.proxy.inject("*", error(*status))
    with pytest.raises(S3Error, match=r"does not know versioning of a bucket .*versioning: false"):
        bench.run()
    # Object Lock was asked for by nobody: what the store has never heard of locks nothing.
    assert "object_lock" not in bench.run(**NOT_TOUCHED)["changes"]


def test_a_store_that_takes_a_setting_and_forgets_it_is_found_out(bench: Bench) -> None:
    def forget(request: Request, forward: Forward) -> Reply:
        return Reply(200) if "versioning" in request.query and request.body else forward(request)

    bench.proxy.inject("*", forget)
    with pytest.raises(S3Error, match="took versioning and tells something else now"):
        bench.run(**{**NOT_TOUCHED, "versioning": True})


def test_a_store_that_is_slow_to_tell_is_given_time(bench: Bench) -> None:
    bench.run(archive_after_days=0)
    rules: list[bytes] = []

    def late(request: Request, forward: Forward) -> Reply:
        reply = forward(request)
        if "lifecycle" in request.query and request.headers[":method"] == "GET":
            rules.append(reply.body)
            reply.body = rules[0] if len(rules) < 4 else reply.body
            reply.headers["content-length"] = str(len(reply.body))
        return reply

    bench.proxy.inject("*", late)
    assert bench.run(archive_after_days=0, noncurrent_days=60)["changed"]
    assert len(rules) == 4


def test_denied_access_names_the_permission(bench: Bench) -> None:
    bench.proxy.inject("*", error(403, "AccessDenied"), skip=1)
    with pytest.raises(S3Error, match="the credentials need s3:GetBucketVersioning on the bucket"):
        bench.run()


def test_a_step_that_fails_tells_what_was_done_before_it(bench: Bench) -> None:
    def deny(request: Request, forward: Forward) -> Reply:
        refused = "lifecycle" in request.query and request.headers[":method"] == "PUT"
        return (error(403, "AccessDenied") if refused else lambda one, go: go(one))(request, forward)

    bench.proxy.inject("*", deny)
    with pytest.raises(BackupError, match="done before: enable versioning, block public access, encrypt") as caught:
        bench.run()
    assert "s3:PutLifecycleConfiguration" in str(caught.value)


@pytest.mark.next
def test_the_playbook_brings_every_bucket_to_its_state_once_and_shows_no_secret(
    playbooks: Playbooks, moto_server: MotoServer
) -> None:
    shared, other = moto_server.create_bucket(), moto_server.create_bucket()
    secret = "canary-bucket-secret-91"
    locations = [
        {**moto_server.location(shared, prefix="shop"), "secret_key": secret, "ca_bundle": ""},
        {"name": "local", "type": "local", "path": "/nowhere"},
    ]
    second = [
        {**moto_server.location(shared, prefix="crm"), "secret_key": secret},
        {**moto_server.location(other, name="other"), "secret_key": secret},
        {**moto_server.location("somebody-elses-bucket", name="else"), "secret_key": secret},
    ]
    hosts = {
        "shop": {"backup_locations": locations},
        "crm": {"backup_locations": second, "backup_retention": {"weekly": "60d"}},
    }
    # moto forgets limits of size.
    inventory = playbooks.inventory(hosts, bucket_archive_after_days=0, bucket_names=[shared, other])
    run = playbooks.run("mobul.backup.bucket", inventory, "-vvv", "--diff", "--limit", "shop")
    assert run.status == 0
    assert secret not in run.output
    client = moto_server.client()
    rules = client.get_bucket_lifecycle_configuration(Bucket=shared)["Rules"]
    assert {rule["ID"] for rule in rules} == {"mobul-backup-clean-shop", "mobul-backup-clean-crm"}
    assert client.get_bucket_versioning(Bucket=other)["Status"] == "Enabled"
    again = playbooks.run("mobul.backup.bucket", inventory)
    assert again.status == 0
    assert sum(counts["changed"] for counts in again.recap().values()) == 0
    assert re.search(rf"bucket '{other}': is as declared", again.output)


@pytest.fixture
def playbooks(tmp_path: Path) -> Playbooks:
    """What runs a playbook."""
    return Playbooks(tmp_path)
