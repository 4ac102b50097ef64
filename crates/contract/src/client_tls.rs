//! Reads `request.client_certificate` and `request.ca`: what TLS connections to an endpoint show, and whom they trust.

use std::sync::Arc;

use bellwire_domain::{ClientTls, Secret};
use x509_cert::Certificate;
use x509_cert::der::Encode as _;

use crate::access_token::check_standing;
use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::key_pair::{KeyKind, PrivateKey};
use crate::reader::Fields;
use crate::template::{TEMPLATE, Template};
use crate::variables::{Builtin, Scope, Variable};
use crate::yaml::Node;

/// The certificate that is shown.
pub(crate) const CLIENT_CERTIFICATE: KeySpec = KeySpec::optional(
    "client_certificate",
    Shape::Named(&Definition {
        name: "client_certificate",
        about: "The certificate that is shown to endpoints, and its key, both as PEM.",
        shape: Shape::Keys(KEYS),
        examples: &[],
    }),
    "The certificate that TLS connections show.",
);
/// Whom connections trust.
pub(crate) const CA: KeySpec =
    KeySpec::optional("ca", TEMPLATE, "Certificate authorities, as PEM, that are trusted instead of the public ones.");
const KEYS: &[KeySpec] = &[
    KeySpec::required(
        "certificate",
        TEMPLATE,
        "The certificate, and those between it and its authority.",
        "write `certificate: \"{{ endpoint.credentials.certificate }}\"`",
    ),
    KeySpec::required("key", TEMPLATE, "Its private key.", "write `key: \"{{ endpoint.credentials.key }}\"`"),
];

/// What TLS connections show, and whom they trust, as templates.
#[derive(Debug, Default)]
pub(crate) struct ClientTlsPlan {
    certificate: Option<(Template, Template)>,
    ca: Option<Template>,
}

/// Reads both; `fields` are those of `request`.
pub(crate) fn read(fields: &Fields<'_>, report: &mut Report) -> Option<ClientTlsPlan> {
    let certificate = match fields.get(CLIENT_CERTIFICATE.name) {
        Some(node) => Some(read_certificate(node, report)?),
        None => None,
    };
    let ca = match fields.get(CA.name) {
        Some(node) => Some(Template::read(node, "request.ca", &[], report)?),
        None => None,
    };
    let plan = ClientTlsPlan { certificate, ca };
    let is_clean = check_standing(plan.expressions(), "request.client_certificate", report);
    is_clean.then_some(plan)
}

fn read_certificate(node: &Node, report: &mut Report) -> Option<(Template, Template)> {
    let fields = Fields::open(node, "request.client_certificate", KEYS, report)?;
    let mut read = |key: &str| Template::read(fields.get(key)?, &fields.path_of(key), &[], report);
    let (certificate, key) = (read("certificate"), read("key"));
    Some((certificate?, key?))
}

/// A text that is no such PEM: the credential that it is made of, if it is made of one, and what is wrong.
pub(crate) type PemFault = (Option<String>, String);

impl ClientTlsPlan {
    pub(crate) const fn is_empty(&self) -> bool {
        self.certificate.is_none() && self.ca.is_none()
    }

    pub(crate) const fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    pub(crate) const fn has_ca(&self) -> bool {
        self.ca.is_some()
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let pair = self.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        pair.chain(&self.ca).flat_map(Template::expressions)
    }

    /// For one endpoint; `None`: it has given nothing of that. A certificate and its key are there together or not at all.
    pub(crate) fn render(&self, scope: Scope<'_>) -> Result<Option<Arc<ClientTls>>, Failure> {
        let ca = self.ca.as_ref().map(|ca| text(ca, scope)).transpose()?.flatten();
        let certificate = match &self.certificate {
            None => None,
            Some((certificate, key)) => match (text(certificate, scope)?, text(key, scope)?) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                (None, Some(_)) => return Err(Failure::new(certificate.at, "there is a key and no certificate")),
                (Some(_), None) => return Err(Failure::new(key.at, "there is a certificate and no key")),
            },
        };
        let tls = ClientTls { certificate, ca };
        Ok((tls != ClientTls::default()).then(|| Arc::new(tls)))
    }

    /// What is wrong with what an endpoint has given.
    pub(crate) fn faults(&self, scope: Scope<'_>) -> Vec<PemFault> {
        let tls = match self.render(scope) {
            Ok(None) => return Vec::new(),
            Ok(Some(tls)) => tls,
            Err(failure) => {
                let missing = self.certificate.as_ref().and_then(|(certificate, _)| credential(certificate));
                return vec![(missing, failure.message)];
            }
        };
        let mut faults = Vec::new();
        if let (Some((certificate, key)), Some((of_certificate, of_key))) = (&tls.certificate, &self.certificate) {
            match (spki_of_certificate(certificate.expose()), spki_of_key(key.expose())) {
                (Ok(certified), Ok(own)) if certified != own => {
                    faults.push((credential(of_key), "this key does not belong to the certificate".to_owned()));
                }
                (certified, own) => {
                    faults.extend(certified.err().map(|message| (credential(of_certificate), message)));
                    faults.extend(own.err().map(|message| (credential(of_key), message)));
                }
            }
        }
        if let (Some(ca), Some(of_ca)) = (&tls.ca, &self.ca) {
            faults.extend(spki_of_certificate(ca.expose()).err().map(|message| (credential(of_ca), message)));
        }
        faults
    }
}

/// A text, unless it has no value or is empty.
fn text(template: &Template, scope: Scope<'_>) -> Result<Option<Secret<String>>, Failure> {
    match template.render_text(scope) {
        Ok(text) => Ok((!text.trim().is_empty()).then(|| Secret::new(text))),
        Err(failure) if failure.absent => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The first credential that a template uses.
fn credential(template: &Template) -> Option<String> {
    let paths = template.expressions().flat_map(|expression| &expression.paths);
    let mut theirs = paths.filter(|path| path.variable == Variable::Builtin(Builtin::EndpointCredentials));
    theirs.find_map(|path| path.names_inside().first().map(|name| (*name).to_owned()))
}

/// The public key of the first certificate.
fn spki_of_certificate(pem: &str) -> Result<Vec<u8>, String> {
    let wrong = || "this is not a certificate as PEM: `-----BEGIN CERTIFICATE-----`, or it is damaged".to_owned();
    let chain = Certificate::load_pem_chain(pem.as_bytes()).map_err(|_| wrong())?;
    let first = chain.first().ok_or_else(wrong)?;
    first.tbs_certificate().subject_public_key_info().to_der().map_err(|_| wrong())
}

fn spki_of_key(pem: &str) -> Result<Vec<u8>, String> {
    let pem = pem.trim();
    if pem.starts_with("-----BEGIN ENCRYPTED") {
        return Err("this private key is encrypted: decrypt it first".to_owned());
    }
    let wrong = || "this is not a private key as PEM, of RSA, P-256, P-384 or Ed25519: `-----BEGIN PRIVATE KEY-----`".to_owned();
    if !pem.starts_with("-----BEGIN ") {
        return Err(wrong());
    }
    let key = KeyKind::ALL.iter().find_map(|kind| PrivateKey::parse(*kind, pem).ok());
    key.ok_or_else(wrong)?.verifying().spki()
}
