//! A receiver's verification code, made from a contract.
//!
//! [`plan`] reads the contract once and writes down what a receiver has to check, as data (`model`). Each language renders that
//! same data: a file with the words of its expressions, and a template in `templates/` with what stands around them. What cannot
//! be said in code is refused with the key of the contract that says it.
//!
//! To add a language: a variant of [`CodeLanguage`] with its arm in `render`, a file like `python.rs` with its template, and a
//! driver in `tests/verification`, which the end-to-end tests run.

mod go;
mod java;
mod model;
mod node;
mod php;
mod plan;
mod python;
mod ruby;
mod sources;
mod spelling;
mod translate;

use crate::contract::Contract;
use model::Model;

bellwire_domain::words! {
    /// The languages that verification code can be written in.
    pub enum CodeLanguage {
        /// Python.
        Python = "python",
        /// JavaScript on Node.js.
        Node = "node",
        /// Go.
        Go = "go",
        /// Ruby.
        Ruby = "ruby",
        /// Java.
        Java = "java",
        /// PHP.
        Php = "php",
    }
}

impl CodeLanguage {
    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Go => "Go",
            Self::Ruby => "Ruby",
            Self::Java => "Java",
            Self::Php => "PHP",
        }
    }
}

/// Code that verifies the requests of one contract, in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub struct VerificationCode {
    /// The whole file.
    pub text: String,
    /// Whether its function is also given the URL of the request.
    pub takes_url: bool,
    /// Whether its function is also given the method of the request.
    pub takes_method: bool,
    /// Whether its function can be told what time it is.
    pub takes_now: bool,
    /// Whether it notices a body that was changed.
    pub tells_changed_body: bool,
    /// Whether it notices a request that is old.
    pub tells_old: bool,
}

/// Why no code can be made for a contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no verification code for the contract `{contract}`: {place}: {message}")]
pub struct CodeError {
    /// The contract's name.
    pub contract: String,
    /// The key of the contract that cannot be said in code.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
}

impl Contract {
    /// A receiver's code that verifies the requests of this contract. The same contract always gives the same code.
    pub fn verification_code(&self, language: CodeLanguage) -> Result<VerificationCode, CodeError> {
        let error = |(place, message)| CodeError { contract: self.name.clone(), place, message };
        let model = plan::plan(self).map_err(error)?;
        let text = render(language, &model).map_err(|fault| error(("contract".to_owned(), fault.to_string())))?;
        Ok(VerificationCode {
            text,
            takes_url: model.takes_url,
            takes_method: model.takes_method,
            takes_now: model.needs_now(),
            tells_changed_body: model.covers_body,
            tells_old: model.tells_old(),
        })
    }
}

fn render(language: CodeLanguage, model: &Model) -> askama::Result<String> {
    match language {
        CodeLanguage::Python => python::render(model),
        CodeLanguage::Node => node::render(model),
        CodeLanguage::Go => go::render(model),
        CodeLanguage::Ruby => ruby::render(model),
        CodeLanguage::Java => java::render(model),
        CodeLanguage::Php => php::render(model),
    }
}
