//! Reads `request.access_token`: how a token is got from the receiver's own token server (RFC 6749 §4.4), which requests then show as
//! `access_token`.

use std::time::Duration;

use crate::diagnostic::Report;
use crate::expression::Expression;
use crate::grammar::{Definition, KeySpec, Shape};
use crate::key_pair::SignatureAlgorithm;
use crate::reader::Fields;
use crate::template::{TEMPLATE, Template};
use crate::tree::{PAIRS, read_pairs};
use crate::variables::{Builtin, Variable};
use crate::yaml::Node;

/// The key in `request`, and its path.
pub(crate) const ACCESS_TOKEN: KeySpec = KeySpec::optional(
    "access_token",
    Shape::Named(&Definition {
        name: "access_token",
        about: "How a token is got from the receiver's token server.",
        shape: Shape::Keys(KEYS),
        examples: &[],
    }),
    "How a token is got from the receiver's token server, which templates then know as `access_token`.",
);
const PATH: &str = "request.access_token";
const KEYS: &[KeySpec] = &[
    KeySpec::required("url", TEMPLATE, "The token server's URL.", "write it: `url: \"{{ endpoint.options.token_url }}\"`"),
    KeySpec::required(
        "client_id",
        TEMPLATE,
        "Who asks for the token.",
        "write it: `client_id: \"{{ endpoint.credentials.client_id }}\"`",
    ),
    KeySpec::optional("client_secret", TEMPLATE, "What proves that, unless a private key does."),
    KeySpec::optional("scope", TEMPLATE, "What the token is for; left out where it has no value."),
    KeySpec::optional("parameters", PAIRS, "More parameters of the request, such as an audience."),
    KeySpec::optional("authenticate", Shape::Words(Authentication::WORDS), "How it is proved who asks."),
    KeySpec::optional("algorithm", Shape::Words(AssertionAlgorithm::WORDS), "How the private key signs; `RS384` unless given."),
    KeySpec::optional("lifetime", Shape::DURATION, "How long a token is good whose answer does not say; `5m` unless given."),
    KeySpec::optional(
        "refresh_before",
        Shape::DURATION,
        "How long before its end a token is not used any more; `30s` unless given.",
    ),
];
const LIFETIME: Duration = Duration::from_secs(300);
const REFRESH_BEFORE: Duration = Duration::from_secs(30);

bellwire_domain::words! {
    /// How it is proved who asks, in the words of RFC 7591.
    pub(crate) enum Authentication {
        /// `Authorization: Basic`.
        ClientSecretBasic = "client_secret_basic",
        /// In the body.
        ClientSecretPost = "client_secret_post",
        /// By a signed assertion (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
    }
}

bellwire_domain::words! {
    /// How an assertion is signed.
    pub(crate) enum AssertionAlgorithm {
        Rs384 = "RS384",
        Es384 = "ES384",
    }
}

impl From<AssertionAlgorithm> for SignatureAlgorithm {
    fn from(algorithm: AssertionAlgorithm) -> Self {
        match algorithm {
            AssertionAlgorithm::Rs384 => Self::RsaSha384,
            AssertionAlgorithm::Es384 => Self::EcdsaP384Sha384,
        }
    }
}

/// How a token is got.
#[derive(Debug)]
pub struct AccessToken {
    pub(crate) url: Template,
    pub(crate) client_id: Template,
    pub(crate) proof: Proof,
    pub(crate) scope: Option<Template>,
    pub(crate) parameters: Vec<(String, bool, Template)>,
    pub(crate) lifetime: Duration,
    pub(crate) refresh_before: Duration,
}

/// What proves who asks.
#[derive(Debug)]
pub(crate) enum Proof {
    Basic(Template),
    Post(Template),
    PrivateKey(AssertionAlgorithm),
}

/// The names that its templates may use: what does not differ from request to request.
const KNOWN: [Builtin; 8] = [
    Builtin::EndpointId,
    Builtin::EndpointUrl,
    Builtin::EndpointName,
    Builtin::EndpointOptions,
    Builtin::EndpointCredentials,
    Builtin::AccountId,
    Builtin::AccountName,
    Builtin::PublishedUrl,
];

/// Reads `access_token`.
pub(crate) fn read(node: &Node, report: &mut Report) -> Option<AccessToken> {
    let fields = Fields::open(node, PATH, KEYS, report)?;
    let mut template = |key: &str| match fields.get(key) {
        Some(node) => Template::read(node, &fields.path_of(key), &[], report).map(Some),
        None => Some(None),
    };
    let (url, client_id, secret, scope) = (template("url"), template("client_id"), template("client_secret")?, template("scope"));
    let parameters = match fields.get("parameters") {
        Some(node) => read_pairs(node, &fields.path_of("parameters"), report),
        None => Some(Vec::new()),
    };
    let proof = read_proof(&fields, secret, report);
    let token = AccessToken {
        url: url??,
        client_id: client_id??,
        proof: proof?,
        scope: scope?,
        parameters: parameters?,
        lifetime: fields.duration("lifetime", report).unwrap_or(LIFETIME),
        refresh_before: fields.duration("refresh_before", report).unwrap_or(REFRESH_BEFORE),
    };
    let is_clean = check_standing(token.expressions(), PATH, report);
    is_clean.then_some(token)
}

fn read_proof(fields: &Fields<'_>, secret: Option<Template>, report: &mut Report) -> Option<Proof> {
    let how = fields.word("authenticate", report).unwrap_or(Authentication::ClientSecretBasic);
    let algorithm = fields.word("algorithm", report);
    let stray = if how == Authentication::PrivateKeyJwt { "client_secret" } else { "algorithm" };
    if let Some(node) = fields.get(stray) {
        report.add(node.at, &fields.path_of(stray), format!("`authenticate: {how}` takes no `{stray}`"), "remove this key");
        return None;
    }
    match (how, secret) {
        (Authentication::PrivateKeyJwt, _) => Some(Proof::PrivateKey(algorithm.unwrap_or(AssertionAlgorithm::Rs384))),
        (Authentication::ClientSecretBasic, Some(secret)) => Some(Proof::Basic(secret)),
        (Authentication::ClientSecretPost, Some(secret)) => Some(Proof::Post(secret)),
        (_, None) => {
            let help = "write `client_secret: \"{{ endpoint.credentials.client_secret }}\"`, or `authenticate: private_key_jwt`";
            report.add(fields.at(""), PATH, "nothing proves who asks", help);
            None
        }
    }
}

impl AccessToken {
    /// The token server's URL, as the contract has it.
    pub fn url_text(&self) -> String {
        self.url.source()
    }

    /// How it is proved who asks, for people.
    pub fn proof_text(&self) -> String {
        match &self.proof {
            Proof::Basic(_) => "with the client's secret as HTTP Basic".to_owned(),
            Proof::Post(_) => "with the client's secret in the body".to_owned(),
            Proof::PrivateKey(algorithm) => format!("with an assertion that a private key signs ({algorithm})"),
        }
    }

    /// How the private key signs, where one does.
    pub(crate) fn algorithm(&self) -> Option<SignatureAlgorithm> {
        match &self.proof {
            Proof::PrivateKey(algorithm) => Some((*algorithm).into()),
            Proof::Basic(_) | Proof::Post(_) => None,
        }
    }

    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let secret = match &self.proof {
            Proof::Basic(secret) | Proof::Post(secret) => Some(secret),
            Proof::PrivateKey(_) => None,
        };
        let parameters = self.parameters.iter().map(|(_, _, template)| template);
        [&self.url, &self.client_id]
            .into_iter()
            .chain(secret)
            .chain(&self.scope)
            .chain(parameters)
            .flat_map(Template::expressions)
    }
}

/// Whether expressions name only what does not differ from request to request; reports those that do not.
pub(crate) fn check_standing<'e>(expressions: impl Iterator<Item = &'e Expression>, path: &str, report: &mut Report) -> bool {
    let unknown = |variable: &Variable| !matches!(variable, Variable::Builtin(builtin) if KNOWN.contains(builtin));
    let mut is_clean = true;
    for expression in expressions.filter(|expression| expression.uses(unknown)) {
        let help = format!("use `{}`", KNOWN.map(Builtin::as_str).join("`, `"));
        report.add(expression.at, path, "this is for many requests, and knows the endpoint and its account only", help);
        is_clean = false;
    }
    is_clean
}
