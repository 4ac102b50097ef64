//! Verifies captured requests, as a receiver would who has the secret and the contract.
//!
//! Whatever the contract computes from a secret is computed again from the captured headers and body, and compared in constant
//! time: one of the active secrets must fit. Whatever it computes from the body alone (a digest in a header or a claim) must fit
//! the body. The time of the attempt must be within the contract's tolerance of now.

use bellwire_domain::{Secret, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::captured::{Captured, CapturedRequest, Reading, attempt_time, follows, proves, readings};
use crate::contract::Contract;
use crate::expression::Expression;
use crate::request::{Body, RequestPlan};
use crate::signature::{Receiver, Signature, Signer, Token};
use crate::variables::{Scope, Variable};

/// The result of verifying a captured request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was made with one of the secrets, is unchanged, and is recent if the contract sends a time.
    Genuine,
    /// It is not.
    Rejected {
        /// Why.
        reason: String,
    },
    /// The contract does not sign its requests, so there is nothing to check.
    Unsigned,
}

/// Why a request is rejected.
type Reason = String;

/// The most ways in which the headers of one request are read.
const WAYS_MAX: usize = 64;

impl Contract {
    /// Verifies a captured request with the active `secrets`.
    pub fn verify(&self, request: &CapturedRequest<'_>, secrets: &[Secret<String>], now: Timestamp) -> Verdict {
        let first = self.verify_plan(&self.plan, request, secrets, now);
        if first == Verdict::Genuine {
            return first;
        }
        let genuine = self.plans().skip(1).any(|plan| self.verify_plan(plan, request, secrets, now) == Verdict::Genuine);
        if genuine { Verdict::Genuine } else { first }
    }

    fn verify_plan(
        &self,
        plan: &RequestPlan,
        request: &CapturedRequest<'_>,
        secrets: &[Secret<String>],
        now: Timestamp,
    ) -> Verdict {
        let read = match read_headers(plan, request) {
            Ok(read) => read,
            Err(reason) => return Verdict::Rejected { reason },
        };
        let ways = read.iter().fold(1usize, |ways, header| ways.saturating_mul(header.readings.len()));
        let judged = |way| Judge { contract: self, plan, request, headers: chosen(&read, way), secrets, now }.judge();
        let first = judged(0);
        let others = || (1..ways.min(WAYS_MAX)).map(judged).find(Result::is_ok);
        let found = if first.is_ok() { first } else { others().unwrap_or(first) };
        found.unwrap_or_else(|reason| Verdict::Rejected { reason })
    }
}

/// A header of the contract that was captured, and the ways to read it.
struct ReadHeader<'a> {
    place: String,
    readings: Vec<Reading<'a, 'a>>,
}

/// Reads the contract's headers backwards. Refuses a request that lacks one that matters, or has it in another form.
fn read_headers<'a>(plan: &'a RequestPlan, request: &'a CapturedRequest<'_>) -> Result<Vec<ReadHeader<'a>>, Reason> {
    let mut read = Vec::new();
    for header in &plan.headers {
        let name = header.name.as_str();
        let mut captured = request.headers.get_all(&header.name).iter();
        for template in &header.values {
            let matters = template.expressions().any(|expression| proves(expression) || follows(expression));
            let text = captured.next().and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
            match text.map(|text| readings(template, text)) {
                Some(readings) if readings.is_empty() && matters => {
                    return Err(format!("the header `{name}` is not in the form that the contract gives it"));
                }
                Some(readings) if readings.is_empty() => {}
                Some(readings) => read.push(ReadHeader { place: format!("the header `{name}`"), readings }),
                None if matters && !header.optional => return Err(format!("the header `{name}` is missing")),
                None => {}
            }
        }
    }
    Ok(read)
}

/// One reading of each header: the number of the way says which.
fn chosen<'r>(read: &'r [ReadHeader<'r>], way: usize) -> Vec<(&'r Reading<'r, 'r>, &'r str)> {
    let mut way = way;
    let pick = |header: &'r ReadHeader<'r>| {
        let count = header.readings.len().max(1);
        let index = way % count;
        way /= count;
        header.readings.get(index).map(|reading| (reading, header.place.as_str()))
    };
    read.iter().filter_map(pick).collect()
}

/// The verification of one request by one plan.
struct Judge<'a> {
    contract: &'a Contract,
    plan: &'a RequestPlan,
    request: &'a CapturedRequest<'a>,
    /// What the contract's headers show, and where.
    headers: Vec<(&'a Reading<'a, 'a>, &'a str)>,
    secrets: &'a [Secret<String>],
    now: Timestamp,
}

impl<'a> Judge<'a> {
    /// The values of the request, as seen with one secret.
    fn captured(&self, secret: &'a str) -> Captured<'a> {
        let mut captured = Captured::new(self.contract, self.plan, self.request);
        for (reading, place) in &self.headers {
            captured.keep(reading, place);
        }
        captured.with_secret(secret)
    }

    fn judge(&self) -> Result<Verdict, Reason> {
        let unkeyed = self.captured("");
        let proven = self.check_proofs(&unkeyed)?;
        for shown in &unkeyed.shown {
            if follows(shown.expression) {
                check_following(shown.expression, &shown.text, &shown.place, &unkeyed)?;
            }
        }
        if !proven {
            if self.demands_proof() {
                return Err("nothing in the request proves knowledge of a secret".to_owned());
            }
            return Ok(Verdict::Unsigned);
        }
        for shown in &unkeyed.shown {
            if let Some(at) = attempt_time(shown.expression, &shown.text) {
                self.check_fresh(at, &shown.place)?;
            }
        }
        Ok(Verdict::Genuine)
    }

    /// Whether a request of this contract must prove something.
    fn demands_proof(&self) -> bool {
        let in_headers = self
            .plan
            .headers
            .iter()
            .any(|header| !header.optional && header.values.iter().any(|value| value.expressions().any(proves)));
        let mut in_body = false;
        if let Body::Json(tree) = &self.plan.body {
            tree.visit(&mut |expression| in_body |= proves(expression));
        }
        in_headers || in_body || self.contract.subscription().secret.required || !self.secrets.is_empty() && self.may_prove()
    }

    /// Whether a request of this contract proves something where there is a secret.
    fn may_prove(&self) -> bool {
        self.plan.headers.iter().any(|header| header.values.iter().any(|value| value.expressions().any(proves)))
    }

    fn check_fresh(&self, at: Timestamp, place: &str) -> Result<(), Reason> {
        let distance = self.now.since(at).max(at.since(self.now));
        if distance > self.contract.tolerance {
            let tolerance = self.contract.tolerance.as_secs();
            let (age, side) = if at < self.now { ("old", "past") } else { ("new", "future") };
            let distance = distance.as_secs();
            return Err(format!("too {age}: the time in {place} is {distance} s in the {side}, more than {tolerance} s"));
        }
        Ok(())
    }

    /// Checks everything that only a holder of a secret could make. Returns whether there was anything.
    ///
    /// While a secret is rotated, a request may show the same signature twice: once by the newest secret, once by another. A
    /// receiver that knows one of the two needs one that fits.
    fn check_proofs(&self, unkeyed: &Captured<'a>) -> Result<bool, Reason> {
        let mut fitting: Vec<&Signature> = Vec::new();
        let mut failing: Vec<(&Signature, Reason)> = Vec::new();
        let mut proven = false;
        for shown in unkeyed.shown.iter().filter(|shown| proves(shown.expression)) {
            proven = true;
            let signature = self.signature_of(shown.expression);
            match (self.check_proof(shown.expression, &shown.text, &shown.place), signature) {
                (Ok(()), signature) => fitting.extend(signature),
                (Err(reason), Some(signature)) => failing.push((signature, reason)),
                (Err(reason), None) => return Err(reason),
            }
        }
        match failing.into_iter().find(|(failed, _)| !fitting.iter().any(|fits| fits.is_same_by_another_secret(failed))) {
            Some((_, reason)) => Err(reason),
            None => Ok(proven),
        }
    }

    /// The signature that an expression is, if it is nothing else.
    fn signature_of(&self, expression: &Expression) -> Option<&'a Signature> {
        match expression.direct() {
            Some((Variable::Signature(name), [])) => self.contract.signatures.iter().find(|signature| signature.name == *name),
            _ => None,
        }
    }

    /// Checks that one of the secrets produces what the request shows.
    fn check_proof(&self, expression: &Expression, text: &str, place: &str) -> Result<(), Reason> {
        let signature = self.signature_of(expression);
        let by_key = signature.is_some_and(|signature| signature.key_pair().is_some());
        let secrets = self.contract.known(by_key, self.secrets);
        if secrets.is_empty() {
            let is_other = by_key && !self.secrets.is_empty();
            let missing = if is_other { "public key to verify it with, which is given as PEM" } else { "secret to verify with" };
            return Err(format!("there is no {missing}"));
        }
        if let Some(signature) = signature
            && let Some(token) = signature.scheme.as_token()
        {
            let known: Vec<Secret<String>> = secrets.into_iter().cloned().collect();
            return self.check_token((signature, token), &known, text);
        }
        let mut problem = None;
        for secret in &secrets {
            let captured = self.captured(secret.expose());
            if let Some(signature) = signature
                && let Some(found) = verified(signature, &captured, secret.expose(), text)
            {
                match found {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(message) => problem = Some(message),
                }
                continue;
            }
            let join = signature.map_or("", |signature| signature.join.as_str());
            if let Some(signature) = signature.filter(|signature| signature.prefix.shows_version()) {
                // Each value says of itself which secret made it.
                let parts = std::iter::once(text).chain(text.split(join).filter(|_| !join.is_empty()));
                for part in parts {
                    let Some((_, version)) = signature.prefix.strip(part) else { continue };
                    match evaluated(expression, &self.captured(secret.expose()).with_version(version)) {
                        Ok(expected) if same(&expected, part) => return Ok(()),
                        Ok(_) => {}
                        Err(message) => problem = Some(message),
                    }
                }
                continue;
            }
            match evaluated(expression, &captured) {
                Ok(expected) => {
                    if same(&expected, text) || !join.is_empty() && text.split(join).any(|part| same(&expected, part)) {
                        return Ok(());
                    }
                }
                Err(message) => problem = Some(message),
            }
        }
        let all = signature
            .filter(|signature| signature.key_pair().is_none())
            .map(|signature| signature.value(&self.captured(""), secrets.iter().map(|secret| unnumbered(secret))));
        match (all, problem) {
            (Some(Ok(Some(all))), _) if same(&all, text) => Ok(()),
            (_, Some(message)) => Err(format!("{place} cannot be checked: {message}")),
            (_, None) => Err(format!("{place} does not fit the secret and what was sent")),
        }
    }

    /// Checks a token, and the claims that follow from the body or say when the attempt was made.
    fn check_token(
        &self,
        (signature, token): (&Signature, &'a dyn Token),
        secrets: &[Secret<String>],
        text: &str,
    ) -> Result<(), Reason> {
        let (text, _) = signature
            .prefix
            .strip(text)
            .ok_or_else(|| format!("the token does not start with `{}`", signature.prefix.source()))?;
        let receiver = Receiver { secrets, now: self.now, tolerance: self.contract.tolerance };
        let claims = token.open(text, &receiver)?;
        let mut captured = self.captured("");
        let before = captured.shown.len();
        captured.read_tree(token.claims(), &claims, "the token");
        for shown in captured.shown.iter().skip(before) {
            if follows(shown.expression) {
                check_following(shown.expression, &shown.text, &shown.place, &captured)?;
            }
            if let Some(at) = attempt_time(shown.expression, &shown.text) {
                self.check_fresh(at, &shown.place)?;
            }
        }
        Ok(())
    }
}

/// A secret whose version only the request can tell.
fn unnumbered(secret: &Secret<String>) -> Signer<'_> {
    Signer { secret: secret.expose(), version: None }
}

/// The text that an expression gives.
fn evaluated(expression: &Expression, captured: &Captured<'_>) -> Result<String, Reason> {
    let value = expression.evaluate(Scope::of(captured)).map_err(|error| error.message)?;
    value.into_string().map_err(|error| error.message)
}

/// Whether a text, or one of those joined in it, is a signature by a key. `None`: its scheme has no way to tell but to sign again.
fn verified(signature: &Signature, captured: &Captured<'_>, key: &str, text: &str) -> Option<Result<bool, Reason>> {
    let whole = signature.verify(captured, key, text)?;
    if whole != Ok(false) || signature.join.is_empty() {
        return Some(whole);
    }
    Some(Ok(text.split(&signature.join).any(|part| signature.verify(captured, key, part) == Some(Ok(true)))))
}

/// Checks a value that follows from the captured body and headers.
fn check_following(expression: &Expression, text: &str, place: &str, captured: &Captured<'_>) -> Result<(), Reason> {
    let value = expression.evaluate(Scope::of(captured)).and_then(crate::piece::Piece::into_string);
    match value {
        Ok(expected) if same(&expected, text) => Ok(()),
        _ => Err(format!("`{}` in {place} does not fit what was sent", expression.text)),
    }
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}
