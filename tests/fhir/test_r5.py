"""What is of R5 alone: native subscriptions, filters in parts, and counters that are texts because they have 64 bits."""

import pytest
from conftest import FHIR, TOPIC, VERSION, subscription
from test_subscriptions import is_notification, published, refused

pytestmark = pytest.mark.skipif(VERSION != "R5", reason="of R5 alone")
requirement = pytest.mark.requirement


@requirement(137)
def test_all_of_a_native_subscription_is_kept(client, receiver):
    sent = subscription(
        receiver.url,
        filters=["Encounter?status=finished", "Encounter?patient=Patient/1,Patient/2"],
        heartbeat_period=60,
        timeout=20,
        max_count=5,
        end="2999-01-01T00:00:00.000Z",
        name="Ward 7",
        identifier=[{"system": "http://example.org/ids", "value": "7"}],
        contact=[{"system": "email", "value": "it@example.org"}],
        managingEntity={"reference": "Organization/1"},
    )
    made = FHIR.valid(client.ask("POST", "/Subscription", sent).json())
    assert {key: made.get(key) for key in sent if key != "end"} == {key: value for key, value in sent.items() if key != "end"}
    assert made["end"].startswith("2999-01-01T00:00:00")
    less = {key: sent[key] for key in ("resourceType", "status", "topic", "channelType", "endpoint", "content")}
    changed = FHIR.valid(client.ask("PUT", f"/Subscription/{made['id']}", less).json())
    assert changed.keys() == {*less, "id", "meta", "contentType"}


@requirement(69, 102, 103)
def test_counters_are_texts(client, receiver):
    made = client.subscribed(receiver)
    published(client)
    [(_, bundle)] = receiver.wait("event-notification")
    missed = client.operation(f"/Subscription/{made['id']}/$events", ("eventsSinceNumber", "1")).json()
    for one in (bundle, missed):
        is_notification(one)
        status = one["entry"][0]["resource"]
        assert (status["eventsSinceSubscriptionStart"], status["notificationEvent"][0]["eventNumber"]) == ("1", "1")
    stands = client.ask("GET", f"/Subscription/{made['id']}/$status").json()["entry"][0]["resource"]
    assert stands["eventsSinceSubscriptionStart"] == "1"


@requirement(95, 136)
@pytest.mark.parametrize("kind", ["Encounter", "http://hl7.org/fhir/StructureDefinition/Encounter", None])
def test_a_filter_names_a_type_or_goes_for_all(client, receiver, kind):
    given = {"filterParameter": "status", "comparator": "eq", "value": "finished,cancelled", **({"resourceType": kind} if kind else {})}
    client.subscribed(receiver, filterBy=[given])
    published(client, "Patient/1", [{"resourceType": "Patient", "id": "1"}])
    published(client, resources=[FHIR.encounter("1", "planned")])
    published(client, resources=[FHIR.encounter("1", "cancelled")])
    [(_, bundle)] = receiver.wait("event-notification")
    [event] = is_notification(bundle)["notification-event"]
    assert (event["event-number"], bundle["entry"][1]["resource"]["status"]) == ("1", "cancelled")


@requirement(9, 63)
@pytest.mark.parametrize("wrong", [
    {"filterParameter": "colour", "value": "green"},
    {"filterParameter": "status", "comparator": "ne", "value": "finished"},
    {"filterParameter": "status", "modifier": "not", "value": "finished"},
    {"filterParameter": "status"},
    {"value": "finished"},
])
def test_a_filter_that_cannot_be_applied_is_refused(client, receiver, wrong):
    assert "filter" in refused(client.ask("POST", "/Subscription", subscription(receiver.url, filterBy=[wrong])))


@requirement(35, 67)
def test_without_content_nothing_but_the_number_is_sent(client, receiver):
    made = client.subscribed(receiver, content=None)
    assert made["content"] == "empty" and made["topic"] == TOPIC
    published(client)
    [(_, bundle)] = receiver.wait("event-notification")
    assert len(bundle["entry"]) == 1 and "focus" not in is_notification(bundle)["notification-event"][0]
