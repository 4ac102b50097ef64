//! A server with a key, what it is asked, and its answers as they are shown.

use std::collections::HashMap;

use bellwire_domain::Secret;
use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::failure::Failure;
use super::http::Http;
use super::profiles::Profiles;
use super::table::{self, Column};
use crate::cli::{OutputForm, Paging, Target};
use crate::{environment, telemetry};

/// The profile that is used where none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";
/// Items of a page where all are asked for: as many as the API gives.
const PAGE_ITEMS_MAX: u32 = 200;
/// What may stand in a segment of a path as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');

/// A server with a key.
pub(crate) struct Session {
    http: Http,
    form: OutputForm,
}

/// Parameters of a query; what is `None` is left out.
pub(crate) type Parameters<'a> = &'a [(&'a str, Option<&'a str>)];

/// The profiles of this user.
pub(crate) fn profiles() -> Result<Profiles, Failure> {
    let folder = environment::settings_folder();
    let folder =
        folder.ok_or_else(|| Failure::Usage("there is no folder for settings: set HOME or XDG_CONFIG_HOME".to_owned()))?;
    Ok(Profiles::load(&folder)?)
}

/// A path of `/v1`, from its segments.
pub(crate) fn path(segments: &[&str]) -> String {
    let mut path = "/v1".to_owned();
    for segment in segments {
        path.push('/');
        push_segment(segment, &mut path);
    }
    path
}

/// A segment of a path, whatever characters it has.
pub(crate) fn push_segment(segment: &str, path: &mut String) {
    match segment {
        "." => path.push_str("%2E"),
        ".." => path.push_str("%2E%2E"), // on the way nobody must take it for the folder above
        _ => path.extend(utf8_percent_encode(segment, SEGMENT)),
    }
}

/// A path with the parameters that are given.
pub(crate) fn with_query(path: &str, parameters: Parameters<'_>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter_map(|(name, value)| Some((name, (*value)?))));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The value of a flag that this command cannot do without.
pub(crate) fn needed<'a>(flag: &str, value: Option<&'a str>) -> Result<&'a str, Failure> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| Failure::Usage(format!("{flag} is needed")))
}

impl Session {
    /// The server and the key that flags, the environment and the profile name.
    pub(crate) fn open(target: &Target) -> Result<Self, Failure> {
        let name = target.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let profile = match (&target.server, &target.key) {
            (Some(_), Some(_)) => None, // nothing of it is used
            _ => profiles()?.get(name)?,
        };
        if profile.is_none() && target.profile.is_some() && (target.server.is_none() || target.key.is_none()) {
            return Err(Failure::NotSignedIn(format!(
                "nothing is kept as `{name}`: bellwire login --profile {name} --server URL"
            )));
        }
        let server = target.server.clone().or_else(|| profile.as_ref().map(|profile| profile.server.clone()));
        let server = server.ok_or_else(|| Failure::NotSignedIn("not signed in: bellwire login --server URL".to_owned()))?;
        // A key goes to the server that it is for, and to no other.
        let kept = profile.filter(|profile| profile.server == server);
        let (kept, cacert) = kept.map_or((None, None), |profile| (Some(profile.key), profile.cacert));
        let key = target.key.clone().or(kept);
        let key =
            key.ok_or_else(|| Failure::NotSignedIn(format!("no key for {server}: bellwire login --server {server}, or --key")))?;
        let cacert = target.cacert.as_deref().or(cacert.as_deref());
        Ok(Self { http: Http::new(server, Secret::new(key), cacert)?, form: target.output })
    }

    /// What sends.
    pub(crate) const fn http(&self) -> &Http {
        &self.http
    }

    /// How answers are shown.
    pub(crate) const fn form(&self) -> OutputForm {
        self.form
    }

    /// The answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.http.send(Method::GET, path, None).await
    }

    /// The same as JSON.
    pub(crate) async fn read(&self, path: &str) -> Result<Value, Failure> {
        self.json(&self.get(path).await?)
    }

    /// Sends a request, and shows the fields of its answer.
    pub(crate) async fn show(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), Failure> {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self.http.send(method, path, body).await?;
        self.print(&answer)
    }

    /// Sends a request that has no answer but that it was done.
    pub(crate) async fn delete(&self, path: &str, done: &str) -> Result<(), Failure> {
        self.http.send(Method::DELETE, path, None).await?;
        if self.form == OutputForm::Table {
            telemetry::print(done);
        }
        Ok(())
    }

    /// Shows an answer: its fields, or as it is.
    pub(crate) fn print(&self, answer: &[u8]) -> Result<(), Failure> {
        match self.form {
            OutputForm::Json => print_raw(answer),
            OutputForm::Table => table::fields(&self.json(answer)?).iter().for_each(|line| telemetry::print(line)),
        }
        Ok(())
    }

    /// An answer as JSON.
    pub(crate) fn json(&self, answer: &[u8]) -> Result<Value, Failure> {
        serde_json::from_slice(answer).map_err(|_| self.not_an_answer())
    }

    /// Shows a list: one page, or all of them.
    pub(crate) async fn list(
        &self,
        path: &str,
        parameters: Parameters<'_>,
        paging: &Paging,
        columns: &[Column],
    ) -> Result<(), Failure> {
        let limit = paging.limit.or(paging.all.then_some(PAGE_ITEMS_MAX)).map(|limit| limit.to_string());
        let (mut after, mut shown) = (paging.after.clone(), Shown { form: self.form, columns, pages: 0, items: 0 });
        loop {
            let paging_parameters = [("limit", limit.as_deref()), ("after", after.as_deref())];
            let page = self.get(&with_query(path, &[parameters, &paging_parameters].concat())).await?;
            if self.form == OutputForm::Json && !paging.all {
                print_raw(&page);
                return Ok(());
            }
            let page = Page::read(&page).ok_or_else(|| self.not_an_answer())?;
            shown.page(&page.items)?;
            let has_more = page.next.is_some() && page.next != after;
            if !(has_more && paging.all) {
                shown.end(page.next.as_deref().filter(|_| has_more));
                return Ok(());
            }
            after = page.next;
        }
    }

    fn not_an_answer(&self) -> Failure {
        Failure::Unreachable { server: self.http.server().to_string(), reason: "its answer is none of Bellwire's".to_owned() }
    }
}

fn print_raw(answer: &[u8]) {
    if !answer.is_empty() {
        telemetry::print(String::from_utf8_lossy(answer).trim_end());
    }
}

/// A page of a list, its items as they were sent.
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

impl Page {
    fn read(answer: &[u8]) -> Option<Self> {
        let fields: HashMap<String, Box<RawValue>> = serde_json::from_slice(answer).ok()?;
        let items = serde_json::from_str(fields.get("items")?.get()).ok()?;
        let next = fields.get("next").map_or(Ok(None), |next| serde_json::from_str(next.get())).ok()?;
        Some(Self { items, next })
    }
}

/// What has been shown of a list.
struct Shown<'a> {
    form: OutputForm,
    columns: &'a [Column],
    pages: usize,
    items: usize,
}

impl Shown<'_> {
    fn page(&mut self, items: &[Box<RawValue>]) -> Result<(), Failure> {
        match self.form {
            OutputForm::Table => {
                let read: Result<Vec<Value>, _> = items.iter().map(|item| serde_json::from_str(item.get())).collect();
                let read = read.map_err(|error| Failure::Nothing(format!("an item cannot be read: {error}")))?;
                // A later page goes on below the titles of the first.
                let lines = if read.is_empty() && self.pages > 0 { Vec::new() } else { table::rows(self.columns, &read) };
                lines.iter().skip(usize::from(self.items > 0)).for_each(|line| telemetry::print(line));
            }
            OutputForm::Json => {
                if self.pages == 0 {
                    telemetry::print(r#"{"items":["#);
                }
                for (place, item) in items.iter().enumerate() {
                    let comma = if self.items + place > 0 { "," } else { "" };
                    telemetry::print(&format!("{comma}{}", item.get()));
                }
            }
        }
        self.pages += 1;
        self.items += items.len();
        Ok(())
    }

    fn end(&self, next: Option<&str>) {
        match (self.form, next) {
            (OutputForm::Json, _) => telemetry::print(r#"],"next":null}"#),
            (OutputForm::Table, Some(next)) => telemetry::say(&format!("there is more: --all, or --after {next}")),
            (OutputForm::Table, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_their_segments_apart() {
        assert_eq!(path(&["accounts", "a/b c", ".."]), "/v1/accounts/a%2Fb%20c/%2E%2E");
        assert_eq!(with_query("/v1/x", &[("a", Some("1&2")), ("b", None)]), "/v1/x?a=1%262");
        assert_eq!(with_query("/v1/x", &[("b", None)]), "/v1/x");
    }
}
