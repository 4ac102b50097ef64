//! What routes of published APIs can do, what each verb is given, and what its answers know.
//!
//! To add a verb: a variant with its word, its lines in [`Verb::inputs`] and [`Verb::names`], and a sample in `trial::answers`. The
//! API carries it out.

bellwire_domain::words! {
    /// What a route does.
    pub enum Verb {
        /// Registers an endpoint.
        RegisterEndpoint = "register_endpoint",
        /// Registers an endpoint under its name, or changes the one that has it.
        PutEndpoint = "put_endpoint",
        /// Reads an endpoint.
        ReadEndpoint = "read_endpoint",
        /// Lists the account's endpoints.
        ListEndpoints = "list_endpoints",
        /// Changes an endpoint.
        UpdateEndpoint = "update_endpoint",
        /// Deletes an endpoint.
        DeleteEndpoint = "delete_endpoint",
        /// Gives an endpoint a new secret.
        RotateSecret = "rotate_secret",
        /// Sends an endpoint a test event.
        TestEndpoint = "test_endpoint",
        /// Ends a handshake: the receiver calls back with its token.
        ConfirmEndpoint = "confirm_endpoint",
        /// Lists the public halves of the keys that sign what the account gets.
        ListKeys = "list_keys",
        /// Reads a resource.
        ReadResource = "read_resource",
        /// Lists the resources of a kind.
        ListResources = "list_resources",
        /// Lists the account's events.
        ListEvents = "list_events",
        /// Lists an endpoint's deliveries by their numbers, with their events.
        ListDeliveries = "list_deliveries",
        /// Sends a delivery again.
        RetryDelivery = "retry_delivery",
        /// Reads an event type of the catalogue.
        ReadEventType = "read_event_type",
        /// Lists the catalogue.
        ListEventTypes = "list_event_types",
    }
}

/// What answers about one endpoint know of it.
const ENDPOINT: &[&str] = &[
    "endpoint.id",
    "endpoint.url",
    "endpoint.name",
    "endpoint.events",
    "endpoint.enabled",
    "endpoint.health",
    "endpoint.error",
    "endpoint.headers",
    "endpoint.payload",
    "endpoint.rate_limit",
    "endpoint.options",
    "endpoint.credentials",
    "endpoint.expires_at",
    "endpoint.last_number",
    "endpoint.version",
    "endpoint.created_at",
    "endpoint.updated_at",
];

/// What answers about one delivery know of it.
const DELIVERY: &[&str] = &[
    "delivery.id",
    "delivery.number",
    "delivery.state",
    "delivery.event",
    "delivery.event_type",
    "delivery.endpoint",
    "delivery.created_at",
    "delivery.due_at",
    "delivery.attempt_count",
    "delivery.attempts",
];

/// What an endpoint may bring, when it is registered and when it is changed.
const CHOSEN: [(&str, bool); 8] = [
    ("endpoint.enabled", false),
    ("endpoint.headers", false),
    ("endpoint.payload", false),
    ("endpoint.rate_limit", false),
    ("endpoint.options", false),
    ("endpoint.credentials", false),
    ("endpoint.expires_at", false),
    ("endpoint.lease", false),
];

/// What is added to the events that an endpoint has chosen.
pub(crate) const ADD_EVENTS: &str = "endpoint.add_events";

impl Verb {
    /// Whether it is about the contract itself and not about an account.
    pub(crate) fn is_about_the_catalogue(self) -> bool {
        matches!(self, Self::ReadEventType | Self::ListEventTypes)
    }

    /// Whether it never needs to know who calls. A token says whose endpoint it confirms.
    pub(crate) fn names_no_account(self) -> bool {
        self.is_about_the_catalogue() || self == Self::ConfirmEndpoint
    }

    pub(crate) fn changes_something(self) -> bool {
        matches!(
            self,
            Self::RegisterEndpoint
                | Self::PutEndpoint
                | Self::UpdateEndpoint
                | Self::DeleteEndpoint
                | Self::RotateSecret
                | Self::TestEndpoint
                | Self::RetryDelivery
        )
    }

    /// What it can be given, and whether that is required.
    pub(crate) fn inputs(self) -> Vec<(&'static str, bool)> {
        let own: &[(&'static str, bool)] = match self {
            Self::RegisterEndpoint => {
                &[("endpoint.url", true), ("endpoint.name", false), ("endpoint.events", false), ("endpoint.secret", false)]
            }
            Self::PutEndpoint => {
                &[("endpoint.url", true), ("endpoint.name", true), ("endpoint.events", false), ("endpoint.secret", false)]
            }
            Self::ReadEndpoint => &[("endpoint.id", true), ("endpoint.has_event", false)],
            Self::DeleteEndpoint => &[("endpoint.id", true), ("endpoint.if_match", false)],
            Self::UpdateEndpoint => &[
                ("endpoint.id", true),
                ("endpoint.url", false),
                ("endpoint.name", false),
                ("endpoint.events", false),
                (ADD_EVENTS, false),
                ("endpoint.remove_events", false),
                ("endpoint.must_change", false),
            ],
            Self::ConfirmEndpoint => &[("endpoint.token", true)],
            Self::RotateSecret => &[("endpoint.id", true), ("endpoint.secret", false), ("endpoint.overlap", false)],
            Self::TestEndpoint => &[("endpoint.id", true), ("event.type", false), ("event.data", false)],
            Self::RetryDelivery => &[("delivery.id", true)],
            Self::ReadResource => &[("resource.id", true)],
            Self::ListEndpoints | Self::ListResources => &[("page.limit", false), ("page.after", false)],
            Self::ListEvents => &[
                ("event.type", false),
                ("event.since", false),
                ("event.until", false),
                ("page.limit", false),
                ("page.after", false),
            ],
            Self::ListDeliveries => &[
                ("endpoint.id", true),
                ("delivery.since", false),
                ("delivery.until", false),
                ("page.limit", false),
                ("page.after", false),
            ],
            Self::ReadEventType => &[("event.type", true)],
            Self::ListKeys | Self::ListEventTypes => &[],
        };
        let (chosen, after): (&[_], &[_]) = match self {
            Self::RegisterEndpoint | Self::PutEndpoint => (&CHOSEN, &[]),
            Self::UpdateEndpoint => (&CHOSEN, &[("endpoint.activate", false), ("endpoint.if_match", false)]),
            _ => (&[], &[]),
        };
        [own, chosen, after].concat()
    }

    pub(crate) fn needs_kind(self) -> bool {
        matches!(self, Self::ReadResource | Self::ListResources)
    }

    /// The names that its answers may use, besides those of the request.
    pub(crate) fn names(self, is_public: bool) -> Vec<&'static str> {
        let of_account: &[&'static str] = &["account.id", "account.name"];
        let own: &[&'static str] = match self {
            Self::RegisterEndpoint
            | Self::PutEndpoint
            | Self::RotateSecret
            | Self::ReadEndpoint
            | Self::UpdateEndpoint
            | Self::ConfirmEndpoint
            | Self::DeleteEndpoint
            | Self::TestEndpoint
            | Self::ListDeliveries => ENDPOINT,
            Self::RetryDelivery => DELIVERY,
            Self::ListEndpoints => &["endpoints", "next"],
            Self::ListKeys => &["keys"],
            Self::ReadResource => &[
                "resource.kind",
                "resource.id",
                "resource.state",
                "resource.version",
                "resource.created_at",
                "resource.updated_at",
                "resource.document",
            ],
            Self::ListResources => &["resources", "next"],
            Self::ListEvents => &["events", "next"],
            Self::ReadEventType => {
                &["event.type", "event.title", "event.description", "event.schema", "event.example", "event.fields"]
            }
            Self::ListEventTypes => &["events"],
        };
        let shown = if self.is_about_the_catalogue() || self == Self::ListKeys && is_public { &[] } else { of_account };
        let more: &[&'static str] = match self {
            Self::RegisterEndpoint | Self::PutEndpoint | Self::RotateSecret => &["endpoint.secret"],
            Self::ListDeliveries => &["deliveries", "next"],
            Self::TestEndpoint => &["event.id", "event.seq"],
            _ => &[],
        };
        shown.iter().chain(own).chain(more).copied().collect()
    }
}
