"""Queries from outside: streamed, typed, and refused with their place in the text."""

import math
import time

import grpc
import pytest

# Far longer than any test: it goes through a hundred million pairs.
ENDLESS = "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b WITH a, b WHERE a + b < 0 RETURN a"


class Answer:
    """The parts of an answer, held to their order."""

    def __init__(self, stream):
        parts = [(part.WhichOneof("part"), part) for part in stream]
        kinds = [kind for kind, _ in parts]
        assert kinds == ["columns"] + ["rows"] * (len(kinds) - 2) + ["statistics"], kinds
        self.columns = list(parts[0][1].columns.names)
        self.sequence = parts[0][1].columns.sequence
        self.batches = [part.rows for _, part in parts[1:-1]]
        self.rows = [list(row.values) for batch in self.batches for row in batch.rows]
        self.statistics = parts[-1][1].statistics
        assert self.statistics.rows == len(self.rows)
        assert all(len(row) == len(self.columns) for row in self.rows)


def plain(value):
    """A value in this language's own terms."""
    kind = value.WhichOneof("kind")
    if kind == "null_value":
        return None
    if kind == "list_value":
        return [plain(item) for item in value.list_value.values]
    if kind == "map_value":
        return {name: plain(item) for name, item in value.map_value.entries.items()}
    return getattr(value, kind)


@pytest.fixture(scope="module")
def ask(api, queries):
    def ask(text, **fields):
        return Answer(queries.Query(api.QueryRequest(text=text, **fields)))

    return ask


def test_values_arrive_as_what_they_are(ask):
    answer = ask(
        "RETURN null AS a, true AS b, -7 AS c, 0.5 AS d, 'it''s' AS e".replace("''", "\\'")
        + ", [1, 'x', [null]] AS f, {k: 1.5} AS g, datetime('2026-01-05T10:00:00.25Z') AS h, 0.0 / 0.0 AS i"
    )
    assert answer.columns == list("abcdefghi")
    [row] = answer.rows
    values = [plain(value) for value in row]
    assert values[:7] == [None, True, -7, 0.5, "it's", [1, "x", [None]], {"k": 1.5}]
    assert values[7].ToJsonString() == "2026-01-05T10:00:00.250Z"
    assert math.isnan(values[8])


def test_nodes_links_and_paths_say_what_they_are(ask, family):
    answer = ask(
        "MATCH path = (a:email {value: 'ann@example.com'})-[l:LINKED]-(b:account) RETURN a, l, path"
    )
    assert answer.sequence == family
    [[node, link, path]] = answer.rows
    node, link, path = node.node_value, link.relationship_value, path.path_value
    assert node.id == "email:ann@example.com"
    assert sorted(node.labels) == ["Identifier", "email"]
    assert plain(node.properties["degree"]) == 2
    assert (link.type, {link.start_id, link.end_id}) == ("LINKED", {"email:ann@example.com", "account:a-1"})
    assert plain(link.properties["sources"]) == ["crm"]
    assert [it.id for it in path.nodes] == ["email:ann@example.com", "account:a-1"]
    assert list(path.relationships) == [link]


def test_parameters_go_in_as_they_come_out(api, ask):
    text = lambda it: api.Value(string_value=it)
    entries = {
        "ids": api.Value(list_value=api.ListValue(values=[text("email:ann@example.com"), text("email:who@example.com")])),
        "limit": api.Value(int_value=5),
        "map": api.Value(map_value=api.MapValue(entries={"x": api.Value(double_value=0.25)})),
    }
    answer = ask(
        "UNWIND $ids AS id OPTIONAL MATCH (i:Identifier {id: id})-[:IDENTIFIES]->(p) "
        "RETURN id, i.value AS value, $map.x AS x LIMIT $limit",
        parameters=entries,
    )
    assert [[plain(value) for value in row] for row in answer.rows] == [
        ["email:ann@example.com", "ann@example.com", 0.25],
        ["email:who@example.com", None, 0.25],
    ]


def test_rows_come_in_several_batches(ask):
    answer = ask("UNWIND range(1, 1000) AS n RETURN n, range(1, 1000) AS numbers")
    assert [plain(row[0]) for row in answer.rows] == list(range(1, 1001))
    assert len(answer.batches) > 5
    assert all(batch.ByteSize() <= 256 * 1024 for batch in answer.batches)
    assert answer.statistics.HasField("elapsed")


def test_the_first_rows_come_before_the_last_are_made(api, queries):
    stream = queries.Query(api.QueryRequest(text="UNWIND range(1, 5000000) AS n RETURN n, range(1, 100)"), timeout=60)
    kinds = [next(stream).WhichOneof("part") for _ in range(2)]
    stream.cancel()
    assert kinds == ["columns", "rows"]


def test_a_mistake_is_placed_in_the_text(api, queries, refused):
    text = "MATCH (i:Identifier)\nRETURN i.valeu"
    code, reason, details = refused(queries.Query, api.QueryRequest(text=text))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_PROPERTY")
    metadata = dict(details["ErrorInfo"].metadata)
    assert (metadata["code"], metadata["line"]) == ("unknown-property", "2")
    column = int(metadata["column"])
    assert text.splitlines()[1][column - 1 :].startswith("valeu") or text.splitlines()[1][column - 1 :].startswith("i.valeu")
    assert "`value`" in metadata["hint"]
    [violation] = details["BadRequest"].field_violations
    assert violation.field == "text" and "valeu" in violation.description

    code, reason, details = refused(queries.Query, api.QueryRequest(text="RETRUN 1"))
    metadata = dict(details["ErrorInfo"].metadata)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SYNTAX")
    assert (metadata["line"], metadata["column"]) == ("1", "1")

    code, _, details = refused(queries.Query, api.QueryRequest(text="CREATE (n)"))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert details["ErrorInfo"].metadata["code"] == "read-only"


def test_an_identifier_that_nobody_saw_is_not_found(api, queries, refused):
    request = api.QueryRequest(text="PERSON email:'nobody@example.com'")
    code, reason, details = refused(queries.Query, request)
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert details["ErrorInfo"].metadata["column"] == "8"


@pytest.mark.parametrize(
    ("text", "limit", "max_rows"),
    [
        ("UNWIND range(1, 101) AS n RETURN n", "max_rows", 100),
        ("UNWIND range(1, 100000000) AS n RETURN collect(n)", "max_memory_bytes", 0),
        ("RETURN " + "(" * 200 + "1" + ")" * 200, "max_depth", 0),
        ("RETURN 1 //" + "x" * 70_000, "max_text_bytes", 0),
    ],
)
def test_a_limit_is_an_error_that_names_itself(api, queries, refused, text, limit, max_rows):
    code, _, details = refused(queries.Query, api.QueryRequest(text=text, max_rows=max_rows), timeout=60)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    [violation] = details["QuotaFailure"].violations
    assert violation.subject == limit
    assert limit in violation.description


def test_a_deadline_ends_a_query(api, queries):
    started = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        list(queries.Query(api.QueryRequest(text=ENDLESS), timeout=0.5))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 10
    # The server is free again.
    assert plain(Answer(queries.Query(api.QueryRequest(text="RETURN 1 AS n"), timeout=10)).rows[0][0]) == 1


def test_a_query_that_is_cancelled_stops(api, queries):
    running = [queries.Query(api.QueryRequest(text=ENDLESS)) for _ in range(16)]
    for stream in running:
        assert next(stream).WhichOneof("part") == "columns"
    for stream in running:
        stream.cancel()
    started = time.monotonic()
    assert len(Answer(queries.Query(api.QueryRequest(text="RETURN 1 AS n"), timeout=20)).rows) == 1
    assert time.monotonic() - started < 10


def test_a_read_ahead_of_the_store_says_when_to_come_back(api, queries, refused, family):
    options = api.ReadOptions(at_least=family + 1_000_000)
    started = time.monotonic()
    code, reason, details = refused(queries.Query, api.QueryRequest(text="RETURN 1", options=options), timeout=30)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SEQUENCE_NOT_REACHED")
    assert details["RetryInfo"].retry_delay.ToTimedelta().total_seconds() > 0
    assert time.monotonic() - started < 20
