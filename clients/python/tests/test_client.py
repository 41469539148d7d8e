"""The client against a real server, over TLS with a token."""

import datetime

import grpc
import pytest
from kinfold import Client, Duration, KinfoldError, Node, Observation, Path, Relationship, api

UTC = datetime.timezone.utc
JANUARY = datetime.datetime(2026, 1, 5, 10, 0, 0, 250_000, tzinfo=UTC)

# Far longer than any test: it goes through ten billion pairs.
ENDLESS = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a, b WHERE a + b < 0 RETURN a"


@pytest.fixture(scope="module", autouse=True)
def known(server):
    """Ann with two records, and Bob at her address."""
    ann = Observation(
        "crm",
        ["account:a-1", "email:Ann@Example.com", "address:Elm 1"],
        time=JANUARY,
        record_id="c-1",
        attributes={"name": "Ann", "age": 41, "vip": True, "since": JANUARY},
    )
    web = Observation("web", ["email:ann@example.com", "device:0b1e6a3c-9f0d-4b9e-8f57-0d6a2c1b7e11"], confidence=0.9)
    bob = Observation("crm", ["account:a-2", "email:bob@example.com", "address:Elm 1"], time=JANUARY)
    with server.client() as store:
        [receipt] = store.observe([ann, web, bob], request_id="first")
        assert (receipt.accepted, len(receipt.rejections), receipt.replayed) == (3, 0, False)
        [again] = store.observe([ann, web, bob], request_id="first")
        assert (again.sequence, again.replayed) == (receipt.sequence, True)
        return receipt.sequence


def test_persons_are_looked_up(store, known):
    ann = store.person("email:ann@example.com", full=True)
    assert [it.identifier.namespace for it in ann.identifiers] == ["account", "device", "email"]
    named = store.person("email:ann@example.com", names=True)
    assert [it.identifier for it in named.identifiers] == [it.identifier for it in ann.identifiers]
    assert not any(it.sources for it in named.identifiers)
    assert store.person(ann.person_id).person_id == ann.person_id
    profile = store.profile("account:a-1")
    assert {it.name: it.value.WhichOneof("kind") for it in profile.attributes} == {
        "age": "number_value",
        "name": "string_value",
        "since": "timestamp_value",
        "vip": "bool_value",
    }
    household = store.household(ann.person_id, full=True)
    assert store.household(household.household_id).person_count == household.person_count == 2
    found = store.persons(["email:bob@example.com", "email:nobody@example.com"])
    assert (found[0].identifier_count, found[1].reason) == (2, "IDENTIFIER_UNKNOWN")
    assert [it.identifier.value for it in store.identifiers(ann.person_id, namespace="email")] == ["ann@example.com"]
    with pytest.raises(KinfoldError) as caught:
        store.person("email:ann@example.com", as_of=0)
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert store.person("email:ann@example.com", without_sources=["web"]).identifier_count == 2
    assert store.person("email:ann@example.com", at_least=known, as_of=datetime.datetime.now(UTC)).identifier_count == 3


def test_a_refusal_says_what_and_where(store):
    with pytest.raises(KinfoldError) as caught:
        store.person("emial:ann@example.com")
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNDECLARED_NAMESPACE")
    assert error.field == "person.identifier.namespace" and "did you mean `email`" in str(error)
    assert not error.passes
    with pytest.raises(KinfoldError) as caught:
        store.query("UNWIND range(1, 101) AS n RETURN n", max_rows=100).to_list()
    assert (caught.value.code, caught.value.limit) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "max_rows")
    with pytest.raises(ValueError, match="names no identifier"):
        store.person("ann@example.com")


def test_values_come_as_values_of_python(store):
    text = (
        "RETURN null AS a, true AS b, -7 AS c, 0.5 AS d, 'it' AS e, [1, [null]] AS f, {k: 1.5} AS g, "
        "datetime('2026-01-05T10:00:00.25Z') AS h, duration('P1M2DT3S') AS i"
    )
    [row] = store.query(text)
    assert list(row.values()) == [None, True, -7, 0.5, "it", [1, [None]], {"k": 1.5}, JANUARY, Duration(1, 2, 3_000_000)]
    parameters = {"list": [1, None, "x", {"y": JANUARY}], "length": Duration(days=1), "yes": True, "part": 0.5}
    [row] = store.query("RETURN $list AS list, $length AS length, $yes AS yes, $part AS part", parameters)
    assert row == parameters
    [row] = store.query("MATCH p = (a:account {value: 'a-1'})-[l:LINKED]-(e:email) RETURN a, l, p")
    assert isinstance(row["a"], Node) and row["a"].id == "account:a-1"
    assert isinstance(row["l"], Relationship) and row["l"].type == "LINKED"
    assert isinstance(row["p"], Path) and row["p"].relationships == [row["l"]]


def test_results_stream_to_frames(store):
    rows = store.query("UNWIND range(1, 50000) AS n RETURN n, toString(n) AS text")
    frame = rows.to_pandas()
    assert (len(frame), list(frame.columns), int(frame["n"].sum())) == (50_000, ["n", "text"], 1_250_025_000)
    assert rows.statistics.rows == 50_000
    table = store.query("UNWIND range(1, 3) AS n RETURN n, [n] AS list, {n: n} AS map").to_arrow()
    assert table.to_pylist()[2] == {"n": 3, "list": [3], "map": {"n": 3}}
    batches = store.query("UNWIND range(1, 200000) AS n RETURN n, 'a longer text' AS text").batches()
    sizes = [batch.num_rows for batch in batches]
    assert len(sizes) > 3 and sum(sizes) == 200_000
    empty = store.query("MATCH (i:Identifier {id: 'email:nobody@example.com'}) RETURN i.id AS id").to_pandas()
    assert (len(empty), list(empty.columns)) == (0, ["id"])


def test_a_query_ends_with_its_rows_or_its_time(store):
    with store.query("UNWIND range(1, 5000000) AS n RETURN n, range(1, 100) AS numbers") as rows:
        assert next(iter(rows))["n"] == 1
    with pytest.raises(KinfoldError) as caught:
        store.query(ENDLESS, timeout=0.5).to_list()
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert store.query("RETURN 1 AS n").to_list() == [{"n": 1}]


def test_explanations(store):
    why = store.why("email:ann@example.com", "account:a-1")
    assert why.one_person and why.path[0].link.evidence[0].source == "crm"
    assert store.why_not("account:a-1", "account:a-2").two_persons
    assert store.what_if("account:a-1", without_links=[("account:a-1", "email:ann@example.com")]).difference == api.DIFFERENCE_SPLIT
    assert len(store.network("account:a-1", depth=1).nodes) == 3
    assert [event.kind for event in store.how("account:a-1")]
    assert [event.sequence for event in store.history("account:a-1")]
    parsed = store.parse("MATCH (e:ema", cursor=12)
    assert parsed.completions == ["email"] and parsed.diagnostics


def test_what_people_say_is_done_once(store):
    by = {"author": "ann", "reason": "a test"}
    first = store.forbid("account:a-1", "account:a-2", request_id="f-1", **by)
    assert first.changed and store.forbid("account:a-1", "account:a-2", request_id="f-1", **by).replayed
    assert store.release("account:a-1", "account:a-2", **by).changed
    store.observe([Observation("app", ["device:5d7c5b0e-1f1a-4c1e-9a56-3f0a7b6d2c10", "cookie:c-9"], record_id="r-9")])
    assert store.retract_record("app", "r-9", **by).changed
    with pytest.raises(KinfoldError) as caught:
        store.retract_source("nobody", **by)
    assert caught.value.reason == "SOURCE_UNKNOWN"


def test_what_is_forgotten_stays_out(store):
    by = {"author": "ann", "reason": "a test"}
    seen = Observation("app", ["email:zoe@example.com", "account:z-1"], record_id="r-zoe", attributes={"note": "zoe@example.com"})
    store.observe([seen])
    person = store.person("account:z-1").person_id
    would = store.forget("email:zoe@example.com", dry_run=True, author="", reason="").erased
    assert [(it.namespace, it.count) for it in would.identifiers] == [("email", 1)] and would.links == 1
    done = store.forget("email:zoe@example.com", request_id="gone", **by)
    assert done.proof.complete and done.proof.files and not done.receipt.replayed and done.erased == would
    again = store.forget("email:zoe@example.com", request_id="gone", **by)
    assert again.receipt.replayed and again.proof.complete
    with pytest.raises(KinfoldError) as caught:
        store.person("email:zoe@example.com")
    assert caught.value.reason == "IDENTIFIER_UNKNOWN"
    receipt = store.observe([seen])[0]
    assert (receipt.accepted, receipt.forgotten) == (1, 1)
    assert sum(it.count for it in store.stats().forgotten) == 1
    assert store.forget(person=person, **by).erased.person_ids
    with pytest.raises(KinfoldError) as caught:
        store.person(person)
    assert caught.value.reason == "PERSON_ERASED"
    assert store.readmit("email:zoe@example.com", **by).changed
    assert store.observe([seen])[0].forgotten == 1
    assert store.person("email:zoe@example.com").person_id != person
    with pytest.raises(ValueError):
        store.forget(**by)


def test_batches_stream_in_and_changes_stream_out(store):
    before = store.stats().sequence
    batches = [[Observation("web", [f"cookie:s-{n}", f"account:s-{n}"])] for n in range(5)]
    answers = list(store.observe_stream(batches))
    assert sorted(answer.batch_id for answer in answers) == list(range(5))
    assert all(answer.receipt.accepted == 1 for answer in answers)
    with store.watch(api.WatchPosition(sequence=before + 1)) as feed:
        events, position = [], None
        while len(events) < 5:
            message = next(feed)
            events.extend(message.events)
            position = message.position
    assert {event.kind for event in events} == {api.EVENT_KIND_CREATED}
    with store.watch(position) as feed:
        assert not next(feed).events


def test_a_batch_is_asked_after(store):
    assert not store.outcome("o-1").applied
    store.observe([Observation("web", ["cookie:o-1"]), Observation("web", ["nothing:o-1"])], request_id="o-1")
    outcome = store.outcome("o-1")
    assert outcome.applied and list(outcome.rejected) == [1]


def test_assertions_are_checked(store):
    store.observe([Observation("web", ["cookie:v-1", "account:v-1"])])
    verdicts = store.verdicts("same cookie:v-1 account:v-1\ndifferent cookie:v-1 account:v-1\n")
    outcomes = [verdict.outcome for verdict in verdicts]
    assert outcomes == [api.ASSERTION_OUTCOME_HOLDS, api.ASSERTION_OUTCOME_BROKEN]
    assert verdicts[1].line == 2 and verdicts[1].reason
    with pytest.raises(KinfoldError) as caught:
        store.verdicts("same cookie:v-1")
    assert caught.value.field == "assertions"


def test_a_whole_store_is_resolved_again_without_a_change(store):
    plan = store.rebuild()
    assert plan.persons_before == plan.persons_after == plan.untouched > 0


def test_roles_and_tokens(server):
    with server.client("read") as reader:
        assert reader.stats().persons > 0
        with pytest.raises(KinfoldError) as caught:
            reader.observe([Observation("crm", ["email:x@example.com"])])
        assert caught.value.reason == "ROLE_INSUFFICIENT"
    with Client(server.url, token="kf_wrong", ca=server.ca) as stranger, pytest.raises(KinfoldError) as caught:
        stranger.stats()
    assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(ValueError, match="unencrypted"):
        Client("http://10.0.0.1:7437", token="kf_1")
    with pytest.raises(ValueError, match="names no server"):
        Client("10.0.0.1:7437")


def test_the_audit_and_an_export(store):
    ann = api.Identifier(namespace="email", value="ann@example.com")
    methods = [entry.method for entry in store.audit(identifier=ann)]
    assert "LookupService/ResolvePerson" in methods
    parts = [part.WhichOneof("part") for part in store.export("account:a-1")]
    assert parts[0] == "profile" and parts[-1] == "events"
    assert "[namespace.email]" in store.schema()
