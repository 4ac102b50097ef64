"""How the versions of FHIR write the same things: a subscription, what a notification says, topics.

Tests say what they mean with the words of the R4 guide, and a dialect puts it into its resources and takes it out again.
"""

import importlib
import json

EXTENSION = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
R5_TOPIC = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."


class Backport:
    """Subscriptions of R4 and R4B, as the guide extends them."""

    package = "fhir.resources.R4B"
    bundle_type = "history"
    #: What of a subscription a server gives back as it got it.
    kept = ("criteria", "reason", "channel")
    topic_type = "SubscriptionTopic"

    def valid(self, resource):
        """The resource, once the library has read all of it."""
        kind = resource["resourceType"]
        model = getattr(importlib.import_module(f"{self.package}.{kind.lower()}"), kind)
        model.model_validate(resource)
        return resource

    def subscription(self, endpoint, topic, content, filters, headers, channel_type="rest-hook", payload="application/fhir+json", **rest):
        named = [("heartbeat-period", "valueUnsignedInt"), ("timeout", "valueUnsignedInt"), ("max-count", "valuePositiveInt")]
        given = [(name, kind, rest.pop(name.replace("-", "_"), None)) for name, kind in named]
        extensions = [{"url": f"{EXTENSION}backport-{name}", kind: value} for name, kind, value in given if value is not None]
        resource = {
            "resourceType": "Subscription",
            "meta": {"profile": [EXTENSION + "backport-subscription"]},
            "status": "requested",
            "reason": "To be told of changes",
            "criteria": topic,
            "channel": {
                "type": channel_type,
                "endpoint": endpoint,
                "payload": payload,
                "_payload": {"extension": [{"url": EXTENSION + "backport-payload-content", "valueCode": content}]},
                "header": list(headers),
                **({"extension": extensions} if extensions else {}),
            },
            **rest,
        }
        if filters:
            found = [{"url": EXTENSION + "backport-filter-criteria", "valueString": text} for text in filters]
            resource["_criteria"] = {"extension": found}
        return {key: value for key, value in resource.items() if value is not None}

    def setting(self, subscription, name):
        """What a subscription says of `timeout` and the like."""
        [found] = [one for one in subscription["channel"]["extension"] if one["url"] == f"{EXTENSION}backport-{name.replace('_', '-')}"]
        return next(value for key, value in found.items() if key.startswith("value"))

    def headers(self, subscription):
        return subscription["channel"].get("header", [])

    def endpoint(self, subscription):
        return subscription["channel"]["endpoint"]

    def encounter(self, name, status="planned", patient=None):
        subject = {"subject": {"reference": patient}} if patient else {}
        return {"resourceType": "Encounter", "id": name, "status": status, "class": {"code": "AMB"}, **subject}

    def input(self, name, value):
        """A parameter of an operation."""
        kinds = {"id": "valueId", "status": "valueCode", "content": "valueCode"}
        return {"name": name, kinds.get(name, self.number_kind): value}

    number_kind = "valueString"

    def is_topic(self, resource, url):
        return resource["resourceType"] == "SubscriptionTopic" and resource["url"] == url and resource["status"] == "active"


class R4(Backport):
    """What the first entry of a notification says stands in Parameters, and topics are Basic."""

    fhir_version = "4.0.1"
    server = "backport-subscription-server-r4"
    topic_type = "Basic"

    def said(self, resource):
        self.valid(resource)
        assert EXTENSION + "backport-subscription-status-r4" in resource["meta"]["profile"]
        return self.named(resource["parameter"])

    def named(self, parameters):
        """The named values of Parameters; parts as mappings, and lists of them for what repeats."""
        found = {}
        for parameter in parameters:
            if "part" in parameter:
                found.setdefault(parameter["name"], []).append(self.named(parameter["part"]))
            else:
                value = next(value for key, value in parameter.items() if key.startswith("value"))
                found[parameter["name"]] = value.get("reference", value) if isinstance(value, dict) else value
        return found

    def is_topic(self, resource, url):
        assert resource["code"]["coding"][0] == {"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}
        return resource["resourceType"] == "Basic" and {"url": R5_TOPIC + "url", "valueUri": url} in resource["extension"]


class WithStatus:
    """What the first entry of a notification says is a resource of its own."""

    def said(self, resource):
        self.valid(resource)
        assert resource["resourceType"] == "SubscriptionStatus"
        events = [
            {"event-number": event["eventNumber"], "timestamp": event["timestamp"], **({"focus": event["focus"]["reference"]} if "focus" in event else {})}
            for event in resource.get("notificationEvent", [])
        ]
        found = {
            "subscription": resource["subscription"]["reference"],
            "topic": resource.get("topic"),
            "status": resource["status"],
            "type": resource["type"],
            "events-since-subscription-start": resource.get("eventsSinceSubscriptionStart"),
            "notification-event": events,
            "error": resource.get("error"),
        }
        return {name: value for name, value in found.items() if value}


class R4B(WithStatus, Backport):
    fhir_version = "4.3.0"
    server = "backport-subscription-server"


class R5(WithStatus, Backport):
    """Native subscriptions."""

    package = "fhir.resources"
    fhir_version = "5.0.0"
    server = None
    bundle_type = "subscription-notification"
    kept = ("topic", "reason", "filterBy", "channelType", "endpoint", "parameter", "contentType", "content")
    number_kind = "valueInteger64"

    def subscription(self, endpoint, topic, content, filters, headers, channel_type="rest-hook", payload="application/fhir+json", **rest):
        names = {"heartbeat_period": "heartbeatPeriod", "timeout": "timeout", "max_count": "maxCount"}
        settings = {name: rest.pop(key) for key, name in names.items() if key in rest}
        resource = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "To be told of changes",
            "topic": topic,
            "filterBy": [self.filter(text) for text in filters],
            "channelType": {"system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type", "code": channel_type},
            "endpoint": endpoint,
            "parameter": [dict(zip(("name", "value"), header.split(": "))) for header in headers],
            "contentType": payload,
            "content": content,
            **settings,
            **rest,
        }
        return {key: value for key, value in resource.items() if value not in (None, [])}

    def filter(self, text):
        kind, _, condition = text.partition("?")
        name, _, value = condition.partition("=")
        return {"resourceType": kind, "filterParameter": name, "value": value}

    def setting(self, subscription, name):
        return subscription[{"heartbeat_period": "heartbeatPeriod", "max_count": "maxCount"}.get(name, name)]

    def headers(self, subscription):
        return [f"{one['name']}: {one['value']}" for one in subscription.get("parameter", [])]

    def endpoint(self, subscription):
        return subscription["endpoint"]

    def encounter(self, name, status="planned", patient=None):
        subject = {"subject": {"reference": patient}} if patient else {}
        return {"resourceType": "Encounter", "id": name, "status": status, **subject}


DIALECTS = {"R4": R4, "R4B": R4B, "R5": R5}
CONTRACTS = {"R4": "fhir-r4-backport", "R4B": "fhir-r4b-backport", "R5": "fhir-r5"}
