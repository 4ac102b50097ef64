//! Flags of `bellwire accounts` and `bellwire endpoints`.

use clap::{Args, Subcommand};

use super::{EXIT_CODES, Paging, Target};

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct AccountsArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: AccountsCommand,
}

#[derive(Subcommand)]
pub(crate) enum AccountsCommand {
    /// List all accounts
    List(Paging),
    /// Show an account
    Show {
        /// Its id
        account: String,
    },
    /// Make an account, or change it; what is not given is as the contract has it
    Put {
        /// Its id, which you choose
        account: String,
        /// Its contract, fixed once the account exists
        #[arg(long, value_name = "NAME")]
        contract: String,
        /// A name for people
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// An event type granted beyond what everyone gets (repeatable)
        #[arg(long = "entitlement", value_name = "TYPE")]
        entitlements: Vec<String>,
        /// Whether it is a sandbox
        #[arg(long)]
        sandbox: bool,
        /// Another field of the request, as path=value; the value is JSON where it reads as such (repeatable)
        #[arg(long = "set", value_name = "PATH=VALUE")]
        set: Vec<String>,
    },
    /// Delete an account with all that is its own
    Delete {
        /// Its id
        account: String,
    },
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct EndpointsArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The account that they belong to
    #[arg(long, global = true, value_name = "ID", env = "BELLWIRE_ACCOUNT")]
    pub(crate) account: Option<String>,
    #[command(subcommand)]
    pub(crate) command: EndpointsCommand,
}

#[derive(Subcommand)]
pub(crate) enum EndpointsCommand {
    /// List the account's endpoints
    List(Paging),
    /// Show an endpoint
    Show {
        /// Its id
        endpoint: String,
    },
    /// Make an endpoint; where a secret is drawn, it is shown this once
    Create {
        /// Where deliveries go
        #[arg(long, value_name = "URL")]
        url: String,
        #[command(flatten)]
        fields: EndpointFields,
    },
    /// Change an endpoint
    Update {
        /// Its id
        endpoint: String,
        /// Where deliveries go
        #[arg(long, value_name = "URL")]
        url: Option<String>,
        #[command(flatten)]
        fields: EndpointFields,
    },
    /// Delete an endpoint; what waits for it is cancelled
    Delete {
        /// Its id
        endpoint: String,
    },
    /// Switch it on: new events are sent to it
    Enable {
        /// Its id
        endpoint: String,
    },
    /// Switch it off: new events are not sent to it
    Disable {
        /// Its id
        endpoint: String,
    },
    /// Send what waits, where failures have paused it
    Resume {
        /// Its id
        endpoint: String,
    },
    /// Give it a new secret, which is shown this once; for a while the old one signs too
    RotateSecret {
        /// Its id
        endpoint: String,
        /// How long the old one signs too, such as 0s, 30m or 24h
        #[arg(long, value_name = "TIME")]
        overlap: Option<String>,
        /// The new secret, where the contract lets you choose it: @FILE, or - for standard input
        #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
        secret: Option<String>,
    },
    /// Send it a test event
    Test {
        /// Its id
        endpoint: String,
        /// An event type of the contract; by default, the contract's test event
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
    },
}

/// Fields of an endpoint that have a flag of their own.
#[derive(Args)]
pub(crate) struct EndpointFields {
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// An event type that it gets (repeatable); by default, all that the contract gives
    #[arg(long = "event", value_name = "TYPE")]
    pub(crate) events: Vec<String>,
    /// Its secret, where the contract lets you choose it: a text, @FILE, or - for standard input
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    pub(crate) secret: Option<String>,
    /// Another field of the request, as path=value, such as rate_limit=10/s; the value is JSON where it reads as such (repeatable)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
}
