"""What a server of subscriptions owes its clients, in each version of FHIR: a test for each requirement of the public test kit that it can be
asked for.

The numbers are the kit's, which has them for R4.
"""

import pytest
from conftest import FHIR, TOPIC, VERSION, status_of, subscription, until
from dialects import EXTENSION

requirement = pytest.mark.requirement
valid = FHIR.valid


def published(client, focus="Encounter/1", resources=None, **data):
    """Something happens that the topic is about."""
    kind, _, name = focus.partition("/")
    resources = resources or [FHIR.encounter(name) if kind == "Encounter" else {"resourceType": kind, "id": name}]
    body = {"type": "resource-changed", "data": {"focus": focus, "resources": resources, **data}}
    return client.operator("POST", f"/v1/accounts/{client.account}/events", body)


def refused(answer):
    """A refusal is an OperationOutcome, whatever was wrong."""
    assert 400 <= answer.status_code < 500, answer.text
    outcome = answer.json()
    assert valid(outcome)["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] == "error"
    return outcome["issue"][0].get("diagnostics") or outcome["issue"][0]["details"]["text"]


def is_notification(bundle):
    """Every notification is a bundle that begins with the subscription's status."""
    valid(bundle)
    assert bundle["type"] == FHIR.bundle_type and bundle["timestamp"]
    first = bundle["entry"][0]
    assert first["fullUrl"].startswith("urn:uuid:")
    assert first["request"]["method"] == "GET" and first["request"]["url"].endswith("/$status")
    for entry in bundle["entry"]:
        assert entry["request"]["method"] and entry["request"]["url"] and entry["response"]["status"]
    said = status_of(bundle)
    assert {"subscription", "status", "type"} <= said.keys()
    return said


@requirement(2, 3, 48, 52, 57, 58, 114, 120, 121, 122)
def test_the_capability_statement_says_what_works(client):
    answer = client.ask("GET", "/metadata")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/fhir+json")
    statement = answer.json()
    assert valid(statement)["fhirVersion"] == FHIR.fhir_version
    offered = {one["type"]: one for one in statement["rest"][0]["resource"]}
    resource = offered["Subscription"]
    if FHIR.server:
        assert any(url.endswith(f"CapabilityStatement/{FHIR.server}") for url in statement["instantiates"])
        assert EXTENSION + "backport-subscription" in resource["supportedProfile"]
        assert TOPIC in [one["valueCanonical"] for one in resource["extension"] if one["url"].endswith("capabilitystatement-subscriptiontopic-canonical")]
    assert {"read", "search-type"} <= {one["code"] for one in offered[FHIR.topic_type]["interaction"]}
    assert {"status", "events"} <= {one["name"].lstrip("$") for one in resource["operation"]}
    assert {"create", "read", "update", "delete", "search-type"} <= {one["code"] for one in resource["interaction"]}
    assert "url" in {one["name"] for one in resource["searchParam"]}


@requirement(52)
def test_clients_find_where_they_get_tokens(client):
    answer = client.ask("GET", "/.well-known/smart-configuration")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["token_endpoint"].endswith("/auth/token")
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert "system/Subscription.cruds" in said["scopes_supported"]


@requirement(19, 29, 72, 125, 133, 137)
def test_a_new_subscription_is_requested_and_shown_whole(client, receiver):
    sent = subscription(receiver.url)
    answer = client.ask("POST", "/Subscription", sent)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert valid(made)["status"] == "requested"
    assert answer.headers["location"].endswith(f"/Subscription/{made['id']}")
    assert answer.headers["etag"].startswith('W/"')
    assert {key: made.get(key) for key in FHIR.kept} == {key: sent.get(key) for key in FHIR.kept}


@requirement(20, 30)
def test_a_handshake_that_is_answered_makes_it_active(client, receiver):
    made = client.ask("POST", "/Subscription", subscription(receiver.url)).json()
    [(_, handshake)] = receiver.wait("handshake")
    said = is_notification(handshake)
    assert said["status"] == "requested" and said["subscription"].endswith(f"Subscription/{made['id']}")
    assert "notification-event" not in said and len(handshake["entry"]) == 1
    client.becomes(made, "active")


@requirement(16, 21, 31, 78, 79)
def test_a_handshake_that_fails_makes_it_an_error(client, receiver):
    receiver.status = 500
    made = client.ask("POST", "/Subscription", subscription(receiver.url)).json()
    receiver.wait("handshake")
    client.becomes(made, "error")
    assert client.standing(made)["error"]
    if VERSION != "R5":
        assert client.read(made)["error"]


@requirement(7, 14, 15, 25, 26, 27, 28, 49, 50, 54, 69, 70, 74, 102, 103, 113, 138, 139)
def test_an_event_arrives_as_a_notification(client, receiver):
    made = client.subscribed(receiver)
    for name in ("1", "2"):
        published(client, f"Encounter/{name}")
    found = [bundle for _, bundle in receiver.wait("event-notification", 2)]
    numbers = []
    for headers, bundle in receiver.of_type("event-notification"):
        said = is_notification(bundle)
        given = {name.lower(): value for name, value in headers.items()}
        assert given["content-type"].startswith("application/fhir+json") and given["x-clinic"] == "7"
        assert said["status"] == "active" and said["subscription"].endswith(made["id"])
        numbers += [int(event["event-number"]) for event in said["notification-event"]]
        assert isinstance(said["events-since-subscription-start"], str)
        assert int(said["events-since-subscription-start"]) >= numbers[-1]
    assert sorted(numbers) == [1, 2] and len(found) == 2


@requirement(35, 38, 39, 65, 67, 99)
def test_an_empty_notification_says_nothing_of_what_changed(client, receiver):
    client.subscribed(receiver, content="empty")
    published(client)
    [(_, bundle)] = receiver.wait("event-notification")
    said = is_notification(bundle)
    assert len(bundle["entry"]) == 1 and "topic" not in said
    [event] = said["notification-event"]
    assert "focus" not in event and "additional-context" not in event


@requirement(33, 35, 40, 41, 42, 67, 100)
def test_an_id_only_notification_refers_to_what_changed(client, receiver):
    client.subscribed(receiver, content="id-only")
    published(client)
    [(_, bundle)] = receiver.wait("event-notification")
    said = is_notification(bundle)
    [event] = said["notification-event"]
    assert event["focus"].endswith("Encounter/1") and said["topic"] == TOPIC and len(bundle["entry"]) == 2
    for entry in bundle["entry"][1:]:
        assert "resource" not in entry and entry["fullUrl"] and entry["request"]["url"]


@requirement(43, 44, 45, 51, 53, 65, 67, 101)
def test_a_full_notification_has_the_resource(client, receiver):
    client.subscribed(receiver)
    published(client)
    [(_, bundle)] = receiver.wait("event-notification")
    said = is_notification(bundle)
    assert said["topic"] == TOPIC
    [event] = said["notification-event"]
    [entry] = bundle["entry"][1:]
    assert entry["resource"]["resourceType"] == "Encounter" and entry["fullUrl"].endswith(event["focus"].split("/")[-1])


@requirement(34, 35)
@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_what_goes_with_the_focus_is_sent_as_the_subscription_has_it(client, receiver, content):
    client.subscribed(receiver, content=content)
    published(client, resources=[FHIR.encounter("1"), {"resourceType": "Patient", "id": "2"}])
    [(_, bundle)] = receiver.wait("event-notification")
    is_notification(bundle)
    with_it = bundle["entry"][1:]
    assert [entry["fullUrl"].split("/")[-2] for entry in with_it] == ([] if content == "empty" else ["Encounter", "Patient"])
    assert all(("resource" in entry) == (content == "full-resource") for entry in with_it)


@requirement(8, 9, 10, 12, 22, 36, 60, 63, 66, 73, 75)
@pytest.mark.parametrize("wrong, named", [
    ({"topic": "http://example.org/topics/none"}, "topic"),
    ({"content": "everything"}, "content"),
    ({"filters": ["Encounter?colour=green"]}, "filter"),
    ({"channel_type": "carrier-pigeon"}, "channel"),
])
def test_what_the_server_cannot_honour_is_refused(client, receiver, wrong, named):
    said = refused(client.ask("POST", "/Subscription", subscription(receiver.url, **wrong)))
    assert named in said.lower(), said


@requirement(10, 11, 13, 22, 90)
@pytest.mark.parametrize("wrong", [
    {"channel_type": "email"},
    {"endpoint": "not a url"},
    {"endpoint": "ftp://127.0.0.1/"},
    {"payload": "application/fhir+json; fhirVersion=3.0"},
    {"payload": "text/plain"},
    {"topic": None},
    {"status": "error"},
    {"resourceType": "Encounter"},
])
def test_a_request_that_makes_no_sense_is_refused(client, receiver, wrong):
    refused(client.ask("POST", "/Subscription", subscription(**{"endpoint": receiver.url, **wrong})))


@requirement(59, 60)
@pytest.mark.skipif(VERSION == "R5", reason="R5 has channels of any kind without an extension")
def test_a_channel_of_another_kind_is_read_and_refused(client, receiver):
    wanted = subscription(receiver.url)
    wanted["channel"]["_type"] = {"extension": [{"url": EXTENSION + "backport-channel-type", "valueCoding": {"code": "carrier-pigeon"}}]}
    assert "channel" in refused(client.ask("POST", "/Subscription", wanted))


@requirement(95, 135, 136)
def test_a_filter_lets_through_what_fits_all_its_conditions(client, receiver):
    client.subscribed(receiver, filters=["Encounter?patient=Patient/1", "Encounter?status=finished"])
    for status, patient in [("planned", "Patient/1"), ("finished", "Patient/2"), ("finished", "Patient/1")]:
        published(client, resources=[FHIR.encounter("1", status, patient)])
    [(_, bundle)] = receiver.wait("event-notification")
    shown = bundle["entry"][1]["resource"]
    assert (shown["status"], shown["subject"]["reference"]) == ("finished", "Patient/1")


@requirement(92, 93, 94)
def test_a_heartbeat_is_sent_where_it_is_asked_for_and_is_not_counted(client, receiver, other_receiver):
    client.subscribed(other_receiver)
    client.subscribed(receiver, heartbeat_period=1)
    [(_, bundle), *_] = receiver.wait("heartbeat", 2)
    assert other_receiver.of_type("heartbeat") == []
    said = is_notification(bundle)
    assert said["events-since-subscription-start"] == "0" and "notification-event" not in said
    assert len(bundle["entry"]) == 1


@requirement(97)
def test_a_request_takes_no_longer_than_the_timeout(client, receiver):
    made = client.subscribed(receiver, timeout=1)
    assert FHIR.setting(client.read(made), "timeout") == 1
    receiver.open.clear()
    published(client)
    ended = f"/v1/deliveries?account={client.account}&outcome=timeout_headers"
    until("the request is given up", lambda: client.operator("GET", ended)["items"])


@requirement(98)
def test_no_notification_has_more_events_than_were_asked_for(client, receiver):
    client.subscribed(receiver, max_count=2)
    for name in range(6):
        published(client, f"Encounter/{name}")
    counts = until("six events", lambda: (
        [len(status_of(bundle)["notification-event"]) for _, bundle in receiver.of_type("event-notification")]
        if sum(len(status_of(bundle)["notification-event"]) for _, bundle in receiver.of_type("event-notification")) == 6 else None))
    assert max(counts) <= 2


@requirement(47, 79, 106, 109, 112, 121)
def test_the_status_of_one_subscription(client, receiver):
    made = client.subscribed(receiver)
    for method in ("GET", "POST"):
        answer = client.ask(method, f"/Subscription/{made['id']}/$status", {"resourceType": "Parameters"} if method == "POST" else None)
        assert answer.status_code == 200, answer.text
        bundle = valid(answer.json())
        assert bundle["type"] == "searchset" and len(bundle["entry"]) == 1
        said = status_of(bundle)
        assert (said["type"], said["status"]) == ("query-status", "active")
    ignored = client.ask("GET", f"/Subscription/{made['id']}/$status?id=other&status=off").json()
    assert len(ignored["entry"]) == 1


@requirement(107, 108, 110, 111)
def test_the_status_of_many_subscriptions(client, receiver):
    first, second = client.subscribed(receiver), client.subscribed(receiver)
    def found(answer):
        assert answer.status_code == 200, answer.text
        return {FHIR.said(entry["resource"])["subscription"].split("/")[-1] for entry in answer.json().get("entry", [])}
    def ids(query=""):
        return found(client.ask("GET", f"/Subscription/$status{query}"))
    def posted(*given):
        return found(client.operation("/Subscription/$status", *given))
    assert ids() == {first["id"], second["id"]}
    assert ids(f"?id={first['id']}") == {first["id"]}
    assert ids(f"?id={first['id']}&id={second['id']}") == {first["id"], second["id"]}
    assert ids("?status=active&status=off") == {first["id"], second["id"]}
    assert ids("?status=error") == set()
    assert posted() == {first["id"], second["id"]}
    assert posted(("id", first["id"])) == {first["id"]}
    assert posted(("id", first["id"]), ("id", second["id"]), ("status", "off"), ("status", "active")) == {first["id"], second["id"]}
    assert posted(("id", first["id"]), ("status", "error")) == set()
    assert found(client.ask("POST", f"/Subscription/$status?id={second['id']}")) == {second["id"]}


@requirement(83, 115, 118, 119, 122)
def test_events_that_were_missed_can_be_asked_for(client, receiver):
    made = client.subscribed(receiver)
    for name in range(1, 5):
        published(client, f"Encounter/{name}")
    until("all are sent", lambda: len(receiver.of_type("event-notification")) >= 4)
    path = f"/Subscription/{made['id']}/$events"
    for answer in (
        client.ask("GET", f"{path}?eventsSinceNumber=2&eventsUntilNumber=3"),
        client.operation(path, ("eventsSinceNumber", "2"), ("eventsUntilNumber", "3")),
    ):
        assert answer.status_code == 200, answer.text
        said = is_notification(answer.json())
        assert (said["type"], said["events-since-subscription-start"]) == ("query-event", "4")
        assert [event["event-number"] for event in said["notification-event"]] == ["2", "3"]
        assert [entry["resource"]["id"] for entry in answer.json()["entry"][1:]] == ["2", "3"]
    assert len(client.operation(path).json()["entry"]) == 5
    assert len(client.operation(path, ("eventsSinceNumber", "4")).json()["entry"]) == 2
    refused(client.ask("GET", f"{path}?eventsSinceNumber=last"))
    refused(client.operation(path, ("eventsSinceNumber", "last")))


@requirement(116, 117)
def test_events_that_were_missed_have_the_content_that_is_asked_for(client, receiver):
    made = client.subscribed(receiver, content="empty")
    published(client)
    receiver.wait("event-notification")
    path = f"/Subscription/{made['id']}/$events"
    for content, entries, focus, resource in [(None, 1, False, False), ("empty", 1, False, False), ("id-only", 2, True, False), ("full-resource", 2, True, True)]:
        given = [("content", content)] if content else []
        for answer in (client.ask("GET", path + (f"?content={content}" if content else "")), client.operation(path, *given)):
            bundle = answer.json()
            [event] = is_notification(bundle)["notification-event"]
            assert (len(bundle["entry"]), "focus" in event, "resource" in bundle["entry"][-1] if entries > 1 else False) == (entries, focus, resource)
    refused(client.ask("GET", f"{path}?content=everything"))
    refused(client.operation(path, ("content", "everything")))


@requirement(77)
def test_events_go_on_being_counted_while_nothing_can_be_delivered(client, receiver):
    made = client.subscribed(receiver)
    receiver.status = 503
    published(client, "Encounter/1")
    published(client, "Encounter/2")
    receiver.wait("event-notification")
    def counted():
        return client.standing(made)["events-since-subscription-start"] == "2"
    until("both are counted", counted)


@requirement(124, 128, 129, 130, 134)
def test_subscriptions_are_read_and_found(client, receiver):
    made = client.subscribed(receiver)
    assert valid(client.read(made))["id"] == made["id"]
    topic = "topic" if VERSION == "R5" else "criteria"
    for query, count in [
        ({}, 1),
        ({"url": receiver.url}, 1),
        ({"url": "http://127.0.0.1:9/none"}, 0),
        ({"status": "active"}, 1),
        ({"status": "off,active"}, 1),
        ({"status": "off"}, 0),
        ({topic: TOPIC}, 1),
        ({topic: "http://example.org/topics/none"}, 0),
        ({"_id": made["id"], "url": receiver.url}, 1),
        ({"_id": "none"}, 0),
    ]:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        for answer in (client.ask("GET", f"/Subscription?{asked}"), client.form("/Subscription/_search", query), client.form(f"/Subscription/_search?{asked}", {})):
            assert answer.status_code == 200, answer.text
            bundle = valid(answer.json())
            assert bundle["type"] == "searchset" and len(bundle.get("entry", [])) == count, query
            assert all(FHIR.headers(entry["resource"]) == ["X-Clinic: ***"] for entry in bundle.get("entry", []))
    refused(client.ask("GET", "/Subscription/nothing"))


@requirement(126)
def test_a_subscription_is_changed_by_whoever_has_its_newest_version(client, receiver):
    made = client.subscribed(receiver)
    answer = client.ask("GET", f"/Subscription/{made['id']}")
    changed = {**answer.json(), "reason": "Something else"}
    stale = client.ask("PUT", f"/Subscription/{made['id']}", changed, **{"if-match": 'W/"999"'})
    assert stale.status_code == 412, stale.text
    done = client.ask("PUT", f"/Subscription/{made['id']}", changed, **{"if-match": answer.headers["etag"]})
    assert done.status_code == 200 and done.json()["reason"] == "Something else", done.text
    assert done.headers["etag"] != answer.headers["etag"]


@requirement(126)
def test_an_end_is_kept_and_ends_where_a_change_has_none(client, receiver):
    made = client.subscribed(receiver, end="2999-01-01T00:00:00Z")
    read = client.read(made)
    assert read["end"].startswith("2999-01-01T00:00:00")
    path = f"/Subscription/{made['id']}"
    kept = client.ask("PUT", path, {**read, "status": "active"})
    assert kept.status_code == 200 and kept.json()["end"] == read["end"], kept.text
    without = client.ask("PUT", path, {key: value for key, value in kept.json().items() if key != "end"})
    assert without.status_code == 200 and "end" not in without.json(), without.text
    assert "end" not in client.read(made)
    past = client.ask("PUT", path, {**read, "status": "active", "end": "2001-01-01T00:00:00Z"})
    assert "end" in refused(past)


@requirement(81, 82, 126)
def test_a_client_switches_it_off_and_asks_for_it_again(client, receiver):
    made = client.subscribed(receiver)
    off = client.ask("PUT", f"/Subscription/{made['id']}", {**client.read(made), "status": "off"})
    assert off.status_code == 200 and client.read(made)["status"] == "off"
    client.ask("PUT", f"/Subscription/{made['id']}", {**client.read(made), "status": "requested"})
    client.becomes(made, "active")


@requirement(127)
def test_a_deleted_subscription_is_gone(client, receiver):
    made = client.subscribed(receiver)
    assert client.ask("DELETE", f"/Subscription/{made['id']}").status_code in (200, 204)
    refused(client.ask("GET", f"/Subscription/{made['id']}"))


@requirement(108)
def test_nobody_sees_what_is_somebody_elses(client, receiver):
    made = client.subscribed(receiver)
    other = type(client)()
    refused(other.ask("GET", f"/Subscription/{made['id']}"))
    assert other.ask("GET", "/Subscription").json().get("entry", []) == []
    assert other.ask("GET", "/Subscription/$status").json().get("entry", []) == []


@requirement(2, 48)
def test_topics_are_resources(client):
    kind = FHIR.topic_type
    all_of_them = valid(client.ask("GET", f"/{kind}").json())
    assert all_of_them["type"] == "searchset"
    [found] = [entry["resource"] for entry in all_of_them["entry"] if FHIR.is_topic(entry["resource"], TOPIC)]
    assert valid(client.ask("GET", f"/{kind}/{found['id']}").json()) == found
    if kind == "Basic":
        some = ["code=http://hl7.org/fhir/fhir-types|SubscriptionTopic&_id=" + found["id"], "_id=" + found["id"]]
        none = ["code=other", "_id=none"]
    else:
        some = [f"url={TOPIC}", f"derived-or-self={TOPIC}", "status=active&resource=Resource", "title=resource", "_id=" + found["id"]]
        none = ["status=draft", "resource=http://hl7.org/fhir/StructureDefinition/Account", "title=changed", "url=http://example.org/topics/none"]
    for query in some:
        assert [entry["resource"] for entry in client.ask("GET", f"/{kind}?{query}").json()["entry"]] == [found], query
    for query in none:
        assert "entry" not in client.ask("GET", f"/{kind}?{query}").json(), query
    refused(client.ask("GET", f"/{kind}/none"))
