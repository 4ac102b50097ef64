//! `bellwire login` and `bellwire logout`.

use std::io::IsTerminal as _;

use bellwire_domain::Secret;
use http::Method;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::cli::{LoginArguments, LogoutArguments};
use crate::client::failure::Failure;
use crate::client::http::Http;
use crate::client::input;
use crate::client::profiles::Profile;
use crate::client::session::{path, profiles, with_query};
use crate::telemetry;

/// Tries a key, and keeps it.
pub(super) async fn login(arguments: LoginArguments) -> Result<(), Failure> {
    let LoginArguments { server, profile: name, key, cacert } = arguments;
    let mut profiles = profiles()?;
    if !server.is_private() {
        telemetry::say(&format!("bellwire: {server} is plain http: others on the way can read the key"));
    }
    let key = match key {
        Some(key) => key.trim().to_owned(),
        None => ask()?,
    };
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Usage("an API key is one word; give it on standard input, or as BELLWIRE_KEY".to_owned()));
    }
    let http = Http::new(server.clone(), Secret::new(key.clone()), cacert.as_deref())?;
    // Every role may do this.
    http.send(Method::GET, &with_query(&path(&["contracts"]), &[("limit", Some("1"))]), None).await?;
    // Later commands may run in another folder.
    let cacert = cacert.and_then(|path| std::path::absolute(path).ok());
    profiles.put(&name, &Profile { server: server.clone(), key, cacert })?;
    telemetry::print(&format!("signed in to {server} as `{name}`; the key is in {}", profiles.path().display()));
    Ok(())
}

/// Forgets a key.
pub(super) fn logout(arguments: &LogoutArguments) -> Result<(), Failure> {
    let name = &arguments.profile;
    if !profiles()?.remove(name)? {
        return Err(Failure::Nothing(format!("nothing is kept as `{name}`")));
    }
    telemetry::print(&format!("`{name}` is forgotten; the key still works until it is revoked"));
    Ok(())
}

/// The key from standard input; on a terminal it is asked for, and not shown.
fn ask() -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return input::stdin("the API key on standard input");
    }
    telemetry::say("API key (not shown while you type):");
    let shown = tcgetattr(&stdin).ok();
    if let Some(mut hidden) = shown.clone() {
        hidden.local_modes.remove(LocalModes::ECHO);
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &hidden);
    }
    let mut key = String::new();
    let read = stdin.read_line(&mut key);
    if let Some(shown) = shown {
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &shown);
    }
    read.map_err(|error| Failure::Usage(format!("the API key cannot be read: {error}")))?;
    Ok(key.trim().to_owned())
}
