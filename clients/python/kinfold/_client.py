"""The client."""

import dataclasses
import datetime
import pathlib
import random
import re
import time
import uuid

import grpc

from . import api
from ._errors import KinfoldError
from ._values import attribute, from_wire, time_into, to_wire

# The largest message taken, in bytes.
_MAX_MESSAGE_BYTES = 64 << 20

# How often a call is made that may be made again, and the first pause in seconds; each is twice the one before.
_TRIES = 4
_PAUSE = 0.1

# How many observations go into one batch.
_BATCH = 1_000

_PERSON = re.compile(r"p[0-9]+(-[0-9]+)?")
_HOUSEHOLD = re.compile(r"h[0-9]+(-[0-9]+)?")


@dataclasses.dataclass
class Observation:
    """One thing that a source saw: identifiers, written `namespace:value`, together at one time.

    `time` has a time zone, and is when this was made unless given; `confidence` is greater than 0 and at most 1.
    """

    source: str
    identifiers: list
    time: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))
    confidence: float = 1.0
    kind: str = ""
    record_id: str = ""
    attributes: dict = dataclasses.field(default_factory=dict)

    def _wire(self):
        wire = api.Observation(
            source=self.source,
            identifiers=[identifier(it) for it in self.identifiers],
            confidence=self.confidence,
            kind=self.kind,
            record_id=self.record_id,
            attributes={name: attribute(value) for name, value in self.attributes.items()},
        )
        time_into(wire.time, self.time)
        return wire


def identifier(name):
    """The identifier that is written `namespace:value`."""
    namespace, colon, value = name.partition(":")
    if not (namespace and colon and value):
        raise ValueError(f"`{name}` names no identifier; expected `namespace:value`, as `email:ann@example.com`")
    return api.Identifier(namespace=namespace, value=value)


def _person(who):
    if _PERSON.fullmatch(who):
        return api.PersonSelector(person_id=who)
    return api.PersonSelector(identifier=identifier(who))


def _options(as_of=None, at_least=0, threshold=None, without_sources=(), purpose=""):
    options = api.ReadOptions(
        at_least=at_least, threshold=threshold, without_sources=list(without_sources), purpose=purpose
    )
    if isinstance(as_of, datetime.datetime):
        time_into(options.as_of_time, as_of)
    elif as_of is not None:
        options.as_of_sequence = as_of
    return options


class Client:
    """A connection to a server; use it with `with`, or call `close`.

    `url` is `http://HOST:PORT` or `https://HOST:PORT`. `token` is a bearer token; it is sent unencrypted to this
    machine alone. `ca` is a file of the roots that the server's certificate must lead to (the system's unless
    given), `certificate` and `key` files of the client's own. `timeout` is how long a call may take, in seconds.
    """

    def __init__(self, url, *, token=None, ca=None, certificate=None, key=None, timeout=30.0):
        scheme, _, address = url.partition("://")
        address = address.rstrip("/")
        if scheme not in ("http", "https") or not address:
            raise ValueError(f"`{url}` names no server; expected `http://HOST:PORT` or `https://HOST:PORT`")
        options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
        read = lambda file: pathlib.Path(file).read_bytes() if file is not None else None
        if scheme == "https":
            credentials = grpc.ssl_channel_credentials(read(ca), read(key), read(certificate))
            self._channel = grpc.secure_channel(address, credentials, options)
        else:
            host = address.rpartition(":")[0].strip("[]")
            if token is not None and host not in ("localhost", "::1") and not host.startswith("127."):
                raise ValueError(f"a token would travel to `{url}` unencrypted; use `https`")
            self._channel = grpc.insecure_channel(address, options)
        self._metadata = [("authorization", f"Bearer {token}")] if token is not None else []
        self._timeout = timeout
        self._stubs = {name: stub(self._channel) for name, stub in api.STUBS.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the connection; what is under way is cancelled."""
        self._channel.close()

    def call(self, service, method, request, *, again=False, timeout=None):
        """Makes a call of the contract: `call("AdminService", "GetStats", api.GetStatsRequest())`.

        A call that gives a stream gives an iterator. With `again`, one that is refused for a while is made again.
        """
        make = getattr(self._stubs[service], method)
        timeout = self._timeout if timeout is None else timeout
        pause = _PAUSE
        for left in reversed(range(_TRIES if again else 1)):
            try:
                return make(request, timeout=timeout, metadata=self._metadata)
            except grpc.RpcError as error:
                refused = KinfoldError(error)
                if not (left and refused.passes):
                    raise refused from None
                # A little uneven, so that many that were refused together do not come back together.
                time.sleep(max(refused.retry_after or 0, pause) * random.uniform(0.75, 1.25))
                pause *= 2

    def observe(self, observations, *, request_id=None):
        """Writes observations; returns the receipt of each batch of 1,000 once all are on disk.

        What is refused is in the receipts' `rejections`, each with its place in its batch; the rest is written.
        """
        name = request_id or str(uuid.uuid4())
        observations = list(observations)
        receipts = []
        for start in range(0, len(observations), _BATCH):
            request = api.ObserveRequest(
                request_id=name if len(observations) <= _BATCH else f"{name}/{start // _BATCH}",
                observations=[it._wire() for it in observations[start : start + _BATCH]],
            )
            receipts.append(self.call("IngestService", "Observe", request, again=True).receipt)
        return receipts

    def observe_stream(self, batches):
        """Writes batches of observations as they come; gives an answer for each once it is on disk."""

        def requests():
            for number, batch in enumerate(batches):
                yield api.ObserveStreamRequest(
                    batch_id=number, request_id=str(uuid.uuid4()), observations=[it._wire() for it in batch]
                )

        # However long the batches take to come.
        stream = self._stubs["IngestService"].ObserveStream(requests(), metadata=self._metadata)
        return _Stream(stream)

    def outcome(self, request_id):
        """What became of a batch that was sent under a request id: `applied`, and the places in it that were `rejected`."""
        request = api.GetOutcomeRequest(request_id=request_id)
        return self.call("IngestService", "GetOutcome", request, again=True)

    def forbid(self, a, b, *, author, reason, request_id=None):
        """Says that two identifiers are never one person."""
        return self._act("Forbid", author, reason, request_id, a=identifier(a), b=identifier(b))

    def require(self, a, b, *, author, reason, request_id=None):
        """Says that two identifiers are one person."""
        return self._act("Require", author, reason, request_id, a=identifier(a), b=identifier(b))

    def release(self, a, b, *, author, reason, request_id=None):
        """Takes a forbid or a require back."""
        return self._act("Release", author, reason, request_id, a=identifier(a), b=identifier(b))

    def retract_link(self, source, a, b, *, author, reason, request_id=None):
        """Withdraws what a source said of a link."""
        link = api.RetractedLink(source=source, a=identifier(a), b=identifier(b))
        return self._act("Retract", author, reason, request_id, what=api.Retraction(link=link))

    def retract_record(self, source, record_id, *, author, reason, request_id=None):
        """Withdraws a record of a source with all that it said."""
        record = api.RetractedRecord(source=source, record_id=record_id)
        return self._act("Retract", author, reason, request_id, what=api.Retraction(record=record))

    def retract_source(self, source, *, author, reason, request_id=None):
        """Withdraws all that a source ever said."""
        return self._act("Retract", author, reason, request_id, what=api.Retraction(source=source))

    def forget(self, *identifiers, person_of=None, person=None, author, reason, request_id=None, dry_run=False, timeout=None):
        """Erases identifiers, or all of the person of an identifier or of an id, and proves it.

        The answer has the `receipt`, what was `erased`, and the `proof`; with `dry_run` nothing is written, and it
        has only what would be erased. It takes as long as it takes to read the store once.
        """
        request = api.ForgetRequest(
            author=author, reason=reason, request_id=request_id or str(uuid.uuid4()), dry_run=dry_run
        )
        if (bool(identifiers), person_of is not None, person is not None).count(True) != 1:
            raise ValueError("name identifiers, or `person_of`, or `person`")
        if person_of is not None:
            request.person_of.CopyFrom(identifier(person_of))
        elif person is not None:
            request.person_id = person
        else:
            request.identifiers.identifiers.extend(identifier(it) for it in identifiers)
        return self.call("IngestService", "Forget", request, again=True, timeout=timeout)

    def readmit(self, name, *, author, reason, request_id=None):
        """Lets a forgotten identifier in again."""
        return self._act("Readmit", author, reason, request_id, identifier=identifier(name))

    def _act(self, method, author, reason, request_id, **what):
        request = getattr(api, method + "Request")(
            author=author, reason=reason, request_id=request_id or str(uuid.uuid4()), **what
        )
        return self.call("IngestService", method, request, again=True).receipt

    def person(self, who, *, names=False, full=False, **options):
        """The person whom an identifier belongs to, or of an id.

        With `names` with all identifiers by name, with `full` also when and by whom each was seen.
        """
        view = _view(full, names)
        request = api.ResolvePersonRequest(person=_person(who), view=view, options=_options(**options))
        return self.call("LookupService", "ResolvePerson", request, again=True).person

    def persons(self, whom, *, names=False, full=False, **options):
        """The same for many: for each a person, or a `LookupError` of the contract, in their order."""
        whom = list(whom)
        found = []
        for start in range(0, len(whom), _BATCH):
            request = api.BatchResolvePersonsRequest(
                persons=[_person(who) for who in whom[start : start + _BATCH]],
                view=_view(full, names),
                options=_options(**options),
            )
            results = self.call("LookupService", "BatchResolvePersons", request, again=True).results
            found.extend(getattr(result, result.WhichOneof("outcome")) for result in results)
        return found

    def profile(self, who, **options):
        """All that is known of a person."""
        request = api.GetProfileRequest(person=_person(who), options=_options(**options))
        return self.call("LookupService", "GetProfile", request, again=True).profile

    def household(self, who, *, names=False, full=False, **options):
        """A household, by its id, by the id of a person in it, or by an identifier."""
        if _HOUSEHOLD.fullmatch(who):
            selector = api.HouseholdSelector(household_id=who)
        elif _PERSON.fullmatch(who):
            selector = api.HouseholdSelector(person_id=who)
        else:
            selector = api.HouseholdSelector(identifier=identifier(who))
        view = _view(full, names)
        request = api.GetHouseholdRequest(household=selector, view=view, options=_options(**options))
        return self.call("LookupService", "GetHousehold", request, again=True).household

    def identifiers(self, who, *, namespace="", **options):
        """A person's identifiers, one after the other, all from one state of the store."""
        request = api.ListIdentifiersRequest(person=_person(who), namespace=namespace, options=_options(**options))
        for page in self._pages("LookupService", "ListIdentifiers", request):
            yield from page.identifiers

    def history(self, who, **options):
        """Every change that concerned a person, in their order."""
        request = api.HistoryRequest(person=_person(who), options=_options(**options))
        for page in self._pages("ExplainService", "History", request):
            yield from page.events

    def how(self, who, **options):
        """The merges, splits and moves that a person came of, in their order."""
        request = api.HowRequest(person=_person(who), options=_options(**options))
        for page in self._pages("ExplainService", "How", request):
            yield from page.events

    def audit(self, **asked):
        """The entries of the audit, the oldest first; takes the fields of `api.AuditRequest`."""
        for page in self._pages("AdminService", "Audit", api.AuditRequest(**asked)):
            yield from page.entries

    def _pages(self, service, method, request):
        while True:
            page = self.call(service, method, request, again=True)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def why(self, a, b, **options):
        """Whether two identifiers are one person, and what makes them one."""
        request = api.WhyRequest(a=identifier(a), b=identifier(b), options=_options(**options))
        return self.call("ExplainService", "Why", request, again=True)

    def why_not(self, a, b, **options):
        """Whether two identifiers are two persons, and what keeps them apart."""
        request = api.WhyNotRequest(a=identifier(a), b=identifier(b), options=_options(**options))
        return self.call("ExplainService", "WhyNot", request, again=True)

    def what_if(self, who, *, without_links=(), **options):
        """Who would be who around an identifier; `without_links` are pairs of identifiers."""
        pairs = [api.IdentifierPair(a=identifier(a), b=identifier(b)) for a, b in without_links]
        request = api.WhatIfRequest(identifier=identifier(who), options=_options(**options), without_links=pairs)
        return self.call("ExplainService", "WhatIf", request, again=True)

    def network(self, who, *, depth=0, max_identifiers=0, **options):
        """The identifiers near one, and the links among them."""
        request = api.NetworkRequest(
            identifier=identifier(who), depth=depth, max_identifiers=max_identifiers, options=_options(**options)
        )
        return self.call("ExplainService", "Network", request, again=True)

    def verdicts(self, assertions, **options):
        """What becomes of assertions, lines as `same a b` or `different a b`: a verdict for each, in their order."""
        request = api.AssertRequest(assertions=assertions, options=_options(**options))
        return list(self.call("ExplainService", "Assert", request, again=True).verdicts)

    def query(self, text, parameters=None, *, max_rows=0, timeout=None, **options):
        """Runs a query; what it finds is streamed, and the query stops when the rows are closed or forgotten."""
        request = api.QueryRequest(
            text=text,
            parameters={name: to_wire(value) for name, value in (parameters or {}).items()},
            max_rows=max_rows,
            options=_options(**options),
        )
        return Rows(self.call("QueryService", "Query", request, timeout=timeout))

    def parse(self, text, parameters=None, *, cursor=None):
        """What is wrong with a query, its columns, and what completes the word at the cursor (in bytes)."""
        values = {name: to_wire(value) for name, value in (parameters or {}).items()}
        request = api.ParseRequest(text=text, parameters=values, cursor=cursor)
        return self.call("QueryService", "Parse", request, again=True)

    def watch(self, position=None, *, full=True):
        """Follows the changes to who is who; gives events, or none as a sign of life, with the position behind them.

        Begin again at the last position that was dealt with, and nothing is missed or repeated.
        """
        request = api.WatchRequest(view=_view(full))
        if position is not None:
            getattr(request, "from").CopyFrom(position)
        stream = self._stubs["WatchService"].Watch(request, metadata=self._metadata)
        return _Stream(stream)

    def stats(self):
        """What the store holds, counted."""
        return self.call("AdminService", "GetStats", api.GetStatsRequest(), again=True)

    def schema(self):
        """The text of the schema in force."""
        return self.call("AdminService", "GetSchema", api.GetSchemaRequest(), again=True).schema

    def rebuild(self, *, timeout=3600.0):
        """Resolves the whole store again; returns what changed, which is nothing where all was as it should be."""
        return self.call("AdminService", "Rebuild", api.RebuildRequest(), again=True, timeout=timeout).plan

    def export(self, who, **options):
        """Everything about a person, part by part: the profile, then links, then events."""
        request = api.ExportPersonRequest(person=_person(who), options=_options(**options))
        return _Stream(self.call("AdminService", "ExportPerson", request))


def _view(full, names=False):
    if full:
        return api.VIEW_FULL
    return api.VIEW_IDENTIFIERS if names else api.VIEW_IDS


class _Stream:
    """A stream whose refusals are `KinfoldError`s; closing it ends the call."""

    def __init__(self, stream):
        self._stream = stream

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._stream)
        except grpc.RpcError as error:
            raise KinfoldError(error) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the call."""
        self._stream.cancel()


class Rows:
    """What a query finds, row by row as dictionaries by column; closing it stops the query.

    `columns` are the names of the columns, `sequence` the state that is read, and `statistics` what the query took,
    once the last row was given.
    """

    def __init__(self, stream):
        self._stream = _Stream(stream)
        first = next(self._stream).columns
        self.columns, self.sequence, self.statistics = list(first.names), first.sequence, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stops the query."""
        self._stream.close()

    def _parts(self):
        for part in self._stream:
            if part.WhichOneof("part") == "rows":
                yield [[from_wire(value) for value in row.values] for row in part.rows.rows]
            else:
                self.statistics = part.statistics

    def __iter__(self):
        for part in self._parts():
            for row in part:
                yield dict(zip(self.columns, row, strict=True))

    def to_list(self):
        """All rows."""
        return list(self)

    def to_pandas(self):
        """All rows as a `pandas.DataFrame`."""
        import pandas

        return pandas.DataFrame([row for part in self._parts() for row in part], columns=self.columns)

    def batches(self):
        """The rows as `pyarrow.RecordBatch`es, one for each message of the stream.

        The types of a batch are of its own values: of a column that is null in one batch, that batch says nothing.
        """
        import pyarrow

        for part in self._parts():
            columns = [[_arrow(row[at]) for row in part] for at in range(len(self.columns))]
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array(column) for column in columns], names=self.columns)

    def to_arrow(self):
        """All rows as a `pyarrow.Table`."""
        import pyarrow

        rows = [row for part in self._parts() for row in part]
        columns = [[_arrow(row[at]) for row in rows] for at in range(len(self.columns))]
        return pyarrow.table([pyarrow.array(column) for column in columns], names=self.columns)


def _arrow(value):
    """A value as Arrow takes it: what is made of parts is a dictionary of them."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: _arrow(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_arrow(item) for item in value]
    return value
