//! What handlers extract from a request: the caller, the path, the body.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use bellwire_app::{Actor, AppError, ClientAddress, Fault};
use bellwire_domain::{AuditOrigin, AuditVia};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;

use crate::Api;
use crate::allowance;
use crate::encoding::{self, Encoding};
use crate::large_bodies::{COUNTED_BYTES_MIN, COUNTED_TIME_MAX, Held, LargeBodies, keep};
use crate::problem::{Code, Problem};

/// The caller, whose key is known.
pub struct Caller(pub Actor);

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let origin = ClientAddress::origin(parts.extensions.get(), AuditVia::Api);
        let actor = api.app.authenticate(bearer(&parts.headers), origin).await?;
        if let Some(left) = actor.requests_left {
            allowance::show(left);
        }
        Ok(Self(actor))
    }
}

/// A caller whose request goes on for long, and whose key is tried again meanwhile.
pub struct LastingCaller {
    /// Who it is, as of the last try.
    pub actor: Actor,
    key: Option<String>,
    origin: AuditOrigin,
}

impl FromRequestParts<Api> for LastingCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Caller(actor) = Caller::from_request_parts(parts, api).await?;
        let origin = ClientAddress::origin(parts.extensions.get(), AuditVia::Api);
        Ok(Self { actor, key: bearer(&parts.headers).map(ToOwned::to_owned), origin })
    }
}

impl LastingCaller {
    /// Tries the key again. It counts as a request; that there were too many of those is no reason to end the one that goes on.
    ///
    /// # Errors
    /// The key does not work any more, or nobody can say.
    pub async fn renew(&mut self, api: &Api) -> Result<(), AppError> {
        match api.app.authenticate(self.key.as_deref(), self.origin).await {
            Ok(actor) => self.actor = actor,
            Err(AppError::RateExceeded { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The key in `Authorization: Bearer <key>`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

/// The parameters of the path.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, api).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(_) => Err(Problem::new(Code::NotFound, "the path is not valid")),
        }
    }
}

/// A body that has not been read yet; authorisation comes first.
pub struct JsonBody {
    headers: HeaderMap,
    body: Body,
    bytes_max: usize,
    room: LargeBodies,
}

impl FromRequest<Api> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Ok(Self::new(parts.headers, body, api))
    }
}

impl JsonBody {
    /// The body of a request that was taken apart.
    pub fn new(headers: HeaderMap, body: Body, api: &Api) -> Self {
        Self { headers, body, bytes_max: api.app.limits().body_bytes_max, room: api.large_bodies.clone() }
    }

    /// The same, of no more bytes than so many.
    #[must_use]
    pub fn at_most(self, bytes_max: usize) -> Self {
        Self { bytes_max: self.bytes_max.min(bytes_max), ..self }
    }

    /// Reads and decodes it, if its type is JSON and it is not too large, neither as sent nor decoded. A large one takes room in
    /// the name of its `sender`.
    pub async fn read(self, sender: &str) -> Result<Bytes, Problem> {
        if !is_json(&self.headers) {
            let detail = "send the body as `Content-Type: application/json`";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        self.read_encoded(sender).await
    }

    /// The same for a body of any type.
    pub async fn read_encoded(self, sender: &str) -> Result<Bytes, Problem> {
        let Some(encoding) = Encoding::of(&self.headers) else {
            let detail = "send the body as `Content-Encoding: gzip`, or without an encoding";
            return Err(Problem::new(Code::UnsupportedEncoding, detail));
        };
        let (max, room) = (self.bytes_max, self.room.clone());
        let (bytes, held) = self.receive(encoding, sender).await?;
        match encoding {
            Encoding::Identity => Ok(keep(bytes, held)),
            Encoding::Gzip if bytes.is_empty() => Ok(bytes),
            Encoding::Gzip => decode(&bytes, held, max, (&room, sender)).await,
        }
    }

    /// What was sent, with the room that it takes.
    async fn receive(self, encoding: Encoding, sender: &str) -> Result<(Bytes, Option<Held>), Problem> {
        let max = self.bytes_max;
        let declared = self.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > max) {
            drain(self.body).await;
            return Err(too_large(max));
        }
        let mut body = self.body;
        let mut pieces = Pieces::default();
        while pieces.length <= COUNTED_BYTES_MIN {
            if pieces.length > max {
                drain(body).await;
                return Err(too_large(max));
            }
            let Some(piece) = next_piece(&mut body).await? else { return Ok((pieces.join(), None)) };
            pieces.push(piece);
        }
        // More has come than a small body has.
        let decoded = match encoding {
            Encoding::Identity => 0,
            Encoding::Gzip => max,
        };
        let held = self.room.admit(sender, declared.unwrap_or(max).saturating_add(decoded)).await?;
        let reading = async {
            while pieces.length <= max {
                let Some(piece) = next_piece(&mut body).await? else { return Ok(true) };
                pieces.push(piece);
            }
            Ok(false)
        };
        match tokio::time::timeout(COUNTED_TIME_MAX, reading).await {
            Ok(Ok(true)) => Ok((pieces.join(), Some(held))),
            Ok(Ok(false)) => {
                drop((pieces, held));
                drain(body).await;
                Err(too_large(max))
            }
            Ok(Err(broken)) => Err(broken),
            Err(_) => Err(Problem::new(Code::UnreadableBody, "the body took too long to arrive")),
        }
    }

    /// Reads it; an empty body is the same as `{}`.
    pub async fn read_or_empty(self, sender: &str) -> Result<Bytes, Problem> {
        let bytes = self.read(sender).await?;
        Ok(if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes })
    }
}

/// Decodes what was sent as gzip. More than a small body is decoded only within room: that which is `held`, or else one that is
/// taken for it.
async fn decode(sent: &[u8], held: Option<Held>, max: usize, (room, sender): (&LargeBodies, &str)) -> Result<Bytes, Problem> {
    let broken =
        |_| Problem::new(Code::UnreadableBody, "the body is not one complete gzip stream, as its `Content-Encoding` says");
    let held = match held {
        Some(held) => held,
        None => match encoding::decode(sent, max.min(COUNTED_BYTES_MIN)).map_err(broken)? {
            Some(small) => return Ok(small.into()),
            None => room.admit(sender, max).await?,
        },
    };
    let decoded = encoding::decode(sent, max).map_err(broken)?.ok_or_else(|| too_large(max))?;
    Ok(keep(decoded.into(), Some(held)))
}

fn too_large(max: usize) -> Problem {
    let detail = format!("the body of a request has at most {max} bytes, decoded or not");
    Problem::at(Code::TooLarge, detail.clone(), vec![Fault::new("", detail)])
}

/// What has arrived of a body. Nearly all arrive in one piece, which is not copied.
#[derive(Default)]
struct Pieces {
    all: Vec<Bytes>,
    length: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.all.push(piece);
    }

    fn join(mut self) -> Bytes {
        match self.all.len() {
            0 | 1 => self.all.pop().unwrap_or_default(),
            _ => self.all.concat().into(),
        }
    }
}

/// The next bytes of a body; `None` at its end.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let Some(frame) = body.frame().await else { return Ok(None) };
        let frame = frame.map_err(|_| Problem::new(Code::UnreadableBody, "the body broke off before its end"))?;
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece));
        }
    }
}

/// Bytes of a refused body to read.
const DRAINED_MAX: usize = 32 << 20;
/// How long that may take.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Reads and drops what a client is still sending. Many clients look for the answer only after their last byte, and would see
/// a broken connection instead.
async fn drain(body: Body) {
    let mut body = Limited::new(body, DRAINED_MAX);
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, reading).await;
}

/// `application/json`, `application/…+json`, or no type at all.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::response::IntoResponse;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_grows_is_decoded_only_within_room() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![b' '; COUNTED_BYTES_MIN + 1]).unwrap();
        let grows = encoder.finish().unwrap();
        let (room, max) = (LargeBodies::default(), 1 << 20);
        let mut bodies = Vec::new();
        for _ in 0..3 {
            bodies.push(decode(&grows, None, max, (&room, "a")).await.unwrap());
        }
        let refused = decode(&grows, None, max, (&room, "a")).await.unwrap_err();
        assert_eq!(refused.into_response().status(), 503, "each decoded body keeps its room");
        bodies.clear();
        assert!(decode(&grows, None, max, (&room, "a")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_takes_room_in_the_name_of_its_sender_and_a_small_one_takes_none() {
        let room = LargeBodies::default();
        let read = async |sender: &str, length: usize| {
            let (headers, body) = (HeaderMap::new(), Body::from(vec![b' '; length]));
            JsonBody { headers, body, bytes_max: 1 << 20, room: room.clone() }.read(sender).await
        };
        let mut bodies = Vec::new();
        for _ in 0..3 {
            bodies.push(read("key_1", 1 << 20).await.unwrap());
        }
        assert_eq!(read("key_1", 1 << 20).await.unwrap_err().into_response().status(), 503, "it has its share");
        assert!(read("key_2", 1 << 20).await.is_ok());
        assert!(read("key_1", COUNTED_BYTES_MIN).await.is_ok());
    }
}
