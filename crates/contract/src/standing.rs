//! What stands for an endpoint from request to request: what templates know of it that are not about one event.

use std::sync::{Arc, OnceLock};

use bellwire_domain::ClientTls;
use bellwire_schema::DataError;

use crate::contract::Contract;
use crate::failure::Failure;
use crate::meter::Meter;
use crate::piece::Piece;
use crate::published::PublishedApi;
use crate::render::{AccountInput, EndpointInput};
use crate::variables::{Builtin, Scope, Values, Variable};

/// What templates know of an endpoint.
pub(crate) struct Standing<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) endpoint: EndpointInput<'a>,
    account: AccountInput<'a>,
    options: OnceLock<String>,
    meter: Arc<Meter>,
}

impl Contract {
    /// Whether connections show a client certificate, where an endpoint has given one.
    pub const fn shows_certificate(&self) -> bool {
        self.client_tls.has_certificate()
    }

    /// Whether endpoints may be known by an authority of their own.
    pub const fn trusts_own_authority(&self) -> bool {
        self.client_tls.has_ca()
    }

    /// What is wrong with the certificates and keys that an endpoint gives, by JSON pointers into the endpoint. It never repeats a value.
    pub fn check_client_tls(&self, endpoint: EndpointInput<'_>, account: AccountInput<'_>) -> Vec<DataError> {
        if self.client_tls.is_empty() {
            return Vec::new();
        }
        let standing = Standing::new(self, endpoint, account);
        let mut faults: Vec<DataError> = Vec::new();
        if !endpoint.url.starts_with("https:") && matches!(standing.tls(), Ok(Some(_))) {
            let message = "certificates are shown and checked over https only: give an https URL".to_owned();
            faults.push(DataError { pointer: "/url".to_owned(), message });
        }
        let pointer =
            |name: Option<String>| name.map_or_else(|| "/credentials".to_owned(), |name| format!("/credentials/{name}"));
        let found = self.client_tls.faults(Scope::of(&standing)).into_iter();
        faults.extend(found.map(|(name, message)| DataError { pointer: pointer(name), message }));
        faults
    }
}

impl<'a> Standing<'a> {
    pub(crate) fn new(contract: &'a Contract, endpoint: EndpointInput<'a>, account: AccountInput<'a>) -> Self {
        Self { contract, endpoint, account, options: OnceLock::new(), meter: Arc::default() }
    }

    /// What connections to the endpoint are made with.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ClientTls>>, Failure> {
        self.contract.client_tls.render(Scope::of(self))
    }
}

impl Values for Standing<'_> {
    fn get(&self, variable: &Variable) -> Piece<'_> {
        let Self { endpoint, account, .. } = self;
        let Variable::Builtin(builtin) = variable else { return Piece::Absent };
        match builtin {
            Builtin::EndpointId => Piece::text(endpoint.id),
            Builtin::EndpointUrl => Piece::text(endpoint.url),
            Builtin::EndpointName => endpoint.name.map_or(Piece::Absent, Piece::text),
            Builtin::EndpointOptions => {
                let options = self.options.get_or_init(|| self.contract.options.merged(endpoint.options));
                Piece::Json(options.as_str().into())
            }
            Builtin::EndpointCredentials => endpoint.credentials.map_or(Piece::Absent, |all| Piece::Json(all.into())),
            Builtin::AccountId => Piece::text(account.id),
            Builtin::AccountName => account.name.map_or(Piece::Absent, Piece::text),
            Builtin::PublishedUrl => self.contract.published().and_then(PublishedApi::url).map_or(Piece::Absent, Piece::text),
            _ => Piece::Absent,
        }
    }

    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}
