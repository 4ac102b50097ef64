//! Flags of the commands that ask a running server.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::super::client::http::ServerUrl;

mod deliveries;
mod endpoints;
mod events;

pub(crate) use deliveries::{DeliveriesArguments, DeliveriesCommand, DeliveryFilter, IncidentsArguments, IncidentsCommand};
pub(crate) use endpoints::{AccountsArguments, AccountsCommand, EndpointFields, EndpointsArguments, EndpointsCommand};
pub(crate) use events::{
    EventFields, EventsArguments, EventsCommand, ReplaysArguments, ReplaysCommand, TailArguments, TriggerArguments,
};

/// Shown below the help of each of these commands.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no: not found, or refused as it stands; 2 a flag or an input is \
     wrong; 3 the server cannot be reached or cannot answer now; 4 not signed in, or not allowed";

#[derive(Subcommand)]
pub(crate) enum ClientCommand {
    /// Sign in to a running server: try a key, and keep it for the commands below
    Login(LoginArguments),
    /// Forget a key that `login` has kept
    Logout(LogoutArguments),
    /// List, show, make, change and delete accounts
    Accounts(AccountsArguments),
    /// List, show, make, change, test and delete an account's endpoints
    Endpoints(EndpointsArguments),
    /// List, show, publish and follow an account's events
    Events(EventsArguments),
    /// List deliveries, show why one has not arrived, and send it again
    Deliveries(DeliveriesArguments),
    /// Send again what an endpoint has missed, or count it
    Replays(ReplaysArguments),
    /// List what fails, show it, and acknowledge it
    Incidents(IncidentsArguments),
    /// Publish the example of an event type of the account's contract, changed where you say
    Trigger(TriggerArguments),
    /// Print the address of a page of the console, or open it
    Open(OpenArguments),
}

/// Which server, with which key, and how its answers are shown.
#[derive(Args)]
pub(crate) struct Target {
    /// What `bellwire login` has kept under this name
    #[arg(long, global = true, value_name = "NAME", env = "BELLWIRE_PROFILE", help_heading = "Server")]
    pub(crate) profile: Option<String>,
    /// The server, in place of the profile's; it gets the profile's key only if it is the same
    #[arg(long, global = true, value_name = "URL", env = "BELLWIRE_SERVER", help_heading = "Server")]
    pub(crate) server: Option<ServerUrl>,
    /// The API key, in place of the profile's; safer in the environment, where other users cannot see it
    #[arg(long, global = true, value_name = "KEY", env = "BELLWIRE_KEY", hide_env_values = true, help_heading = "Server")]
    pub(crate) key: Option<String>,
    /// Trust the certificate authorities in this file too (PEM)
    #[arg(long, global = true, value_name = "FILE", env = "BELLWIRE_CACERT", help_heading = "Server")]
    pub(crate) cacert: Option<PathBuf>,
    /// How answers are shown: a table for people, or the JSON that the API has answered
    #[arg(long, global = true, value_name = "FORM", value_enum, default_value = "table", help_heading = "Server")]
    pub(crate) output: OutputForm,
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Which part of a list.
#[derive(Args, Default)]
pub(crate) struct Paging {
    /// The most items of a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Go on after an earlier page: its `next`
    #[arg(long, value_name = "NEXT")]
    pub(crate) after: Option<String>,
    /// Follow the pages to the end of the list
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct LoginArguments {
    /// The server
    #[arg(long, value_name = "URL", env = "BELLWIRE_SERVER")]
    pub(crate) server: ServerUrl,
    /// The name to keep it under
    #[arg(long, value_name = "NAME", env = "BELLWIRE_PROFILE", default_value = "default")]
    pub(crate) profile: String,
    /// The API key; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "KEY", env = "BELLWIRE_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
    /// Trust the certificate authorities in this file too (PEM)
    #[arg(long, value_name = "FILE", env = "BELLWIRE_CACERT")]
    pub(crate) cacert: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct LogoutArguments {
    /// The name that it is kept under
    #[arg(long, value_name = "NAME", env = "BELLWIRE_PROFILE", default_value = "default")]
    pub(crate) profile: String,
}

#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct OpenArguments {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The page: accounts/ID, deliveries/ID, incidents, and so on; by default, the overview
    #[arg(value_name = "PAGE", default_value = "")]
    pub(crate) page: String,
    /// Open it in a browser as well
    #[arg(long)]
    pub(crate) browser: bool,
}
