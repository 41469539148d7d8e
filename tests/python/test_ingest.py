"""Observations in, from outside."""

import queue

import grpc


def test_rejects_come_back_item_by_item(api, ingest, make, admin):
    before = admin.GetStats(api.GetStatsRequest())
    timeless = make.seen("email:r@example.com", "device:r")
    timeless.ClearField("time")
    sure = make.seen("email:r@example.com", "device:r", confidence=1.5)
    crowd = make.seen(*[f"device:r{number}" for number in range(17)])
    observations = [
        make.seen("email:r@example.com", "device:r"),
        timeless,
        make.seen("email:r@example.com", "emial:r@example.com"),
        make.seen("email:r@example.com", "email:no address"),
        sure,
        crowd,
        make.seen("email:r@example.com", "device:undefined"),
        make.seen("email:r@example.com", source=""),
        make.seen(),
    ]
    receipt = ingest.Observe(api.ObserveRequest(observations=observations)).receipt
    told = [(it.index, api.RejectReason.Name(it.reason), it.field) for it in receipt.rejections]
    assert told == [
        (1, "REJECT_REASON_MISSING", "observations[1].time"),
        (2, "REJECT_REASON_UNDECLARED_NAMESPACE", "observations[2].identifiers[1].namespace"),
        (3, "REJECT_REASON_INVALID_VALUE", "observations[3].identifiers[1].value"),
        (4, "REJECT_REASON_OUT_OF_RANGE", "observations[4].confidence"),
        (5, "REJECT_REASON_TOO_MUCH", "observations[5].identifiers"),
        (7, "REJECT_REASON_MISSING", "observations[7].source"),
        (8, "REJECT_REASON_MISSING", "observations[8].identifiers"),
    ]
    assert all(it.message for it in receipt.rejections)
    assert (receipt.accepted, receipt.denied, receipt.replayed) == (2, 1, False)
    after = admin.GetStats(api.GetStatsRequest(options=api.ReadOptions(at_least=receipt.sequence)))
    assert after.observations - before.observations == 2
    assert after.links - before.links == 1
    assert [(it.source, it.namespace, it.count) for it in after.denied] == [("crm", "device", 1)]


def test_a_request_is_applied_once(api, ingest, make, admin, refused):
    request = api.ObserveRequest(request_id="once", observations=[make.seen("device:o1", "device:o2")])
    first = ingest.Observe(request).receipt
    stats = admin.GetStats(api.GetStatsRequest())
    second = ingest.Observe(request).receipt
    assert (first.replayed, second.replayed) == (False, True)
    second.replayed = False
    assert second == first
    assert admin.GetStats(api.GetStatsRequest()) == stats
    request.observations[0].source = "web"
    code, reason, _ = refused(ingest.Observe, request)
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_a_limit_holds_a_link_back(api, ingest, make):
    weak = make.seen("device:h", "account:h2", confidence=0.6)
    receipt = ingest.Observe(api.ObserveRequest(observations=[make.seen("device:h", "account:h1"), weak])).receipt
    assert (receipt.accepted, receipt.held_back, len(receipt.rejections)) == (2, 1, 0)


def test_too_many_observations_are_refused_together(api, ingest, make, refused):
    many = api.ObserveRequest(observations=[make.seen("device:m")] * 1001)
    code, reason, details = refused(ingest.Observe, many)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")
    assert details["BadRequest"].field_violations[0].field == "observations"


def test_a_stream_acknowledges_each_batch(api, ingest, lookup, make):
    def batches():
        for number in range(100):
            pair = make.seen("account:stream", f"device:s{number}")
            yield api.ObserveStreamRequest(batch_id=number, request_id=f"s{number}", observations=[pair, make.seen("nowhere:1")])
        # Another content under a known request id, and the same content again.
        yield api.ObserveStreamRequest(batch_id=100, request_id="s99", observations=[make.seen("device:other")])
        pair = make.seen("account:stream", "device:s0")
        yield api.ObserveStreamRequest(batch_id=101, request_id="s0", observations=[pair, make.seen("nowhere:1")])

    answers = {answer.batch_id: answer for answer in ingest.ObserveStream(batches())}
    assert sorted(answers) == list(range(102))
    for number in range(100):
        receipt = answers[number].receipt
        assert (receipt.accepted, receipt.replayed) == (1, False)
        assert [(it.index, it.field) for it in receipt.rejections] == [(1, "observations[1].identifiers[0].namespace")]
    sequences = [answers[number].receipt.sequence for number in range(100)]
    assert sequences == sorted(set(sequences))
    error = answers[100].error
    assert (error.code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS.value[0], "REQUEST_ID_REUSED")
    assert answers[101].receipt.replayed
    assert answers[101].receipt.sequence == sequences[0]
    person = lookup.ResolvePerson(api.ResolvePersonRequest(person=make.person("account:stream"))).person
    assert person.identifier_count == 101


def test_a_batch_can_be_read_once_it_is_acknowledged(api, ingest, lookup, make):
    requests = queue.SimpleQueue()
    stream = ingest.ObserveStream(iter(requests.get, None))
    for number in range(5):
        pair = make.seen("account:rw", f"device:rw{number}")
        requests.put(api.ObserveStreamRequest(batch_id=number, observations=[pair]))
        sequence = next(stream).receipt.sequence
        options = api.ReadOptions(at_least=sequence)
        request = api.ResolvePersonRequest(person=make.person(f"device:rw{number}"), options=options)
        found = lookup.ResolvePerson(request)
        assert (found.sequence >= sequence, found.person.identifier_count) == (True, number + 2)
    requests.put(None)
    assert list(stream) == []
