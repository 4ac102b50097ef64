//! Flags, as typed. Every flag of `serve` is also an environment variable.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use bellwire_contract::CodeLanguage;
use bellwire_domain::rate::RATE_COUNT_MAX;
use bellwire_domain::{AccountId, AllowedNetwork, RateLimit, Timestamp};
use bellwire_store::{Location, StoreOptions};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand};
use url::Url;

mod audit;
mod client;
mod config;
mod contract;
mod install;
mod keys;
mod listen;
mod master_key;
mod seed;
mod tls;

pub(crate) use audit::{AuditCommand, AuditExportArguments, AuditListArguments, AuditVerifyArguments};
pub(crate) use client::*;
pub(crate) use config::ConfigCommand;
pub(crate) use contract::{DraftArguments, NewArguments};
pub(crate) use install::{CompletionsArguments, HealthArguments, ManArguments};
pub(crate) use keys::{KeysCommand, KeysCreateArguments, RotateMasterArguments};
pub(crate) use listen::{ForwardUrl, ListenArguments};
pub(crate) use master_key::{MasterKeyArguments, MasterKeysArguments};
pub(crate) use seed::SeedArguments;
pub(crate) use tls::TlsArguments;

/// Webhook delivery for healthcare platforms, in one binary.
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server: the API, and delivery to every endpoint
    Serve(Box<ServeArguments>),
    /// Check a configuration file, or show what `serve` is configured with and by what
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show it all on a throw-away store: every built-in contract, real HTTP, each delivery verified
    Demo(DemoArguments),
    /// Fill a store with accounts, endpoints and weeks of deliveries that are made up, to try the console with
    Seed(SeedArguments),
    /// Check that a store keeps its promises, with or without its server running
    Doctor(DoctorArguments),
    /// Move a store from SQLite to PostgreSQL; it can be interrupted at any time, and both sides are checked
    Migrate(MigrateArguments),
    /// Receive deliveries on this machine, or through a running server: show and verify each one, and optionally forward it to your
    /// own server
    Listen(Box<ListenArguments>),
    /// Verify a captured request from standard input: genuine (exit code 0), or not, and why (1), or unsigned (2)
    Verify(VerifyArguments),
    /// Create an API key, or replace the master key, with the database and its master key alone
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Verify and export the audit log, with or without a running server
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write, list, check and try contracts
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Ask a running server whether it takes requests and its store works: exit code 0, or 1 and why not
    Health(HealthArguments),
    /// Print what a shell needs to complete this command's flags
    Completions(CompletionsArguments),
    /// Write the manual: a page for each command
    Man(ManArguments),
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// A TOML file whose keys are these flags; a flag or a variable takes the place of what the file says
    #[arg(long, value_name = "FILE", env = "BELLWIRE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Address of the API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "BELLWIRE_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Serve /healthz, /readyz and /metrics at a listener of their own too, where no client can take its connections
    #[arg(long, value_name = "ADDR", env = "BELLWIRE_METRICS_LISTEN")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) tls: TlsArguments,
    /// Where everything is stored: sqlite:FILE, or postgres://USER@HOST/NAME for any number of nodes
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
    pub(crate) database: Location,
    /// A folder of contracts (*.yaml), or one such file, in addition to the built-in ones
    #[arg(long, value_name = "PATH", env = "BELLWIRE_CONTRACTS")]
    pub(crate) contracts: Option<PathBuf>,
    /// Serve a contract's published API at the root of its own listener (repeatable)
    #[arg(long, value_name = "NAME=ADDR", env = "BELLWIRE_PUBLISH", value_delimiter = ',')]
    pub(crate) publish: Vec<PublishedListener>,
    /// Let endpoints resolve into this network, such as 10.1.0.0/16 (repeatable); other internal addresses are refused. It may be
    /// narrowed to ports, and to a contract or an account: 10.1.0.0/16:443+8443, [fd00::/8]:443@noyo,
    /// 10.1.0.0/16@account:clinic-1
    #[arg(long, value_name = "NETWORK", env = "BELLWIRE_ALLOW_NETWORK", value_delimiter = ',')]
    pub(crate) allow_network: Vec<AllowedNetwork>,
    /// Accept plain-http endpoints even if the contract says https; for local work only
    #[arg(long, env = "BELLWIRE_ALLOW_HTTP")]
    pub(crate) allow_http: bool,
    /// The admin key; another one at a later start takes its place. Without it, the credential `admin-key`; without any, one is
    /// created and printed once
    #[arg(long, value_name = "KEY", env = "BELLWIRE_ADMIN_KEY", hide_env_values = true)]
    pub(crate) admin_key: Option<String>,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
    /// Requests in flight at once, over all endpoints
    #[arg(long, value_name = "N", default_value_t = 1_024, env = "BELLWIRE_IN_FLIGHT_MAX", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) in_flight_max: u16,
    /// Threads for requests and deliveries; by default as many as processors. The store's writer has its own
    #[arg(long, value_name = "N", env = "BELLWIRE_WORKER_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(crate) worker_threads: Option<u16>,
    /// Live deliveries per account; above it, publishers are asked to try again later
    #[arg(long, value_name = "N", default_value_t = StoreOptions::ACCOUNT_BACKLOG_MAX, env = "BELLWIRE_ACCOUNT_BACKLOG_MAX", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) account_backlog_max: u32,
    /// How long finished deliveries, and events that no delivery needs, are kept at least; whole weeks are removed. Without it,
    /// everything is kept
    #[arg(long, value_name = "DAYS", env = "BELLWIRE_RETAIN_HISTORY", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) retain_history: Option<u16>,
    /// What --retain-history was called before
    #[arg(long, hide = true, value_name = "DAYS", env = "BELLWIRE_RETENTION", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) retention: Option<u16>,
    /// How long payloads of events are kept at least; without it, as long as the event
    #[arg(long, value_name = "DAYS", env = "BELLWIRE_RETAIN_PAYLOADS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) retain_payloads: Option<u16>,
    /// How long the answers of receivers are kept at least; without it, as long as their deliveries
    #[arg(long, value_name = "DAYS", env = "BELLWIRE_RETAIN_ANSWERS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) retain_answers: Option<u16>,
    /// How long it is kept at least who was told about whom; without it, for ever
    #[arg(long, value_name = "DAYS", env = "BELLWIRE_RETAIN_DISCLOSURES", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) retain_disclosures: Option<u16>,
    /// Requests per second per API key; 0: no limit
    #[arg(long, value_name = "N", default_value = "0", env = "BELLWIRE_RATE_MAX")]
    pub(crate) rate_max: KeyRate,
    /// Requests per second per consumer's API key, in place of --rate-max; 0: that one
    #[arg(long, value_name = "N", default_value = "100", env = "BELLWIRE_CONSUMER_RATE_MAX")]
    pub(crate) consumer_rate_max: KeyRate,
    /// Wrong keys per minute from one address that are answered at once; further ones wait for up to 10 s. 0: none waits
    #[arg(long, value_name = "N", default_value_t = 30, env = "BELLWIRE_WRONG_KEYS_MAX", value_parser = clap::value_parser!(u32).range(..=i64::from(RATE_COUNT_MAX)))]
    pub(crate) wrong_keys_max: u32,
    /// Deliveries per second that the replays of one account add, together
    #[arg(long, value_name = "N", default_value_t = StoreOptions::REPLAY_RATE_MAX, env = "BELLWIRE_REPLAY_RATE_MAX", value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_COUNT_MAX)))]
    pub(crate) replay_rate_max: u32,
    /// An account whose events tell you what happens here: endpoints that fail or recover, deliveries that failed, accounts near
    /// their limit. It is made if there is none
    #[arg(long, value_name = "ID", env = "BELLWIRE_OPERATOR_ACCOUNT", value_parser = AccountId::try_new)]
    pub(crate) operator_account: Option<AccountId>,
    /// A file to which each signed checkpoint of the audit log is added; keep it where this server's operators cannot change it
    #[arg(long, value_name = "FILE", env = "BELLWIRE_AUDIT_CHECKPOINTS")]
    pub(crate) audit_checkpoints: Option<PathBuf>,
    /// A file to which each erasure of what is about somebody is added; those that the database does not know, as an older backup of
    /// it was restored, are done again at the start
    #[arg(long, value_name = "FILE", env = "BELLWIRE_ERASURES")]
    pub(crate) erasures: Option<PathBuf>,
    /// Where people find this server, for links to the portal; by default, the address that it listens on
    #[arg(long, value_name = "URL", env = "BELLWIRE_PUBLIC_URL", value_parser = http_url)]
    pub(crate) public_url: Option<String>,
    /// Where somebody whose portal link has expired is sent for a new one
    #[arg(long, value_name = "URL", env = "BELLWIRE_PORTAL_REFRESH_URL", value_parser = http_url)]
    pub(crate) portal_refresh_url: Option<String>,
    /// An origin that may show the portal in a frame, such as https://app.example (repeatable)
    #[arg(long, value_name = "ORIGIN", env = "BELLWIRE_PORTAL_FRAME_ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub(crate) portal_frame_origin: Vec<String>,
    /// Sign people in to the pages with this OpenID Connect provider; register PUBLIC-URL/console/sign-in/callback there
    #[arg(long, value_name = "URL", env = "BELLWIRE_OIDC_ISSUER", requires = "oidc_client_id")]
    pub(crate) oidc_issuer: Option<String>,
    /// The client that Bellwire is to the provider
    #[arg(long, value_name = "ID", env = "BELLWIRE_OIDC_CLIENT_ID", requires = "oidc_issuer")]
    pub(crate) oidc_client_id: Option<String>,
    /// That client's secret; without it, Bellwire is a public client
    #[arg(long, value_name = "SECRET", env = "BELLWIRE_OIDC_CLIENT_SECRET", hide_env_values = true, requires = "oidc_issuer")]
    pub(crate) oidc_client_secret: Option<String>,
    /// The claim that says what somebody may do: `admin` or `auditor`, alone or in a list
    #[arg(long, value_name = "CLAIM", default_value = "roles", env = "BELLWIRE_OIDC_ROLE_CLAIM")]
    pub(crate) oidc_role_claim: String,
    /// Send a span for each event published and each attempt to the OpenTelemetry collector at this URL: OTLP over HTTP, as JSON
    #[arg(long, value_name = "URL", env = "BELLWIRE_OTLP_ENDPOINT", value_parser = http_url)]
    pub(crate) otlp_endpoint: Option<String>,
    /// On PostgreSQL: how long a node may be silent before others take over its work, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = StoreOptions::NODE_LEASE_S, env = "BELLWIRE_NODE_LEASE", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) node_lease: u16,
    /// How long a shutdown waits for requests in flight, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "BELLWIRE_SHUTDOWN_GRACE")]
    pub(crate) shutdown_grace: u16,
    /// What to log, such as info or bellwire_engine=debug
    #[arg(long, value_name = "FILTER", default_value = "info", env = "BELLWIRE_LOG")]
    pub(crate) log: String,
    /// Log as JSON, one object per line
    #[arg(long, env = "BELLWIRE_LOG_JSON")]
    pub(crate) log_json: bool,
}

#[derive(Args)]
pub(crate) struct DemoArguments {
    /// Keep the server running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    /// Address of the server
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

#[derive(Args)]
pub(crate) struct DoctorArguments {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME
    #[arg(long, value_name = "URL", default_value = "sqlite:bellwire.db", env = "BELLWIRE_DATABASE", hide_env_values = true)]
    pub(crate) database: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeysArguments,
}

#[derive(Args)]
pub(crate) struct MigrateArguments {
    /// The store to move: sqlite:FILE. No server may have it open, and none will start on it once it is moved
    #[arg(long, value_name = "URL", env = "BELLWIRE_FROM")]
    pub(crate) from: Location,
    /// The database to move it to, empty or from an interrupted move: postgres://USER@HOST/NAME
    #[arg(long, value_name = "URL", env = "BELLWIRE_TO", hide_env_values = true)]
    pub(crate) to: Location,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyArguments,
}

/// What a consumer has: the contract and the secret.
#[derive(Args)]
pub(crate) struct ConsumerArguments {
    /// The name of the contract; NAME@VERSION for another version than its default
    #[arg(long, value_name = "NAME")]
    pub(crate) contract: String,
    #[command(flatten)]
    pub(crate) known: KnownArguments,
}

/// What a consumer knows beside the name of the contract.
#[derive(Args)]
pub(crate) struct KnownArguments {
    /// A folder of contracts (*.yaml), or one such file, in addition to the built-in ones
    #[arg(long, value_name = "PATH", env = "BELLWIRE_CONTRACTS")]
    pub(crate) contracts: Option<PathBuf>,
    /// The secret (repeatable while several are active); safer in the environment, where other users cannot see it
    #[arg(long = "secret", value_name = "SECRET", env = "BELLWIRE_SECRET", hide_env_values = true, allow_hyphen_values = true)]
    pub(crate) secrets: Vec<String>,
    /// The endpoint's URL as registered, if a signature covers it; by default, taken from the request
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    pub(crate) consumer: ConsumerArguments,
    /// Judge as of this time, such as 2025-01-15T09:00:00Z; by default, now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) at: Option<Timestamp>,
    /// Read the body from a file; standard input then has only the head
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum ContractCommand {
    /// Write a first contract from ten answers. On a terminal, what no flag answers is asked; elsewhere nothing is read, and what no
    /// flag answers is the default
    New(Box<NewArguments>),
    /// Draft a contract from the webhooks of an OpenAPI document, or from the messages of an AsyncAPI document
    Draft(DraftArguments),
    /// List the built-in contracts, and those of a folder
    List {
        /// A folder of contracts (*.yaml), or one such file, in addition to the built-in ones
        #[arg(long, value_name = "PATH", env = "BELLWIRE_CONTRACTS")]
        contracts: Option<PathBuf>,
    },
    /// Check a contract file, or all of a folder; faults are reported with line and column
    Check {
        /// The file or the folder
        file: PathBuf,
    },
    /// Show the request that a contract sends for an event
    Render(RenderArguments),
    /// Write a page for consumers, in Markdown: registration, events, requests, verification, retries
    Docs {
        /// The contract's file, or the name of a built-in contract
        file: PathBuf,
    },
    /// Write the code with which a receiver verifies requests, in a language with nothing but its standard library
    Code {
        /// The contract's file, or the name of a built-in contract
        file: PathBuf,
        /// The language: python, node, go, ruby, java or php
        #[arg(long, value_name = "LANGUAGE")]
        language: CodeLanguage,
    },
}

#[derive(Args)]
pub(crate) struct RenderArguments {
    /// The contract's file, or the name of a built-in contract
    pub(crate) file: PathBuf,
    /// The type of the event
    #[arg(long = "event", value_name = "TYPE", required_unless_present = "handshake")]
    pub(crate) event_type: Option<String>,
    /// Instead of an event, this request of the handshake, from 1
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["event_type", "data", "payload", "batch"])]
    pub(crate) handshake: Option<usize>,
    /// Put so many of these events into the request, where the contract sends several in one
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) batch: u16,
    /// JSON to send as the event's data; by default, the contract's own example
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
    /// How much of the data an endpoint gets: full, ids, or JSON pointers such as /status,/patient/id; by default, what the contract
    /// gives to endpoints that choose nothing
    #[arg(long, value_name = "PAYLOAD")]
    pub(crate) payload: Option<String>,
    /// What the endpoint chooses of the contract's options, such as '{"format":"form"}'; by default, nothing
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
    /// The secret to sign with; by default, one in the contract's format, the same each time
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    pub(crate) secret: Option<String>,
    /// The endpoint's URL
    #[arg(long, value_name = "URL", default_value = "https://client.example/webhooks")]
    pub(crate) url: String,
}

/// How many requests per second one API key may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyRate(Option<RateLimit>);

impl KeyRate {
    /// The limit, if there is one.
    pub(crate) const fn per_second(self) -> Option<RateLimit> {
        self.0
    }
}

impl FromStr for KeyRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("write a number from 1 to {RATE_COUNT_MAX}, or 0 for no limit");
        if text == "0" { Ok(Self(None)) } else { format!("{text}/s").parse().map(|limit| Self(Some(limit))).map_err(|_| wrong()) }
    }
}

/// An absolute URL of a web server, without the slash at its end.
fn http_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    url.map(|_| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "write an absolute URL, such as https://hooks.example".to_owned())
}

/// An origin: a URL of a web server without a path (RFC 6454).
fn origin(text: &str) -> Result<String, String> {
    let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
    origin.filter(|origin| origin == text).ok_or_else(|| "write an origin, such as https://app.example".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|_| "write a time as in 2025-01-15T09:00:00Z".to_owned())
}

/// A contract's published API and where it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishedListener {
    pub(crate) contract: String,
    pub(crate) address: SocketAddr,
}

impl FromStr for PublishedListener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (contract, address) = text.split_once('=').ok_or("write NAME=ADDR, as in novamed=127.0.0.1:8081")?;
        let address =
            address.parse().map_err(|_| format!("`{address}` is not an address; write HOST:PORT, as in 127.0.0.1:8081"))?;
        Ok(Self { contract: contract.to_owned(), address })
    }
}

/// Whether the parser's "error" is what the user asked for: help or the version.
pub(crate) fn is_answer(error: &clap::Error) -> bool {
    let asked = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    asked.contains(&error.kind())
}

/// What is wrong with the flags, in one line. Values that do not parse are not repeated: a URL may contain a password.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let flag = error.get(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::ValueValidation);
    if let (Some(flag), Some(reason)) = (flag, error.source()) {
        return format!("{flag}: {reason}");
    }
    let text = error.render().to_string();
    let said = text.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let said: Vec<String> = said.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    said.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_is_also_in_the_environment() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for argument in serve.get_arguments().filter(|argument| argument.get_id() != "help") {
            // A flag that was renamed keeps the variable that deployments set already.
            let named = argument.get_all_aliases().and_then(|aliases| aliases.first().copied()).or(argument.get_long());
            let name = named.unwrap().replace('-', "_").to_uppercase();
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), format!("BELLWIRE_{name}"));
        }
    }

    #[test]
    fn key_rates() {
        let limit = |text: &str| text.parse::<KeyRate>().map(|rate| rate.per_second().map(|limit| limit.to_string()));
        assert_eq!((limit("0"), limit("50")), (Ok(None), Ok(Some("50/s".to_owned()))));
        for text in ["", "-1", "1.5", "50/s", "1000001", "many"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn published_listeners() {
        let listener: PublishedListener = "novamed=127.0.0.1:8081".parse().unwrap();
        assert_eq!((listener.contract.as_str(), listener.address.port()), ("novamed", 8081));
        assert!("novamed".parse::<PublishedListener>().is_err() && "novamed=here".parse::<PublishedListener>().is_err());
    }
}
