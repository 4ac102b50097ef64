//! Flags of `bellwire contract new` and `draft`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct NewArguments {
    /// The file to write; `-` or none: standard output
    pub(crate) file: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
    /// The platform's short name: lower-case letters, digits, `-`, `.` and `_` [default: the file's name, or acme]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its name for people [default: made from the short name]
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// An event's type (repeatable), or any [default: order.created]
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
    /// The form of the body: envelope, data, merged, list or form [default: envelope]
    #[arg(long, value_name = "FORM")]
    body: Option<String>,
    /// The form of times: rfc3339, unix or unix-ms [default: rfc3339]
    #[arg(long, value_name = "FORM")]
    time: Option<String>,
    /// What the names of the platform's own headers start with [default: x- and the short name]
    #[arg(long, value_name = "PREFIX")]
    header_prefix: Option<String>,
    /// The signature: hmac-sha256-hex, hmac-sha256-base64, stripe-like, standard-webhooks, token or none [default:
    /// hmac-sha256-hex]
    #[arg(long, value_name = "SCHEME")]
    signature: Option<String>,
    /// Who registers endpoints: consumer or operator [default: consumer]
    #[arg(long, value_name = "WHO")]
    register: Option<String>,
    /// Where secrets come from: generated, consumer or account [default: generated]
    #[arg(long, value_name = "FROM")]
    secret: Option<String>,
    /// When to try again: none, day, 3-days, or delays such as 1m,5m,30m,2h [default: day]
    #[arg(long, value_name = "RETRIES")]
    retry: Option<String>,
    /// The statuses that count as received; never asked [default: 2xx]
    #[arg(long, value_name = "STATUSES")]
    success: Option<String>,
    /// The deadline of one attempt; never asked [default: 30s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

#[derive(Args)]
pub(crate) struct DraftArguments {
    /// The document: OpenAPI 3.0 or 3.1, or AsyncAPI 2 or 3, in JSON or YAML
    #[arg(long, value_name = "FILE", visible_alias = "asyncapi")]
    pub(crate) openapi: PathBuf,
    /// The contract's short name [default: made from the document's title]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The file to write; `-` or none: standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    pub(crate) force: bool,
}

impl NewArguments {
    /// Each flag that answers a question, with its answer.
    pub(crate) fn answers(&self) -> [(&'static str, Option<String>); 12] {
        [
            ("name", self.name.clone()),
            ("title", self.title.clone()),
            ("event", (!self.events.is_empty()).then(|| self.events.join(","))),
            ("body", self.body.clone()),
            ("time", self.time.clone()),
            ("header-prefix", self.header_prefix.clone()),
            ("signature", self.signature.clone()),
            ("register", self.register.clone()),
            ("secret", self.secret.clone()),
            ("retry", self.retry.clone()),
            ("success", self.success.clone()),
            ("timeout", self.timeout.clone()),
        ]
    }
}
