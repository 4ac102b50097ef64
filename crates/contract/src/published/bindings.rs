//! The values behind the names in templates of published APIs, and answers written with them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::failure::RenderError;
use crate::json;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::published::body::AnswerBody;
use crate::request::Header;
use crate::variables::{Builtin, Scope, Values, Variable};

/// How often an answer may hold what it is made from: a page of events is longer than any request.
const MADE_PER_BYTE: usize = 4;

/// The values behind the names in templates of published APIs.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    url: Option<String>,
    values: Vec<(String, String)>,
    meter: Arc<Meter>,
}

impl Bindings {
    /// Starts with `published.url` only.
    pub(crate) fn at(url: Option<&str>) -> Self {
        Self { url: url.map(ToOwned::to_owned), values: Vec::new(), meter: Arc::default() }
    }

    /// Gives a name its value as JSON.
    pub(crate) fn set(&mut self, name: impl Into<String>, raw: String) {
        self.meter.allow(raw.len().saturating_mul(MADE_PER_BYTE));
        self.values.push((name.into(), raw));
    }
}

impl Values for Bindings {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        match variable {
            Variable::Builtin(Builtin::PublishedUrl) => self.url.as_deref().map_or(Piece::Absent, Piece::text),
            Variable::Local(wanted) => {
                let found = self.values.iter().find(|(name, _)| name == wanted);
                found.map_or(Piece::Absent, |(_, raw)| Piece::Json(raw.as_str().into()))
            }
            Variable::Builtin(_) | Variable::Header(_) | Variable::Signature(_) => Piece::Absent,
        }
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

/// The headers and the body of an answer.
pub(crate) fn write(
    headers: &[Header],
    body: Option<&AnswerBody>,
    names: &Bindings,
    place: &str,
) -> Result<(HeaderMap, Bytes), RenderError> {
    let scope = Scope::of(names);
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let place = || format!("{place}.headers.{}", header.name);
        for value in header.render(scope).map_err(|failure| RenderError::of(place(), failure))? {
            let value = HeaderValue::try_from(value)
                .map_err(|_| RenderError::plain(&place(), "the value has characters that no header can carry"))?;
            map.append(header.name.clone(), value);
        }
    }
    let mut out = String::new();
    if let Some(body) = body {
        body.render(scope, &mut out).map_err(|failure| RenderError::of(format!("{place}.body"), failure))?;
    }
    Ok((map, Bytes::from(out)))
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::write_string(&mut out, text);
    out
}

/// Pairs as a JSON object, in their order.
pub(crate) fn object(pairs: &[(String, String)]) -> String {
    let members: Vec<String> = pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", members.join(","))
}
