"""Who is who, from outside."""

import grpc
import pytest


def names(identifiers):
    return [f"{it.identifier.namespace}:{it.identifier.value}" for it in identifiers]


def test_a_person_is_found_by_any_spelling_of_any_identifier(api, lookup, make, family):
    ask = lambda name: lookup.ResolvePerson(api.ResolvePersonRequest(person=make.person(name)))
    first = ask("email:ann@example.com")
    assert first.sequence == family
    for name in ["email: ANN@EXAMPLE.COM ", "phone:+49 30 123456", "phone:(030) 12 34 56", "account:a-1"]:
        assert ask(name).person == first.person, name
    person = first.person
    assert person.person_id.startswith("p") and person.household_id.startswith("h")
    assert person.identifier_count == 3
    assert (person.redirected_from, list(person.identifiers)) == ("", [])
    assert ask("email:bob@example.com").person.household_id == person.household_id
    assert ask("email:cid@example.com").person.household_id == ""

    by_id = api.PersonSelector(person_id=person.person_id)
    full = lookup.ResolvePerson(api.ResolvePersonRequest(person=by_id, view=api.VIEW_FULL)).person
    assert names(full.identifiers) == ["account:a-1", "email:ann@example.com", "phone:+4930123456"]
    account = full.identifiers[0]
    assert list(account.sources) == ["crm", "shop"]
    assert account.first_seen.ToJsonString() == "2026-01-05T00:00:00Z"
    assert account.last_seen.ToJsonString() == "2026-02-01T12:30:00.500Z"


def test_a_batch_answers_each_for_itself(api, lookup, make, family):
    asked = [
        make.person("email:bob@example.com"),
        make.person("email:nobody@example.com"),
        make.person("emial:bob@example.com"),
        make.person("email:no address"),
        make.person("account:undefined"),
        make.person("address:elm 1"),
        api.PersonSelector(),
        api.PersonSelector(person_id="p999999"),
        api.PersonSelector(person_id="nobody"),
        make.person("account:a-2"),
    ]
    answer = lookup.BatchResolvePersons(api.BatchResolvePersonsRequest(persons=asked))
    assert answer.sequence == family
    told = []
    for result in answer.results:
        error = result.error
        if result.WhichOneof("outcome") == "person":
            told.append(result.person.identifier_count)
        else:
            assert error.message
            told.append((error.code, error.reason, error.field))
    not_found, invalid = grpc.StatusCode.NOT_FOUND.value[0], grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert told == [
        2,
        (not_found, "IDENTIFIER_UNKNOWN", ""),
        (invalid, "UNDECLARED_NAMESPACE", "persons[2].identifier.namespace"),
        (invalid, "INVALID_VALUE", "persons[3].identifier.value"),
        (invalid, "DENIED_VALUE", "persons[4].identifier.value"),
        (invalid, "HOUSEHOLD_SCOPE", "persons[5].identifier.namespace"),
        (invalid, "MISSING", "persons[6]"),
        (not_found, "PERSON_UNKNOWN", ""),
        (invalid, "MALFORMED", "persons[8].person_id"),
        2,
    ]
    assert answer.results[0].person == answer.results[9].person
    assert "did you mean `email`?" in answer.results[2].error.message


def test_a_profile_gathers_and_reconciles(api, lookup, make):
    request = api.GetProfileRequest(person=make.person("email:ann@example.com"))
    profile = lookup.GetProfile(request).profile
    assert names(profile.person.identifiers) == ["account:a-1", "email:ann@example.com", "phone:+4930123456"]
    assert [(record.source, record.record_id) for record in profile.records] == [("crm", "c-1"), ("shop", "c-2")]
    attributes = {it.name: it for it in profile.attributes}
    assert sorted(attributes) == ["age", "name", "vip"]
    # The later word counts.
    name = attributes["name"]
    assert (name.value.string_value, name.source, name.record_id) == ("Ann B", "shop", "c-2")
    assert attributes["age"].value.number_value == 41
    assert attributes["vip"].value.bool_value is True
    assert [it.value.string_value for it in profile.records[0].attributes if it.name == "name"] == ["Ann"]


def test_a_household_is_found_by_its_address_and_its_people(api, lookup, make):
    select = api.HouseholdSelector
    by_address = api.GetHouseholdRequest(household=select(identifier=make.identifier("address:elm 1")))
    household = lookup.GetHousehold(by_address).household
    assert (household.person_count, household.identifier_count) == (2, 1)
    for selector in [
        select(household_id=household.household_id),
        select(identifier=make.identifier("account:a-2")),
        select(person_id=household.persons[0].person_id),
    ]:
        assert lookup.GetHousehold(api.GetHouseholdRequest(household=selector)).household == household
    by_address.view = api.VIEW_FULL
    full = lookup.GetHousehold(by_address).household
    assert names(full.identifiers) == ["address:elm 1"]
    assert [len(person.identifiers) for person in full.persons] == [3, 2]


@pytest.mark.parametrize(
    ("selector", "code", "reason"),
    [
        ({"name": "email:nobody@example.com"}, grpc.StatusCode.NOT_FOUND, "IDENTIFIER_UNKNOWN"),
        ({"person_id": "p999999"}, grpc.StatusCode.NOT_FOUND, "PERSON_UNKNOWN"),
        ({"person_id": "p-1"}, grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED"),
        ({"name": "email:no address"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_VALUE"),
    ],
)
def test_a_lookup_of_nobody_says_why(api, lookup, make, refused, selector, code, reason):
    person = make.person(selector["name"]) if "name" in selector else api.PersonSelector(**selector)
    found_code, found_reason, details = refused(lookup.ResolvePerson, api.ResolvePersonRequest(person=person))
    assert (found_code, found_reason) == (code, reason)
    assert ("BadRequest" in details) == (code == grpc.StatusCode.INVALID_ARGUMENT)
    if "BadRequest" in details:
        [violation] = details["BadRequest"].field_violations
        assert violation.field.startswith("person.") and violation.description


def test_people_who_merge_keep_the_older_id(api, ingest, lookup, make):
    ask = lambda selector: lookup.ResolvePerson(api.ResolvePersonRequest(person=selector)).person
    for number in (1, 2):
        ingest.Observe(api.ObserveRequest(observations=[make.seen(f"device:d{number}", f"email:d{number}@example.com")]))
    older, younger = ask(make.person("device:d1")), ask(make.person("device:d2"))
    assert older.person_id != younger.person_id
    ingest.Observe(api.ObserveRequest(observations=[make.seen("device:d1", "device:d2")]))
    redirected = ask(api.PersonSelector(person_id=younger.person_id))
    assert (redirected.person_id, redirected.redirected_from) == (older.person_id, younger.person_id)
    assert redirected.identifier_count == 4
    assert ask(make.person("device:d2")).redirected_from == ""
