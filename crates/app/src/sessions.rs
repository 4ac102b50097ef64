//! Signing in to the pages: by an API key, or by a link to one account's portal that works once.
//!
//! A session is 32 random bytes that the browser keeps. The store knows only their digest.

use std::time::Duration;

use bellwire_domain::{AuditAction, AuditDetail, AuditEntry, AuditOrigin, Role, Secret, Timestamp, parse_duration};
use bellwire_store::{KeyBounds, PortalLink, Session, key_hash};

use crate::access::Identity;
use crate::error::no_faults;
use crate::{AccountAccess, Actor, App, AppError, Fault, Resource};

/// How long a session lasts at most, in seconds.
pub const SESSION_LASTS_S: u64 = 12 * 60 * 60;
/// How long a link works unless its maker says otherwise.
const LINK_LASTS_DEFAULT: Duration = Duration::from_secs(60 * 60);
/// The most that its maker may say.
const LINK_LASTS_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Characters of the page that a link opens.
const PATH_LENGTH_MAX: usize = 500;

/// A link to an account's portal, as asked for.
#[derive(Debug, Clone, Default)]
pub struct PortalInput<'a> {
    /// Whether whoever opens it may change nothing.
    pub read_only: bool,
    /// How long it works, such as `10m`; `None`: an hour.
    pub expires_in: Option<&'a str>,
    /// The page that it opens, below the account's: `/events`. `None`: the account's own page.
    pub path: Option<String>,
}

/// Somebody who has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// What the browser keeps. It is shown to nobody else.
    pub token: Secret<String>,
    /// Who it is.
    pub actor: Actor,
    /// The page to go to, if a link named one.
    pub path: Option<String>,
}

impl App {
    /// Signs in with an API key.
    pub async fn sign_in(&self, key: &str, origin: AuditOrigin) -> Result<SignedIn, AppError> {
        let actor = self.authenticate(Some(key), origin).await?;
        if actor.role == Role::Publisher {
            return Err(AppError::Forbidden("a publisher's key posts events; there is nothing to see with it"));
        }
        let Identity::Key(key_id) = &actor.identity else {
            return Err(AppError::Forbidden("this is not an API key"));
        };
        let (token, now) = (self.draw_token("bws_"), self.clock().now());
        let session = Session {
            role: actor.role,
            account_id: actor.account.clone(),
            key_id: Some(key_id.clone()),
            person: None,
            read_only: false,
            created_at: now,
            expires_at: session_end(now),
        };
        self.open_session(&actor, session, &token).await?;
        Ok(SignedIn { token, actor, path: None })
    }

    /// Stores a session, and records who opened it.
    async fn open_session(&self, actor: &Actor, session: Session, token: &Secret<String>) -> Result<(), AppError> {
        let entry = actor.author().entry(AuditAction::SessionOpened);
        let entry = AuditEntry { account: actor.account.clone(), ..entry };
        let entry = entry.with("role", AuditDetail::Text(actor.role.to_string()));
        Ok(self.records().audited(entry).create_session(session, key_hash(token.expose())).await?)
    }

    /// Signs in a person whom the identity provider knows.
    pub async fn sign_in_person(&self, name: &str, role: Role, origin: AuditOrigin) -> Result<SignedIn, AppError> {
        let (token, now) = (self.draw_token("bws_"), self.clock().now());
        let session = Session {
            role,
            account_id: None,
            key_id: None,
            person: Some(name.to_owned()),
            read_only: false,
            created_at: now,
            expires_at: session_end(now),
        };
        let actor = actor_of(session.clone(), origin)?;
        self.open_session(&actor, session, &token).await?;
        Ok(SignedIn { token, actor, path: None })
    }

    /// Who holds a session, if it lasts. Call it once per request: this is where requests are counted.
    pub async fn find_session(&self, token: &str, origin: AuditOrigin) -> Result<Option<Actor>, AppError> {
        let Some(session) = self.records().find_session(key_hash(token)).await? else { return Ok(None) };
        self.count_request(actor_of(session, origin)?).map(Some)
    }

    /// Ends a session at once.
    pub async fn sign_out(&self, token: &str, origin: AuditOrigin) -> Result<(), AppError> {
        let Some(session) = self.records().find_session(key_hash(token)).await? else { return Ok(()) };
        let entry = actor_of(session, origin)?.author().entry(AuditAction::SessionEnded);
        Ok(self.records().audited(entry).end_session(key_hash(token)).await?)
    }

    /// Makes a link that signs its reader in to an account's portal, once: its token, and when it stops working.
    pub async fn create_portal_link(
        &self,
        access: &AccountAccess,
        input: PortalInput<'_>,
    ) -> Result<(Secret<String>, Timestamp), AppError> {
        let mut faults = Vec::new();
        let lasts = input.expires_in.map_or(Some(LINK_LASTS_DEFAULT), |text| parse_duration(text).ok());
        let lasts = lasts.filter(|lasts| (Duration::from_millis(1)..=LINK_LASTS_MAX).contains(lasts)).unwrap_or_else(|| {
            faults.push(Fault::new("/expires_in", "write how long the link works, such as `10m`; at most `7d`"));
            LINK_LASTS_DEFAULT
        });
        if let Some(path) = &input.path
            && !is_page(path)
        {
            faults.push(Fault::new("/path", "name a page below the account's, such as `/events` or `/webhooks/{id}`"));
        }
        no_faults(faults)?;
        let (token, now) = (self.draw_token("bwp_"), self.clock().now());
        let expires_at = now.plus(lasts);
        let link = PortalLink {
            account_id: Some(access.account.id.clone()),
            read_only: input.read_only,
            path: input.path,
            created_at: now,
            expires_at,
        };
        let entry = access.entry(AuditAction::PortalLinkCreated);
        let made = self.records().audited(entry).create_portal_link(link, key_hash(token.expose())).await?;
        if made { Ok((token, expires_at)) } else { Err(AppError::NotFound(Resource::Account)) }
    }

    /// Makes a link that signs its reader in as the operator, once: for whoever has started the server.
    pub async fn create_operator_link(&self) -> Result<Secret<String>, AppError> {
        let (token, now) = (self.draw_token("bwp_"), self.clock().now());
        let link = PortalLink { account_id: None, read_only: false, path: None, created_at: now, expires_at: session_end(now) };
        self.records().create_portal_link(link, key_hash(token.expose())).await?;
        Ok(token)
    }

    /// Opens a session by a link, which works no more after that. `None`: it was used, has expired, or never was.
    pub async fn open_portal_link(&self, link: &str, origin: AuditOrigin) -> Result<Option<SignedIn>, AppError> {
        let (token, now) = (self.draw_token("bws_"), self.clock().now());
        let entry = operator(origin).author().entry(AuditAction::SessionOpened);
        let opened =
            self.records().audited(entry).open_portal_link(key_hash(link), key_hash(token.expose()), session_end(now)).await?;
        Ok(opened.map(|link| {
            let actor = match link.account_id {
                Some(account) => Actor {
                    identity: Identity::Portal(account.clone()),
                    role: Role::Consumer,
                    account: Some(account),
                    read_only: link.read_only,
                    bounds: KeyBounds::default(),
                    origin,
                    requests_left: None,
                },
                None => operator(origin),
            };
            SignedIn { token, actor, path: link.path }
        }))
    }

    /// Ends all sessions of an account's portal, and makes its links useless.
    pub async fn end_portal(&self, access: &AccountAccess) -> Result<(), AppError> {
        self.records().audited(access.entry(AuditAction::PortalEnded)).end_account_sessions(&access.account.id).await?;
        Ok(())
    }

    fn draw_token(&self, prefix: &str) -> Secret<String> {
        Secret::new(format!("{prefix}{}", hex::encode(self.entropy().bytes::<32>())))
    }
}

fn session_end(now: Timestamp) -> Timestamp {
    now.plus(Duration::from_secs(SESSION_LASTS_S))
}

/// Whoever opens the link that a server prints when it starts.
fn operator(origin: AuditOrigin) -> Actor {
    let identity = Identity::Person("operator".into());
    Actor {
        identity,
        role: Role::Admin,
        account: None,
        read_only: false,
        bounds: KeyBounds::default(),
        origin,
        requests_left: None,
    }
}

fn actor_of(session: Session, origin: AuditOrigin) -> Result<Actor, AppError> {
    let Session { role, account_id, key_id, person, read_only, .. } = session;
    let identity = match (key_id, person, &account_id) {
        (Some(key), _, _) => Identity::Key(key),
        (None, Some(person), _) => Identity::Person(person.into()),
        (None, None, Some(account)) => Identity::Portal(account.clone()),
        (None, None, None) => return Err(AppError::Unauthenticated("this session belongs to nobody")),
    };
    Ok(Actor { identity, role, account: account_id, read_only, bounds: KeyBounds::default(), origin, requests_left: None })
}

/// Whether a text is the path of a page: it leads nowhere else.
fn is_page(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:~@?=&%".contains(&byte);
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= PATH_LENGTH_MAX
        && path.bytes().all(allowed)
        && !path.split(['/', '?']).any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_page_of_its_account_and_nowhere_else() {
        for path in ["/", "/events", "/webhooks/whk_1", "/deliveries?state=failed"] {
            assert!(is_page(path), "{path}");
        }
        for path in
            ["", "events", "//evil.example", "/../other", "/a/../../b", "/\\evil", "/a b", "https://evil.example", "/\r\nx"]
        {
            assert!(!is_page(path), "{path}");
        }
    }
}
