//! Flags of `bellwire events`, `bellwire trigger` and `bellwire replays`.

use clap::{Args, Subcommand};

use super::{EXIT_CODES, Paging, Target};

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct EventsArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The account whose events they are
    #[arg(long, global = true, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: Option<String>,
    #[command(subcommand)]
    pub(crate) command: EventsCommand,
}

#[derive(Subcommand)]
pub(crate) enum EventsCommand {
    /// List the account's events in the order of their seq
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only events of this type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only events that happened at this time or later, such as 2025-01-15T09:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only events that happened before this time
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Only events that have been delivered (true), or that have not (false)
        #[arg(long, value_name = "BOOL")]
        delivered: Option<bool>,
        /// With --delivered: to this endpoint
        #[arg(long, value_name = "ID", requires = "delivered")]
        endpoint: Option<String>,
    },
    /// Show an event with its data, and where it went
    Show {
        /// Its seq
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        seq: i64,
    },
    /// Publish an event
    Publish {
        /// Its type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: String,
        /// Its data: JSON, @FILE, or - for standard input. It is sent as it is written
        #[arg(long, value_name = "JSON")]
        data: String,
        #[command(flatten)]
        fields: EventFields,
    },
    /// Print the account's events as they are published, until Ctrl-C; where the connection ends, it is made again
    Tail(TailArguments),
}

#[derive(Args)]
pub(crate) struct TailArguments {
    /// Begin after the event with this seq; by default, with the next one
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) after: Option<i64>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
}

/// What an event has beside its type and its data.
#[derive(Args)]
pub(crate) struct EventFields {
    /// Its id; published again, it changes nothing. By default, one is drawn
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Whom it is about, for later erasure, such as patient:7 (repeatable)
    #[arg(long = "subject", value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TriggerArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The type of the event
    #[arg(value_name = "TYPE")]
    pub(crate) event_type: String,
    /// The account
    #[arg(long, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: String,
    /// Change the example: path=value, as in patient.id=7; the value is JSON where it reads as such (repeatable)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) fields: EventFields,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ReplaysArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The account
    #[arg(long, global = true, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The endpoint
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) endpoint: Option<String>,
    #[command(subcommand)]
    pub(crate) command: ReplaysCommand,
}

#[derive(Subcommand)]
pub(crate) enum ReplaysCommand {
    /// Send events again that the endpoint has not got
    Start {
        /// Only events accepted at this time or later, such as 2025-01-15T09:00:00Z
        #[arg(long, value_name = "TIME")]
        since: String,
        /// Only events accepted before this time; by default, all so far
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// What has become of them there: failed, cancelled, missed or delivered (repeatable); by default, failed and missed
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<String>,
        /// Only count what would be sent
        #[arg(long)]
        dry_run: bool,
    },
    /// List the endpoint's replays; without --endpoint, those that run
    List(Paging),
    /// Show how far a replay is
    Show {
        /// Its id
        replay: String,
    },
    /// Stop a replay; what it has sent stays sent
    Cancel {
        /// Its id
        replay: String,
    },
}
