"""What the client of a submitting system gets from a payer that follows Da Vinci PAS: every entry of the response, as a library reads it."""

import pytest
from conftest import CONTRACT, FHIR, status_of, subscription
from test_subscriptions import is_notification

pytestmark = pytest.mark.skipif(CONTRACT != "davinci-pas", reason="of Da Vinci PAS alone")
requirement = pytest.mark.requirement

TOPIC = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic"
NPI = "http://hl7.org/fhir/sid/us-npi"
PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"


def response(name, npi, outcome, code):
    """A PAS response Bundle, its requestor a bundled Organization."""
    review = {
        "url": PAS + "extension-reviewAction",
        "extension": [{"url": PAS + "extension-reviewActionCode", "valueCodeableConcept": {"coding": [{"code": code}]}}],
    }
    adjudication = {"extension": [review], "category": {"coding": [{"code": "submitted"}]}}
    answer = {
        "resourceType": "ClaimResponse",
        "id": name,
        "meta": {"profile": [PAS + "profile-claimresponse"]},
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]},
        "use": "preauthorization",
        "patient": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000009"},
        "created": "2026-11-30T12:00:00Z",
        "insurer": {"reference": "Organization/payer"},
        "requestor": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000007"},
        "outcome": outcome,
        "item": [{"itemSequence": 1, "adjudication": [adjudication]}],
    }
    clinic = {"resourceType": "Organization", "name": "Clinic", "active": True, "identifier": [{"system": NPI, "value": npi}]}
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [PAS + "profile-pas-response-bundle"]},
        "type": "collection",
        "timestamp": "2026-11-30T12:00:00Z",
        "entry": [
            {"fullUrl": f"https://payer.example.com/ClaimResponse/{name}", "resource": answer},
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000007", "resource": clinic},
            {"fullUrl": "https://payer.example.com/Organization/payer", "resource": {"resourceType": "Organization", "id": "payer", "name": "Payer"}},
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000009", "resource": {"resourceType": "Patient", "name": [{"family": "Doe"}]}},
        ],
    }


def put(client, name, state, bundle):
    FHIR.valid(bundle)
    path = f"/v1/accounts/{client.account}/resources/prior_authorization/{name}"
    return client.operator("PUT", path, {"status": state, "response": bundle})["events"]


def entries(bundle):
    return [(entry["fullUrl"], entry["resource"]) for entry in bundle["entry"]]


@requirement(25, 54)
def test_a_pended_authorization_is_told_once_it_is_decided(client, receiver, other_receiver):
    made = client.subscribed(receiver, topic=TOPIC, filters=[f"orgIdentifier={NPI}|1234567893,77"])
    client.subscribed(other_receiver, topic=TOPIC, filters=["org-identifier=1679576722"])
    assert put(client, "1", "pended", response("1", "1234567893", "queued", "A4")) == []
    decided = response("1", "1234567893", "complete", "A1")
    assert len(put(client, "1", "complete", decided)) == 1
    assert len(put(client, "2", "complete", response("2", "1679576722", "complete", "A3"))) == 1

    [(headers, bundle)] = receiver.wait("event-notification")
    assert headers["content-type"].startswith("application/fhir+json")
    said = is_notification(bundle)
    assert said["topic"] == TOPIC and said["notification-event"][0]["focus"] == bundle["entry"][1]["fullUrl"]
    assert entries(bundle)[1:] == entries(decided)
    [(_, others)] = other_receiver.wait("event-notification")
    assert others["entry"][1]["resource"]["id"] == "2"

    again = client.ask("GET", f"/Subscription/{made['id']}/$events").json()
    assert is_notification(again)["type"] == "query-event"
    assert entries(again)[1:] == entries(decided)
    assert [status_of(bundle)["events-since-subscription-start"] for _, bundle in receiver.of_type("event-notification")] == ["1"]
