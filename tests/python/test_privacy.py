"""What is forgotten is gone, stays out, and is told of."""

import grpc

BY = {"author": "ann", "reason": "ticket 12"}


def gone(api, make, *names, **more):
    named = api.ForgottenIdentifiers(identifiers=[make.identifier(name) for name in names])
    return api.ForgetRequest(identifiers=named, **BY, **more)


def test_a_value_is_forgotten_once_and_refused_after(api, ingest, lookup, admin, make, refused, server):
    zoe = make.seen("email:zoe@example.com", "account:z-1", record_id="r-zoe")
    zoe.attributes["note"].string_value = "zoe@example.com called"
    ingest.Observe(api.ObserveRequest(observations=[zoe]))
    would = ingest.Forget(gone(api, make, "email:zoe@example.com", dry_run=True))
    assert not would.HasField("receipt") and not would.HasField("proof")
    done = ingest.Forget(gone(api, make, "email:zoe@example.com", request_id="gone"))
    assert done.erased == would.erased and not done.receipt.replayed
    assert [(it.namespace, it.count) for it in done.erased.identifiers] == [("email", 1)]
    assert (done.erased.links, done.erased.records_changed, done.erased.attributes) == (1, 1, 1)
    assert done.proof.complete and done.proof.bytes and done.proof.rows and not done.proof.found
    assert all(b"zoe@example.com" not in path.read_bytes() for path in server.store.rglob("*") if path.is_file())
    kinds = [api.EventKind.Name(event.kind) for event in done.receipt.events]
    assert "EVENT_KIND_ERASED" in kinds and done.receipt.counts.erased == 1
    again = ingest.Forget(gone(api, make, "email:zoe@example.com", request_id="gone"))
    assert again.receipt.replayed and again.receipt.sequence == done.receipt.sequence and again.proof.complete
    ask = api.ResolvePersonRequest(person=make.person("email:zoe@example.com"))
    assert refused(lookup.ResolvePerson, ask)[:2] == (grpc.StatusCode.NOT_FOUND, "IDENTIFIER_UNKNOWN")
    receipt = ingest.Observe(api.ObserveRequest(observations=[zoe])).receipt
    assert (receipt.accepted, receipt.forgotten, receipt.denied) == (1, 1, 0)
    stats = admin.GetStats(api.GetStatsRequest())
    assert [(it.source, it.namespace, it.count) for it in stats.forgotten] == [("crm", "email", 1)]
    readmit = api.ReadmitRequest(identifier=make.identifier("email:zoe@example.com"), **BY)
    assert ingest.Readmit(readmit).receipt.changed
    assert refused(ingest.Readmit, readmit)[:2] == (grpc.StatusCode.NOT_FOUND, "IDENTIFIER_NOT_FORGOTTEN")
    assert ingest.Observe(api.ObserveRequest(observations=[zoe])).receipt.forgotten == 0
    assert lookup.ResolvePerson(ask).person.person_id
    assert admin.Check(api.CheckRequest()).problem_count == 0


def test_the_id_of_an_erased_person_says_so(api, ingest, lookup, make, refused):
    ingest.Observe(api.ObserveRequest(observations=[make.seen("account:y-1", "email:yan@example.com")]))
    ask = api.ResolvePersonRequest(person=make.person("account:y-1"))
    person = lookup.ResolvePerson(ask).person.person_id
    done = ingest.Forget(api.ForgetRequest(person_of=make.identifier("account:y-1"), **BY))
    assert list(done.erased.person_ids) == [person]
    by_id = api.ResolvePersonRequest(person=api.PersonSelector(person_id=person))
    assert refused(lookup.ResolvePerson, by_id)[:2] == (grpc.StatusCode.NOT_FOUND, "PERSON_ERASED")
    erase = api.ForgetRequest(person_id=person, **BY)
    assert refused(ingest.Forget, erase)[:2] == (grpc.StatusCode.NOT_FOUND, "PERSON_ERASED")


def test_what_cannot_be_forgotten_is_refused(api, ingest, make, refused):
    invalid, missing = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    assert refused(ingest.Forget, api.ForgetRequest(**BY))[0] == invalid
    assert refused(ingest.Forget, gone(api, make))[:2] == (invalid, "OUT_OF_RANGE")
    assert refused(ingest.Forget, gone(api, make, "email:nobody@example.com"))[:2] == (missing, "IDENTIFIER_UNKNOWN")
    tells = gone(api, make, "account:a-1")
    tells.reason = "account a-1 asked"
    assert refused(ingest.Forget, tells)[:2] == (invalid, "AUTHOR_INVALID")
    assert refused(ingest.Forget, api.ForgetRequest(person_of=make.identifier("address:elm 1"), **BY))[0] == invalid
