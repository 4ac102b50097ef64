//! Endpoints that a platform's API puts under a name of the caller's choice: the first call registers one, and each that follows
//! changes it.

use bellwire_domain::Secret;
use bellwire_store::{Endpoint, NamedEndpoint};

use crate::endpoint_records::created_entry;
use crate::endpoints::limited;
use crate::shown_secret::ShownSecret;
use crate::{AccountAccess, App, AppError, Conflict, EndpointInput, EndpointPatch, Fault, Resource, SecretInput};

/// An endpoint as it is to be under a name.
#[derive(Debug, Clone)]
pub struct PutEndpoint {
    /// The name, which only one endpoint of the account gets in this way.
    pub name: String,
    /// Its secret, if the contract allows one. One that is another than before takes its place, with the usual overlap.
    pub secret: Option<Secret<String>>,
    /// The rest. What is left out stays as it is, or has its default in a new one.
    pub patch: EndpointPatch,
}

impl App {
    /// Registers an endpoint under its name, or changes the one that has it. Show a returned secret once.
    pub async fn put_endpoint(
        &self,
        access: &AccountAccess,
        wanted: PutEndpoint,
    ) -> Result<(Endpoint, Option<ShownSecret>), AppError> {
        if wanted.name.is_empty() {
            return Err(AppError::Invalid(vec![Fault::new("/name", "name the endpoint")]));
        }
        let account = &access.account().id;
        if let Some(id) = self.records().find_endpoint_named(account, &wanted.name).await? {
            return self.change_named(access, id.as_str(), wanted).await;
        }
        let rules = self.endpoint_rules(access)?;
        let (name, secret) = (Some(wanted.name.clone()), wanted.secret.clone());
        let input = EndpointInput { name, secret, ..wanted.patch.clone().into() };
        let new = self.new_endpoint(access, &rules, input).await?;
        let shown = self.show_secret(rules.contract, new.secret.clone().map(|secret| (secret, 1))).await?;
        let records = self.records().audited(created_entry(access, &new));
        let put = records.create_named_endpoint(new, rules.endpoints_max()).await;
        match put.map_err(|error| limited(error, |max| Conflict::EndpointLimit { max }))? {
            Some(NamedEndpoint::Created(endpoint)) => Ok((*endpoint, shown)),
            Some(NamedEndpoint::Known(id)) => self.change_named(access, id.as_str(), wanted).await,
            None => Err(AppError::NotFound(Resource::Account)),
        }
    }

    async fn change_named(
        &self,
        access: &AccountAccess,
        id: &str,
        wanted: PutEndpoint,
    ) -> Result<(Endpoint, Option<ShownSecret>), AppError> {
        let endpoint = self.update_endpoint(access, id, wanted.patch).await?;
        let Some(secret) = wanted.secret else { return Ok((endpoint, None)) };
        let active = self.endpoint_secrets(access, &endpoint).await?;
        if active.first().is_some_and(|newest| newest.secret.expose() == secret.expose()) {
            return Ok((endpoint, None));
        }
        self.rotate_secret(access, id, SecretInput { secret: Some(secret), overlap: None }).await
    }
}
