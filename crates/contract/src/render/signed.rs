//! What was signed of a request, for people who look for the reason why a signature does not fit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bellwire_domain::OutboundRequest;

use super::{RenderInput, Rendering};
use crate::contract::Contract;
use crate::failure::RenderError;
use crate::request::Step;
use crate::variables::Scope;

/// A text that a signature of a request is computed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// The name of the signature in the contract.
    pub signature: String,
    /// The text. It may have the secret in it.
    pub text: String,
    /// Where the text is a token's, the claims in it, as JSON.
    pub claims: Option<String>,
}

impl Contract {
    /// The same as [`Contract::render`], with what each signature was computed over.
    pub fn render_with_signed(&self, input: &RenderInput<'_>) -> Result<(OutboundRequest, Vec<SignedText>), RenderError> {
        let rendering = self.rendered(input)?;
        let signed = rendering.signed_texts()?;
        Ok((rendering.finish()?, signed))
    }
}

impl Rendering<'_> {
    fn signed_texts(&self) -> Result<Vec<SignedText>, RenderError> {
        let mut texts = Vec::new();
        for step in &self.plan.order {
            let Step::Signature(index) = *step else { continue };
            let Some(signature) = self.contract.signatures.get(index) else { continue };
            let Some(Some(value)) = self.signatures.get(index) else { continue };
            let (text, claims) = if let Some(over) = signature.scheme.signed() {
                let text = over.render_text(Scope::of(self));
                let at = || self.plan.name(*step, &self.contract.signatures);
                (text.map_err(|failure| RenderError::of(at(), failure))?, None)
            } else if signature.scheme.as_token().is_some()
                && let Some((signed, _)) = value.rsplit_once('.')
            {
                (signed.to_owned(), claims(signed))
            } else {
                continue;
            };
            texts.push(SignedText { signature: signature.name.clone(), text, claims });
        }
        Ok(texts)
    }
}

/// The second part of a token.
fn claims(signed: &str) -> Option<String> {
    let (_, payload) = signed.rsplit_once('.')?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
