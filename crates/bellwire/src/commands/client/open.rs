//! `bellwire open`: the address of a page of the console.

use std::process::{Command, Stdio};

use crate::cli::OpenArguments;
use crate::client::failure::Failure;
use crate::client::http::ServerUrl;
use crate::client::session::{DEFAULT_PROFILE, profiles, push_segment};
use crate::telemetry;

/// What opens an address in the user's browser, on Linux and on macOS.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

pub(super) fn run(arguments: &OpenArguments) -> Result<(), Failure> {
    let target = &arguments.target;
    let server = if let Some(server) = &target.server {
        server.clone()
    } else {
        let profile = profiles()?.get(target.profile.as_deref().unwrap_or(DEFAULT_PROFILE))?;
        profile.ok_or_else(|| Failure::NotSignedIn("not signed in: bellwire login --server URL".to_owned()))?.server
    };
    let url = page(&server, &arguments.page);
    telemetry::print(&url);
    if arguments.browser { open(&url) } else { Ok(()) }
}

/// The address of a page; those of endpoints have another word in it than `/v1`.
fn page(server: &ServerUrl, page: &str) -> String {
    let mut url = format!("{server}/console");
    for segment in page.split('/').filter(|segment| !segment.is_empty()) {
        url.push('/');
        push_segment(if segment == "endpoints" { "webhooks" } else { segment }, &mut url);
    }
    url
}

fn open(url: &str) -> Result<(), Failure> {
    let opened = OPENERS.iter().any(|program| {
        let mut command = Command::new(program);
        command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    if opened { Ok(()) } else { Err(Failure::Nothing("no browser could be started; open the address above yourself".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_consoles() {
        let server: ServerUrl = "https://hooks.example/".parse().unwrap();
        for (given, expected) in [
            ("", "https://hooks.example/console"),
            ("deliveries/dlv_1", "https://hooks.example/console/deliveries/dlv_1"),
            ("/accounts/a b/endpoints/1/", "https://hooks.example/console/accounts/a%20b/webhooks/1"),
            ("../x?y", "https://hooks.example/console/%2E%2E/x%3Fy"),
        ] {
            assert_eq!(page(&server, given), expected);
        }
    }
}
