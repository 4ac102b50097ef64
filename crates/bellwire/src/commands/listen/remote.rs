//! Receiving through a server: one connection to it, over which it sends what an endpoint would be sent.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_contract::{CapturedRequest, Contract};
use bellwire_domain::{Clock, Secret};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::arrival::{Arrival, Judged};
use super::desk::{Desk, Opening};
use super::exchange::{Answer, Received};
use super::forward::{Forwarder, pass_on};
use super::show;
use crate::cli::{ForwardUrl, ListenArguments};
use crate::client::failure::Failure;
use crate::client::following::{Following, Reader};
use crate::client::plain::plain;
use crate::client::session::{Session, path};
use crate::client::sse::Message;
use crate::consumer::Consumer;
use crate::environment::SystemClock;

/// The header that brings the secret.
const SECRET: HeaderName = HeaderName::from_static("bellwire-secret");
/// How long somebody's server has, where no contract says it.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Receives until nobody reads any more, or until the server says why it will not answer.
pub(super) async fn listen(session: &Session, account: &str, arguments: ListenArguments, desk: Arc<Desk>) -> Result<(), Failure> {
    let through = &arguments.through;
    let types = (!through.events.is_empty()).then(|| through.events.join(","));
    let parameters =
        [("types", types.as_deref()), ("url", arguments.known.url.as_deref()), ("options", through.options.as_deref())];
    let path = path(&["accounts", account, "listen"]);
    let mut following = Following::new(session, path, &parameters, through.after);
    let mut receiver = Receiver {
        options: through.options.clone(),
        secret: arguments.known.secrets.first().cloned().map(Secret::new),
        brings_secret: !arguments.known.secrets.is_empty(),
        forward: arguments.forward,
        desk,
        account: show::plain(account),
        server: session.http().server().to_string(),
        introduced: Introduced::none(),
        last: None,
    };
    following.run(&mut receiver).await
}

/// What receives.
struct Receiver {
    forward: Option<ForwardUrl>,
    options: Option<String>,
    /// What requests are signed with: what was given here, or else what the server has drawn, which stays when the connection does not.
    secret: Option<Secret<String>>,
    /// Whether it was given here.
    brings_secret: bool,
    desk: Arc<Desk>,
    account: String,
    server: String,
    introduced: Introduced,
    /// The `seq` of the last request.
    last: Option<i64>,
}

/// With what the server makes requests.
struct Introduced {
    /// What verifies them, or why nothing does.
    consumer: Result<Consumer, String>,
    forwarder: Option<Arc<Forwarder>>,
}

impl Introduced {
    fn none() -> Self {
        Self { consumer: Err("the server has not said what it signs with".to_owned()), forwarder: None }
    }

    /// What the server says. A contract that is newer than this program verifies nothing here; its requests are shown all the same.
    fn read(said: &Value, forward: Option<&ForwardUrl>, options: Option<&str>) -> Self {
        let text = |field: &str| said.get(field).and_then(Value::as_str);
        let contract = text("contract_source").ok_or_else(|| "the server has not sent its contract".to_owned());
        let contract = contract.and_then(|source| {
            let compiled = Contract::compile(source, "contract");
            compiled.map_err(|error| format!("this program does not understand the server's contract: {error}"))
        });
        let timeout = contract.as_ref().map_or(TIMEOUT_DEFAULT, |contract| contract.delivery_of(options).timeout);
        let forwarder = forward.map(|url| Arc::new(Forwarder::new(url.clone(), timeout)));
        let keys = said.get("public_keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let secrets = text("secret").into_iter().chain(keys).map(|text| Secret::new(text.to_owned())).collect();
        Self { consumer: contract.map(|contract| Consumer::told(Arc::new(contract), secrets)), forwarder }
    }

    fn judge(&self, url: &str, request: &Received) -> Judged {
        let Received { method, headers, body, .. } = request;
        let captured = CapturedRequest { method: method.as_str(), url, headers, body };
        match &self.consumer {
            Ok(consumer) => consumer.judge(&captured, SystemClock.now()).into(),
            Err(reason) => Judged::Unknown(reason.clone()),
        }
    }
}

impl Reader for Receiver {
    async fn take(&mut self, message: Message) -> bool {
        let (Some(kind), Some(data)) = (message.kind, message.data) else { return true };
        let Ok(said) = serde_json::from_str::<Value>(&data) else { return true }; // none of the API's
        match kind.as_str() {
            "listening" => self.introduce(&said),
            "request" | "withheld" => return self.receive(&said).await,
            _ => {} // what later servers may add
        }
        true
    }

    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let value = self.secret.as_ref().and_then(|secret| HeaderValue::from_str(secret.expose()).ok());
        let value = value.map(|mut value| {
            value.set_sensitive(true);
            (SECRET, value)
        });
        value.into_iter().collect()
    }

    fn lost(&mut self, reason: &str, pause: Duration) {
        self.desk.lost(reason, SystemClock.now().plus(pause));
    }
}

impl Receiver {
    fn introduce(&mut self, said: &Value) {
        self.introduced = Introduced::read(said, self.forward.as_ref(), self.options.as_deref());
        let text = |field: &str| said.get(field).and_then(Value::as_str).map(plain);
        let contract = text("contract").unwrap_or_default();
        let version = text("contract_version").map(|version| format!("@{version}")).unwrap_or_default();
        let then = match &self.introduced.forwarder {
            Some(forwarder) => format!("forwarding requests to {forwarder}"),
            None => "showing requests".to_owned(),
        };
        let drawn = said.get("secret").and_then(Value::as_str);
        let keys = said.get("public_keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let signs: Vec<String> =
            drawn.into_iter().filter(|_| !self.brings_secret).chain(keys).flat_map(str::lines).map(plain).collect();
        let signs = Some(signs.join("\n")).filter(|signs| !signs.is_empty());
        if let (false, Some(drawn)) = (self.brings_secret, drawn) {
            self.secret = Some(Secret::new(drawn.to_owned()));
        }
        self.desk.open(Opening {
            from: format!("listening to account `{}` of {} under the contract `{contract}{version}`", self.account, self.server),
            title: format!("connected to {}  {}  {contract}{version}", self.server, self.account),
            signs,
            then,
        });
    }

    /// Shows a request, and passes it on; whether somebody still reads.
    async fn receive(&mut self, said: &Value) -> bool {
        let text = |field: &str| said.get(field).and_then(Value::as_str);
        let (request, judged) = match (text("url"), received(said)) {
            (Some(url), Some(request)) => {
                let judged = self.introduced.judge(url, &request);
                (request, judged)
            }
            _ => (Received::default(), Judged::Withheld(withheld(said))),
        };
        let is_request = !matches!(judged, Judged::Withheld(_));
        self.last = said.get("seq").and_then(Value::as_i64);
        let arrival = Arc::new(Arrival {
            number: self.desk.next_number(),
            at: SystemClock.now(),
            seq: self.last,
            event_type: text("type").map(ToOwned::to_owned),
            id: text("id").map(ToOwned::to_owned),
            request,
            judged,
            forwarder: self.introduced.forwarder.clone().filter(|_| is_request),
        });
        self.desk.arrived(&arrival);
        let answer = match &arrival.forwarder {
            Some(forwarder) => pass_on(forwarder, &arrival.request).await.into_answer(),
            None => Answer::Shown,
        };
        self.desk.answered(&arrival, answer)
    }
}

/// The request that a message shows, if it does.
fn received(said: &Value) -> Option<Received> {
    let text = |field: &str| said.get(field).and_then(Value::as_str);
    let mut headers = HeaderMap::new();
    for pair in said.get("headers")?.as_array()? {
        let [name, value] = pair.as_array()?.as_slice() else { return None };
        let (name, value) = (HeaderName::from_bytes(name.as_str()?.as_bytes()), HeaderValue::from_str(value.as_str()?));
        headers.append(name.ok()?, value.ok()?);
    }
    let body = match text("body") {
        Some(body) => Bytes::from(body.to_owned()),
        None => Bytes::from(STANDARD.decode(text("body_base64")?).ok()?),
    };
    Some(Received { method: text("method")?.parse().ok()?, uri: text("url")?.parse().ok()?, headers, body })
}

/// Why there is no request.
fn withheld(said: &Value) -> String {
    let text = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("reason"), text("detail")) {
        ("", "") => "what the server has sent is no request".to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, detail) => format!("{reason}: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_read_byte_for_byte_or_not_at_all() {
        let with = |field: &str, value: &str| {
            let headers = json!([["apiKey", "é"], ["X-Two", "1"], ["X-Two", "2"]]);
            let mut said = json!({ "method": "PUT", "url": "http://localhost/in?a=1", "headers": headers });
            said[field] = value.into();
            received(&said)
        };
        let text = with("body", "{\"a\": 1}\r\n").unwrap();
        assert_eq!((text.method.as_str(), text.uri.query(), &text.body[..]), ("PUT", Some("a=1"), &b"{\"a\": 1}\r\n"[..]));
        assert_eq!(text.headers["apikey"].as_bytes(), "é".as_bytes());
        assert_eq!(text.headers.get_all("x-two").iter().count(), 2);
        assert_eq!(&with("body_base64", "//4=").unwrap().body[..], &[0xff, 0xfe]);
        assert!(with("body_base64", "?").is_none() && with("other", "").is_none());
        assert!(received(&json!({ "method": "P T", "url": "/", "headers": [], "body": "" })).is_none());
    }

    #[test]
    fn what_is_not_understood_is_not_judged() {
        let introduced = Introduced::read(&json!({ "contract_source": "request: 1", "secret": "s" }), None, None);
        let judged = introduced.judge("http://localhost/", &Received::default());
        assert!(matches!(judged, Judged::Unknown(reason) if reason.contains("does not understand")));
        assert_eq!(withheld(&json!({ "reason": "erased", "detail": "gone" })), "erased: gone");
    }
}
