"""Every method over TLS with a token, by a client that knows nothing but the contract;
and what the metrics say of it."""

import json
import subprocess
import time
import urllib.request

import grpc
import pytest
from conftest import Server, rpc_details

# Far longer than any test: it goes through ten billion pairs.
ENDLESS = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a, b WHERE a + b < 0 RETURN a"


def token(binary, file, name, role, *more):
    made = subprocess.run(
        [binary, "token", "--name", name, "--role", role, *more], check=True, capture_output=True, text=True
    )
    with file.open("a") as out:
        out.write(made.stdout)
    secret = made.stderr.strip().rpartition(" ")[2]
    assert secret.startswith("kf_") and secret not in made.stdout
    return secret


class Secured:
    """A server with TLS, tokens, an audit, copies and an admin page, and channels to it."""

    def __init__(self, binary, directory):
        certificate, key, tokens = (directory / name for name in ("server.pem", "server.key", "tokens.toml"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            + ["-addext", "basicConstraints=critical,CA:FALSE"]
            + ["-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        self.tokens = {role: token(binary, tokens, role, role) for role in ("read", "write", "admin")}
        self.tokens["veiled"] = token(binary, tokens, "veiled", "read", "--hide", "email")
        self.root = certificate.read_bytes()
        arguments = ["--tls-certificate", certificate, "--tls-key", key, "--tokens", tokens]
        arguments += ["--admin", "127.0.0.1:0", "--set", f"audit_dir={directory / 'audit'}"]
        arguments += ["--set", f"backup_dir={directory / 'copies'}"]
        (directory / "copies").mkdir()
        self.server = Server(binary, directory, *arguments, connect=self.connect)
        self.admin_page = self.server.admin_address()

    def connect(self, address, role="admin", secret=None):
        secret = self.tokens[role] if secret is None else secret
        credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(self.root), grpc.access_token_call_credentials(secret)
        )
        return grpc.secure_channel(address, credentials)

    def channel(self, role="admin", secret=None):
        return self.connect(self.server.address, role, secret)

    def metrics(self):
        with urllib.request.urlopen(self.admin_page + "/metrics", timeout=10) as page:
            assert page.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
            return page.read().decode()

    def metric(self, line):
        """The value of a metric, written as the page writes it; 0 if it is not there yet."""
        for known in self.metrics().splitlines():
            name, _, value = known.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0


@pytest.fixture(scope="module")
def secured(binary, tmp_path_factory):
    secured = Secured(binary, tmp_path_factory.mktemp("secured"))
    yield secured
    log = secured.server.log()
    assert secured.server.stop() == 0, log
    assert "panicked" not in log, log
    for secret in secured.tokens.values():
        assert secret not in log


@pytest.fixture(scope="module")
def stub(api, secured):
    channels = {role: secured.channel(role) for role in secured.tokens}
    yield lambda service, role="admin": getattr(api, service + "Stub")(channels[role])
    for channel in channels.values():
        channel.close()


@pytest.fixture(scope="module", autouse=True)
def known(stub, api, make):
    """Ann and Bob at one address, and a device that is nearly Ann's."""
    weak = make.seen("email:ann@example.com", "device:d-2", source="web", confidence=0.4)
    observations = [
        make.seen("account:a-1", "email:ann@example.com", "device:d-1", "address:Elm 1", record_id="c-1"),
        make.seen("account:a-2", "email:bob@example.com", "address:elm 1"),
        weak,
    ]
    request = api.ObserveRequest(request_id="first", observations=observations)
    receipt = stub("IngestService", "write").Observe(request).receipt
    assert (receipt.accepted, receipt.replayed) == (3, False)
    again = stub("IngestService", "write").Observe(request).receipt
    assert (again.sequence, again.replayed) == (receipt.sequence, True)
    return receipt.sequence


def refusal(error):
    return error.code(), rpc_details(error)["ErrorInfo"].reason


def test_every_method_answers(stub, api, make, known, secured):
    """Each method of the contract is called; one that is left out fails at the end."""
    # `known` has observed.
    called = {"IngestService/Observe"}

    def call(service, method, request, **options):
        called.add(f"{service}/{method}")
        answer = getattr(stub(service), method)(request, **options)
        return answer

    ann, bob, device = (make.identifier(name) for name in ("email:ann@example.com", "email:bob@example.com", "device:d-2"))
    person = make.person("email:ann@example.com")
    batch = api.ObserveStreamRequest(batch_id=7, request_id="streamed", observations=[make.seen("account:a-3", "device:d-3")])
    [answer] = call("IngestService", "ObserveStream", iter([batch]))
    assert (answer.batch_id, answer.receipt.accepted) == (7, 1)
    by = {"author": "ann", "reason": "a test"}
    forbid = api.ForbidRequest(a=ann, b=bob, request_id="forbid-1", **by)
    assert call("IngestService", "Forbid", forbid).receipt.changed
    assert call("IngestService", "Forbid", forbid).receipt.replayed
    assert call("IngestService", "Release", api.ReleaseRequest(a=ann, b=bob, **by)).receipt.changed
    required = call("IngestService", "Require", api.RequireRequest(a=ann, b=device, **by)).receipt
    assert required.counts.merged == 1
    what = api.Retraction(link=api.RetractedLink(source="web", a=ann, b=device))
    assert call("IngestService", "Retract", api.RetractRequest(what=what, **by)).receipt.changed

    found = call("LookupService", "ResolvePerson", api.ResolvePersonRequest(person=person)).person
    assert found.identifier_count == 4
    results = call("LookupService", "BatchResolvePersons", api.BatchResolvePersonsRequest(persons=[person, person])).results
    assert [it.person.person_id for it in results] == [found.person_id] * 2
    profile = call("LookupService", "GetProfile", api.GetProfileRequest(person=person)).profile
    assert [record.record_id for record in profile.records if record.record_id] == ["c-1"]
    household = api.GetHouseholdRequest(household=api.HouseholdSelector(identifier=ann))
    assert call("LookupService", "GetHousehold", household).household.person_count == 2
    listing = api.ListIdentifiersRequest(person=person, page_size=3)
    page = call("LookupService", "ListIdentifiers", listing)
    listing.page_token = page.next_page_token
    rest = call("LookupService", "ListIdentifiers", listing)
    assert (len(page.identifiers), len(rest.identifiers), rest.next_page_token) == (3, 1, "")
    before = api.ReadOptions(as_of_sequence=known)
    asked = api.ResolvePersonRequest(person=person, options=before)
    assert call("LookupService", "ResolvePerson", asked).person.identifier_count == 3

    assert call("ExplainService", "Why", api.WhyRequest(a=ann, b=device)).path[0].override.author == "ann"
    apart = call("ExplainService", "WhyNot", api.WhyNotRequest(a=ann, b=bob))
    assert (apart.two_persons, apart.outcome) == (True, api.PATH_OUTCOME_NONE)
    assert [it.kind for it in call("ExplainService", "How", api.HowRequest(person=person)).events][-1] == api.EVENT_KIND_MERGED
    assert len(call("ExplainService", "History", api.HistoryRequest(person=person)).events) > 1
    supposed = api.WhatIfRequest(identifier=ann, options=api.ReadOptions(without_sources=["crm"]))
    assert call("ExplainService", "WhatIf", supposed).difference == api.DIFFERENCE_SPLIT
    assert len(call("ExplainService", "Network", api.NetworkRequest(identifier=ann, depth=1)).nodes) > 3

    kinds = [part.WhichOneof("part") for part in call("QueryService", "Query", api.QueryRequest(text="RETURN 1 AS n"))]
    assert kinds == ["columns", "rows", "statistics"]
    parsed = call("QueryService", "Parse", api.ParseRequest(text="MATCH (e:emial) RETURN e", cursor=11))
    assert parsed.diagnostics[0].code == "unknown-label" and "email" in parsed.completions
    feed = call("WatchService", "Watch", api.WatchRequest())
    first = next(feed)
    feed.cancel()
    assert first.events[0].sequence == 1
    resumed = call("WatchService", "Watch", api.WatchRequest(**{"from": first.position}))
    behind = next(resumed)
    resumed.cancel()
    assert all(event.sequence >= first.position.sequence for event in behind.events)

    assert call("AdminService", "GetStats", api.GetStatsRequest()).persons >= 3
    schema = call("AdminService", "GetSchema", api.GetSchemaRequest()).schema
    strict = schema.replace("threshold = 0.5", "threshold = 0.6")
    assert call("AdminService", "PlanSchema", api.PlanSchemaRequest(schema=strict)).plan.persons_before >= 3
    call("AdminService", "ApplySchema", api.ApplySchemaRequest(schema=strict, **by))
    assert call("AdminService", "Check", api.CheckRequest()).problem_count == 0
    assert call("AdminService", "Backup", api.BackupRequest(name="monday")).sequence > 0
    call("AdminService", "Compact", api.CompactRequest())
    rebuilt = call("AdminService", "Rebuild", api.RebuildRequest()).plan
    assert rebuilt.persons_before == rebuilt.untouched >= 3
    assert not call("IngestService", "GetOutcome", api.GetOutcomeRequest(request_id="never")).applied
    verdicts = call("ExplainService", "Assert", api.AssertRequest(assertions="same email:ann@example.com device:none"))
    assert [verdict.outcome for verdict in verdicts.verdicts] == [api.ASSERTION_OUTCOME_UNKNOWN]
    parts = [part.WhichOneof("part") for part in call("AdminService", "ExportPerson", api.ExportPersonRequest(person=person))]
    assert parts == ["profile", "links", "events"]
    audited = call("AdminService", "Audit", api.AuditRequest(identifier=ann)).entries
    assert {entry.method for entry in audited} >= {"LookupService/ResolvePerson", "ExplainService/Why"}
    assert all("ann@" not in subject for entry in audited for subject in entry.subjects)

    named = api.ForgottenIdentifiers(identifiers=[device])
    forgotten = call("IngestService", "Forget", api.ForgetRequest(identifiers=named, **by))
    assert forgotten.proof.complete and forgotten.receipt.counts.erased == 1
    assert call("IngestService", "Readmit", api.ReadmitRequest(identifier=device, **by)).receipt.changed

    files = [api_file.DESCRIPTOR for api_file in api._modules if hasattr(api_file, "DESCRIPTOR")]
    contract = {
        f"{service.name}/{method.name}"
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert called == contract


@pytest.mark.parametrize("secret", ["", "kf_wrong", "kf_" + "0" * 64])
def test_a_wrong_token_is_refused(api, secured, secret):
    with secured.channel(secret=secret) as channel, pytest.raises(grpc.RpcError) as caught:
        api.AdminServiceStub(channel).GetStats(api.GetStatsRequest())
    assert refusal(caught.value) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_a_wrong_role_is_refused(api, stub, make):
    with pytest.raises(grpc.RpcError) as caught:
        stub("IngestService", "read").Observe(api.ObserveRequest(observations=[make.seen("device:d-9")]))
    assert refusal(caught.value) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_INSUFFICIENT")
    with pytest.raises(grpc.RpcError) as caught:
        stub("AdminService", "write").Compact(api.CompactRequest())
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_namespace_comes_back_redacted(api, stub, make):
    request = api.ResolvePersonRequest(person=make.person("device:d-1"), view=api.VIEW_FULL)
    shown = stub("LookupService", "veiled").ResolvePerson(request).person.identifiers
    emails = [it.identifier.value for it in shown if it.identifier.namespace == "email"]
    assert emails and all(value.startswith("redacted-") for value in emails)
    text = "MATCH (e:email) RETURN e.value"
    parts = list(stub("QueryService", "veiled").Query(api.QueryRequest(text=text)))
    assert "example.com" not in str(parts)
    assert "ann@example.com" in str(list(stub("QueryService").Query(api.QueryRequest(text=text))))


def test_no_one_speaks_in_plain(secured, api):
    with grpc.insecure_channel(secured.server.address) as channel, pytest.raises(grpc.RpcError) as caught:
        api.AdminServiceStub(channel).GetStats(api.GetStatsRequest(), timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_an_expired_deadline_and_a_dropped_stream_stop_their_queries(api, stub, secured):
    running = 'kinfold_running{kind="query"}'
    with pytest.raises(grpc.RpcError) as caught:
        list(stub("QueryService", "read").Query(api.QueryRequest(text=ENDLESS), timeout=0.5))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    stream = stub("QueryService", "read").Query(api.QueryRequest(text=ENDLESS))
    assert next(stream).WhichOneof("part") == "columns"
    # The query before may take a moment to notice.
    until = time.monotonic() + 20
    while secured.metric(running) != 1:
        assert time.monotonic() < until
    stream.cancel()
    while secured.metric(running) != 0:
        assert time.monotonic() < until
    assert secured.metric('kinfold_requests_total{method="QueryService/Query",code="CANCELLED"}') >= 1


def test_a_message_that_is_too_large_is_refused(api, stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub("IngestService").Observe(api.ObserveRequest(request_id="x" * (5 << 20)))
    assert caught.value.code() in (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_the_metrics_are_a_text_that_others_read(secured):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    text = secured.metrics()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for name in (
        "kinfold_requests",
        "kinfold_request_duration_seconds",
        "kinfold_commit_observations",
        "kinfold_write_queue",
        "kinfold_store",
        "kinfold_rocksdb",
        "kinfold_events",
    ):
        assert families[name].documentation, name
    figures = {sample.labels["name"]: sample.value for sample in families["kinfold_store"].samples}
    assert figures["persons"] >= 3 and "held_back_links" in figures
    events = {sample.labels["kind"] for sample in families["kinfold_events"].samples}
    assert "merged" in events or "created" in events
    assert "example.com" not in text


def test_health_is_told_over_http(secured):
    for page, said in (("/live", "alive"), ("/ready", "ready")):
        with urllib.request.urlopen(secured.admin_page + page, timeout=10) as answer:
            assert answer.read().decode().strip() == said


def test_the_command_line_goes_the_same_way(binary, secured, tmp_path):
    (tmp_path / "ca.pem").write_bytes(secured.root)
    (tmp_path / "token").write_text(secured.tokens["read"])
    arguments = ["--server", f"https://{secured.server.address}", "--ca", tmp_path / "ca.pem"]
    run = lambda command, *more: subprocess.run([binary, command, *arguments, *more], capture_output=True, text=True)
    told = run("stats", "--token-file", tmp_path / "token", "--format", "json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["persons"] >= 3
    refused = run("stats")
    assert refused.returncode == 1 and "authorization: Bearer" in refused.stderr
