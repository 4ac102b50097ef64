//! Flags of `bellwire deliveries` and `bellwire incidents`.

use clap::{Args, Subcommand};

use super::{EXIT_CODES, Paging, Target};

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DeliveriesArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: DeliveriesCommand,
}

#[derive(Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// List deliveries, the newest first
    List {
        #[command(flatten)]
        paging: Paging,
        #[command(flatten)]
        filter: Box<DeliveryFilter>,
    },
    /// Show a delivery: its attempts, what each came to, what to do about it, and when the next one is
    Show {
        /// Its id
        delivery: String,
    },
    /// Show the request of an attempt, and the text that was signed. That you read its payload is kept in the audit log
    Request {
        /// The delivery's id
        delivery: String,
        /// The number of the attempt; without it, the last
        #[arg(long, value_name = "NUMBER")]
        attempt: Option<u32>,
    },
    /// Send a delivery again, now
    Retry {
        /// Its id
        delivery: String,
    },
}

/// Which deliveries.
#[derive(Args)]
pub(crate) struct DeliveryFilter {
    /// Only those of this account
    #[arg(long, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Only those to this endpoint; goes with --account
    #[arg(long, value_name = "ID")]
    pub(crate) endpoint: Option<String>,
    /// Only those of this event; goes with --account
    #[arg(long, value_name = "ID")]
    pub(crate) event: Option<String>,
    /// Only those of events of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only those that are pending, delivered, failed or cancelled
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only those whose last attempt came to this, such as timeout_headers
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Only those whose last attempt was answered with this status
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<u16>,
    /// Only those created at this time or later, such as 2025-01-15T09:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only those created before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct IncidentsArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: IncidentsCommand,
}

#[derive(Subcommand)]
pub(crate) enum IncidentsCommand {
    /// List incidents, the newest first
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only those of this account
        #[arg(long, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
        account: Option<String>,
        /// Only those that are open, acknowledged or resolved
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Show an incident: what fails, since when, and what to do about it
    Show {
        /// Its id
        incident: String,
    },
    /// Say that somebody sees to it
    Acknowledge {
        /// Its id
        incident: String,
    },
}
