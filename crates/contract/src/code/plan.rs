//! Reads a contract and writes down what a receiver of its requests has to check.
//!
//! What is checked, and what a value is computed from, is the same as in `verify`, which judges captured requests.

use super::model::{Candidate, Claim, Field, Follow, Model, Parts, Proof, Read, Rule, Source, Time, Token, UrlText, Value};
use super::sources::{Fault, Place, Shown, check_computable, is_by_key, pattern, prefix, reaches, shown, snake, time_form};
use super::translate::{Names, translate};
use crate::captured::{follows, proves};
use crate::contract::Contract;
use crate::expression::Expression;
use crate::json;
use crate::path::Path;
use crate::request::{Body, RequestPlan};
use crate::signature::{KeyDerivation, Recipe, Secrets, Signature};
use crate::template::{Part, Template};
use crate::tree::Tree;
use crate::variables::{Builtin, Variable};

/// What to check, or the key of the contract that cannot be said.
pub(super) fn plan(contract: &Contract) -> Result<Model, Fault> {
    let model = Planner::plan(contract, &contract.plan)?;
    for event in contract.events().iter().chain(contract.any_event()) {
        let Some(plan) = &event.plan else { continue };
        if !Planner::plan(contract, plan).is_ok_and(|own| own == model) {
            let message = "requests of this event are verified in another way than those of the others".to_owned();
            return Err((format!("events.{}.request", event.event_type), message));
        }
    }
    for variant in &contract.variants {
        if !Planner::plan(contract, &variant.plan).is_ok_and(|own| own == model) {
            let message = "requests of this variant are verified in another way than the others".to_owned();
            return Err(("request.variants".to_owned(), message));
        }
    }
    Ok(model)
}

/// The parts that are taken from one text.
struct Taken<'a> {
    /// The index of the text's reading.
    read: usize,
    template: &'a Template,
    /// The index of each part in the template, and its name.
    parts: Vec<(usize, Field)>,
}

/// A model in the making.
struct Planner<'a> {
    contract: &'a Contract,
    plan: &'a RequestPlan,
    shown: Vec<Shown<'a>>,
    /// The parts that are read of each text, beside the text's reading.
    parts: Vec<Taken<'a>>,
    /// Whether signatures by private keys are not checked.
    leaves_keys: bool,
    model: Model,
}

impl<'a> Planner<'a> {
    fn plan(contract: &'a Contract, plan: &'a RequestPlan) -> Result<Model, Fault> {
        let shown = shown(plan);
        let proofs: Vec<&Expression> = shown.iter().map(|shown| shown.expression).filter(|found| proves(found)).collect();
        let (by_key, by_secret): (Vec<&Expression>, Vec<_>) = proofs.into_iter().partition(|proof| is_by_key(contract, proof));
        // What a secret makes is proof enough, and receivers may not have the key yet.
        let leaves_keys = contract.subscription.keys_beside.is_some() && !by_secret.is_empty();
        let proofs = if leaves_keys { by_secret } else { [by_key, by_secret].concat() };
        let body = |variable: &Variable| *variable == Variable::Builtin(Builtin::Body);
        let at = |variable: &Variable| *variable == Variable::ATTEMPT_AT;
        let model = Model {
            contract: contract.name.clone(),
            title: contract.title.clone(),
            takes_url: false,
            takes_method: false,
            reads: Vec::new(),
            key: None,
            proofs: Vec::new(),
            token: None,
            any_of: Vec::new(),
            unchecked: Vec::new(),
            follows: Vec::new(),
            times: Vec::new(),
            tolerance_secs: contract.tolerance.as_secs(),
            covers_body: proofs.iter().any(|proof| reaches(contract, plan, proof, &body)),
            covers_time: proofs.iter().any(|proof| reaches(contract, plan, proof, &at)),
        };
        let mut planner = Self { contract, plan, shown, parts: Vec::new(), leaves_keys, model };
        planner.read_all()?;
        planner.finish()
    }

    fn read_all(&mut self) -> Result<(), Fault> {
        if let Some((name, ..)) = self.plan.query.iter().find(|(_, _, value)| value.expressions().any(proves)) {
            return Err((format!("request.query.{name}"), "the code does not read the query".to_owned()));
        }
        if !matches!(self.plan.body, Body::Json(_)) && self.plan.body.expressions().into_iter().any(proves) {
            let message = "the code reads bodies of JSON, and this has a proof in another one";
            return Err(("request.body".to_owned(), message.to_owned()));
        }
        for index in 0..self.shown.len() {
            let Some(shown) = self.shown.get(index).cloned() else { continue };
            let place = shown.place.path();
            let faulty = |message: String| (place.clone(), message);
            if self.leaves_keys && is_by_key(self.contract, shown.expression) {
                self.model.unchecked.push(shown.place.describe());
            } else if proves(shown.expression) {
                self.prove(&shown)?;
            } else if follows(shown.expression) {
                let expected = translate(shown.expression, self).map_err(faulty)?;
                check_text(&expected).map_err(faulty)?;
                let field = self.field(&shown).map_err(faulty)?;
                self.model.follows.push(Follow { expected, field, is_optional: shown.is_optional });
            } else if let Some(form) = time_form(shown.expression) {
                let field = self.field(&shown).map_err(faulty)?;
                self.model.times.push(Time { field, form, is_optional: shown.is_optional });
            }
        }
        Ok(())
    }

    /// Adds what one expression proves.
    fn prove(&mut self, shown: &Shown<'a>) -> Result<(), Fault> {
        let faulty = |message: String| (shown.place.path(), message);
        let signature = match shown.expression.direct() {
            Some((Variable::Signature(name), [])) => self.signature(name),
            _ => None,
        };
        if let Some(signature) = signature
            && let Recipe::Token { .. } = signature.scheme.recipe()
        {
            return self.prove_token(shown, signature);
        }
        check_computable(self.contract, shown.expression)?;
        let expected = translate(shown.expression, self).map_err(faulty)?;
        check_text(&expected).map_err(faulty)?;
        let split = signature.filter(|signature| signature.secrets == Secrets::All && !signature.join.is_empty());
        let candidate = self.candidate(shown, split.map(|signature| signature.join.clone())).map_err(faulty)?;
        if let Some(proof) = self.model.proofs.iter_mut().find(|proof| proof.expected == expected) {
            proof.is_optional &= shown.is_optional;
            proof.candidates.push(candidate);
            return Ok(());
        }
        let number = self.model.proofs.len() + 1;
        let name = if number > 1 { format!("expected_{number}") } else { "expected".to_owned() };
        let (candidates, is_optional) = (vec![candidate], shown.is_optional);
        self.model.proofs.push(Proof { name, signed: None, expected, candidates, is_optional });
        Ok(())
    }

    /// The text that shows a proof: the whole of it with what stands around the proof, if there is nothing else in it.
    fn candidate(&mut self, shown: &Shown<'a>, split: Option<String>) -> Result<Candidate, String> {
        let (before, after) = match shown.template.map(|template| template.parts.as_slice()) {
            None | Some([Part::Expression(_)]) => (String::new(), String::new()),
            Some([Part::Text(before), Part::Expression(_)]) if split.is_none() => (before.clone(), String::new()),
            Some([Part::Expression(_), Part::Text(after)]) if split.is_none() => (String::new(), after.clone()),
            Some([Part::Text(before), Part::Expression(_), Part::Text(after)]) if split.is_none() => {
                (before.clone(), after.clone())
            }
            _ => {
                let field = self.field(shown)?;
                return Ok(Candidate { field, before: String::new(), after: String::new(), split });
            }
        };
        let field = self.whole(&shown.place, !shown.is_optional)?;
        Ok(Candidate { field, before, after, split })
    }

    fn prove_token(&mut self, shown: &Shown<'a>, signature: &'a Signature) -> Result<(), Fault> {
        let place = format!("signatures.{}", signature.name);
        let faulty = |message: &str| (place.clone(), message.to_owned());
        let Recipe::Token { algorithm, hash, key, claims } = signature.scheme.recipe() else { return Ok(()) };
        if signature.secrets == Secrets::All {
            return Err(faulty("the code takes one token, and this has one for each secret"));
        }
        let mut found = Vec::new();
        for (name, is_optional, claim) in claims.fields() {
            let place = format!("{place}.jwt.claims.{name}");
            let rule = self.rule(claim).map_err(|message| (place, message))?;
            found.push(Claim { name: name.to_owned(), is_optional, rule });
        }
        let derived = self.derives(key).map_err(|message| (place.clone(), message))?;
        // A token that need not be there is asked for all the same: nobody who checks tokens wants requests without.
        let shown = &Shown { is_optional: false, ..shown.clone() };
        let candidate = self.candidate(shown, None).map_err(|message| (shown.place.path(), message))?;
        if !candidate.after.is_empty() {
            return Err((shown.place.path(), "the code cannot take a token with text after it".to_owned()));
        }
        let token = Token {
            field: candidate.field,
            before: candidate.before + prefix(signature).map_err(|message| (place.clone(), message))?,
            algorithm,
            hash,
            derived,
            claims: found,
        };
        match self.model.token.replace(token) {
            None => Ok(()),
            Some(_) => Err(faulty("the code takes one token, and there are several")),
        }
    }

    /// What a claim must be.
    fn rule(&mut self, claim: &'a Tree) -> Result<Rule, String> {
        let matters = |expression: &&Expression| follows(expression) || time_form(expression).is_some();
        match claim {
            Tree::Constant(json) => match json::unquote(json) {
                Some(text) => Ok(Rule::Follows(Value::Literal(text.into_owned()))),
                // A word or a whole number, which every language writes alike.
                None if json.chars().all(|letter| letter.is_ascii_alphanumeric()) => Ok(Rule::Constant(json.clone())),
                None => Err("the code cannot compare this constant".to_owned()),
            },
            Tree::Value(expression) if follows(expression) => {
                let expected = translate(expression, self)?;
                check_text(&expected)?;
                Ok(Rule::Follows(expected))
            }
            Tree::Value(expression) => Ok(time_form(expression).map_or(Rule::Present, Rule::Time)),
            other if other.expressions().iter().any(matters) => Err("the code cannot read this claim".to_owned()),
            _ => Ok(Rule::Present),
        }
    }

    /// Whether the key differs from the secret. All keys of a contract must be derived in one way.
    fn derives(&mut self, key: &KeyDerivation) -> Result<bool, String> {
        if key.is_plain() {
            return Ok(false);
        }
        if self.model.key.as_ref().is_some_and(|known| known != key) {
            return Err("the code derives one key, and these signatures derive several".to_owned());
        }
        self.model.key = Some(key.clone());
        Ok(true)
    }

    fn signature(&self, name: &str) -> Option<&'a Signature> {
        self.contract.signatures.iter().find(|signature| signature.name == name)
    }

    /// The value that a signature has for one secret.
    fn signed(&mut self, signature: &'a Signature) -> Result<Value, String> {
        let computed = match signature.scheme.recipe() {
            Recipe::Hmac { hash, key, over, encode } => {
                let derived = self.derives(key)?;
                let over = Box::new(self.template(over)?);
                Value::Encoded(encode, Box::new(Value::Mac { hash, derived, over }))
            }
            Recipe::Hash { hash, over, encode } => {
                Value::Encoded(encode, Box::new(Value::Digest(hash, Box::new(self.template(over)?))))
            }
            Recipe::Text(template) => self.template(template)?,
            Recipe::KeyPair { .. } => return Err(format!("no receiver can make `{}` again", signature.name)),
            Recipe::Token { .. } => return Err(format!("the token `{}` differs each time it is made", signature.name)),
        };
        match prefix(signature)? {
            "" => Ok(computed),
            prefix => Ok(Value::Joined(vec![Value::Literal(prefix.to_owned()), computed])),
        }
    }

    fn template(&mut self, template: &'a Template) -> Result<Value, String> {
        let parts = template.parts.iter().map(|part| match part {
            Part::Text(text) => Ok(Value::Literal(text.clone())),
            Part::Expression(expression) => translate(expression, self),
        });
        Ok(Value::Joined(parts.collect::<Result<_, String>>()?))
    }

    /// The reading of the whole text at a place.
    fn whole(&mut self, place: &Place<'a>, is_required: bool) -> Result<Field, String> {
        let source = match place {
            Place::Header(header) if header.values.len() > 1 => {
                return Err("the code reads one value of a header, and this has several".to_owned());
            }
            Place::Header(header) => Source::Header(header.name.as_str().to_owned()),
            Place::Body(steps) => Source::Body(steps.clone()),
        };
        if let Some(read) = self.model.reads.iter_mut().find(|read| read.source == source) {
            read.is_required |= is_required;
            return Ok(read.field.clone());
        }
        let field = self.unused(&place.name());
        self.model.reads.push(Read { field: field.clone(), source, is_required, parts: None });
        Ok(field)
    }

    /// The reading of what stands in the place of an expression.
    fn field(&mut self, shown: &Shown<'a>) -> Result<Field, String> {
        let Some(template) = shown.template.filter(|template| template.single().is_none()) else {
            return self.whole(&shown.place, !shown.is_optional);
        };
        if shown.is_optional {
            return Err("the code cannot take this optional header apart".to_owned());
        }
        let together = |pair: &[Part]| matches!(pair, [Part::Expression(_), Part::Expression(_)]);
        if template.parts.windows(2).any(together) {
            return Err("two expressions with nothing between them cannot be told apart".to_owned());
        }
        let whole = self.whole(&shown.place, true)?;
        let read = self.model.reads.iter().position(|read| read.field == whole).unwrap_or_default();
        let is_it = |part: &Part| matches!(part, Part::Expression(one) if one.text == shown.expression.text);
        let part = template.parts.iter().position(is_it).unwrap_or_default();
        let known = self.parts.iter().find(|taken| taken.read == read);
        if let Some((_, name)) = known.and_then(|taken| taken.parts.iter().find(|(index, _)| *index == part)) {
            return Ok(name.clone());
        }
        let roots = shown.expression.paths.first().map_or(("text", None), |path| path.variable.names());
        let name = self.unused(&snake(&format!("{} {} text", roots.0, roots.1.unwrap_or_default())));
        let taken = (part, name.clone());
        match self.parts.iter_mut().find(|taken| taken.read == read) {
            Some(known) => known.parts.push(taken),
            None => self.parts.push(Taken { read, template, parts: vec![taken] }),
        }
        Ok(name)
    }

    /// A name that nothing has yet.
    fn unused(&self, wanted: &str) -> Field {
        let parts = self.parts.iter().flat_map(|taken| taken.parts.iter().map(|(_, name)| name));
        let used: Vec<&Field> = self.model.reads.iter().map(|read| &read.field).chain(parts).collect();
        let mut name = wanted.to_owned();
        let mut number = 2;
        while used.contains(&&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }

    fn finish(mut self) -> Result<Model, Fault> {
        for Taken { read, template, mut parts } in self.parts {
            parts.sort();
            let pattern = pattern(template, &parts);
            if let Some(read) = self.model.reads.get_mut(read) {
                read.parts = Some(Parts { pattern, fields: parts.into_iter().map(|(_, name)| name).collect() });
            }
        }
        for proof in &mut self.model.proofs {
            let name = proof.name.replace("expected", "signed");
            proof.signed = proof.expected.take_signed(&name).map(|signed| (name, signed));
        }
        let Model { proofs, token, .. } = &self.model;
        if proofs.is_empty() && token.is_none() {
            return Err(("request".to_owned(), "nothing in a request proves where it comes from".to_owned()));
        }
        if token.is_none() && proofs.iter().all(|proof| proof.is_optional) {
            let texts = proofs.iter().flat_map(|proof| proof.candidates.iter().map(|candidate| &candidate.field));
            self.model.any_of = texts.cloned().collect();
        }
        Ok(self.model)
    }
}

impl<'a> Names for Planner<'a> {
    fn shown(&mut self, canonical: &str) -> Result<Option<Value>, String> {
        let is_it = |shown: &&Shown<'a>| shown.expression.text == canonical && shown.is_given();
        // What signs selected fields of the body is about those fields, not about a header that repeats them.
        let in_body_first = !self.model.covers_body;
        let found = self.shown.iter().filter(is_it).min_by_key(|shown| matches!(shown.place, Place::Body(_)) != in_body_first);
        let Some(shown) = found.cloned() else { return Ok(None) };
        if matches!(shown.place, Place::Body(_)) && !shown.is_plain_text() {
            return Err(format!("`{canonical}` is signed as the body spells it, and not every parser keeps that"));
        }
        let required = Shown { is_optional: false, ..shown };
        self.field(&required).map(|field| Some(Value::Field(field)))
    }

    fn named(&mut self, path: &Path) -> Result<Value, String> {
        let (root, field) = path.variable.names();
        let name = field.map_or(root.to_owned(), |field| format!("{root}.{field}"));
        let missing = || format!("a receiver does not know `{name}`");
        if !path.inside.is_empty() {
            return Err(missing());
        }
        match &path.variable {
            Variable::Header(header) => {
                let found = self.plan.headers.iter().find(|known| known.name == header.as_str());
                self.whole(&Place::Header(found.ok_or_else(missing)?), true).map(Value::Field)
            }
            Variable::Signature(name) => self.signature(name).ok_or_else(missing).and_then(|found| self.signed(found)),
            Variable::Builtin(Builtin::Body) => Ok(Value::Body),
            Variable::Builtin(Builtin::Secret) => Ok(Value::Secret),
            Variable::Builtin(Builtin::RequestMethod) => {
                self.model.takes_method = true;
                Ok(Value::Method)
            }
            Variable::Builtin(Builtin::PublishedUrl) => {
                let url = self.contract.published.as_ref().and_then(|published| published.url());
                url.map(|url| Value::Literal(url.to_owned())).ok_or_else(missing)
            }
            Variable::Builtin(builtin) => {
                let part = match builtin {
                    Builtin::RequestUrl | Builtin::EndpointUrl => UrlText::Whole,
                    Builtin::RequestHost => UrlText::Host,
                    Builtin::RequestPath => UrlText::Path,
                    Builtin::RequestQuery => UrlText::Query,
                    _ => return Err(missing()),
                };
                self.model.takes_url = true;
                Ok(Value::Url(part))
            }
            Variable::Local(_) => Err(missing()),
        }
    }
}

/// A value that is compared with text must be text.
fn check_text(value: &Value) -> Result<(), String> {
    if value.is_bytes() { Err("these bytes are not text".to_owned()) } else { Ok(()) }
}
