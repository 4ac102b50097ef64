//! What a contract makes of a receiver's answer, where it looks at more than the status.
//!
//! `delivery.success` and `delivery.stop` may be conditions instead of statuses. A condition is one expression, and knows the answer and
//! the number of the attempt. One that cannot be evaluated, because the answer lacks what it looks at, does not hold.

use std::sync::Arc;

use bellwire_domain::Judgement;
use http::HeaderName;
use serde_json::value::RawValue;

use crate::diagnostic::{Mistake, Report};
use crate::expression::Expression;
use crate::path::Path;
use crate::published::{Bindings, object, quoted};
use crate::template::Template;
use crate::variables::{Scope, Variable};
use crate::yaml::Node;

const STATUS: &str = "answer.status";
const BODY: &str = "answer.body";
const JSON: &str = "answer.json";
const HEADER: &str = "answer.header";
const ATTEMPT: &str = "attempt.number";
const NAMES: [&str; 5] = [STATUS, BODY, JSON, HEADER, ATTEMPT];
/// What `delivery.batch.success` knows besides.
const EACH: [&str; 6] = ["event.id", "event.type", "event.seq", "delivery.id", "delivery.number", INDEX];
/// The place of an event in its request, from 0.
const INDEX: &str = "index";

/// An answer as conditions know it.
#[derive(Debug, Clone, Copy)]
pub struct AnswerInput<'a> {
    /// Which attempt it answers, from 1.
    pub attempt: u32,
    /// Its status.
    pub status: u16,
    /// Its headers, as far as [`Contract::heeded`](crate::Contract::heeded) names them, by names in lower case.
    pub headers: &'a [(String, String)],
    /// The beginning of its body.
    pub body: &'a [u8],
}

/// One of the events of a request, as the condition on its answer knows it.
#[derive(Debug, Clone, Copy)]
pub struct AnsweredEvent<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub event_type: &'a str,
    /// Its number within its account.
    pub seq: i64,
    /// The delivery's id, as the request shows it.
    pub delivery_id: &'a str,
    /// The delivery's number within its endpoint.
    pub number: i64,
    /// Its place in the request, from 0.
    pub index: usize,
}

impl AnsweredEvent<'_> {
    fn values(&self, answer: &AnswerInput<'_>) -> Bindings {
        let [id, event_type, seq, delivery, number, index] = EACH;
        let mut values = values(answer);
        values.set(id, quoted(self.id));
        values.set(event_type, quoted(self.event_type));
        values.set(seq, self.seq.to_string());
        values.set(delivery, quoted(self.delivery_id));
        values.set(number, self.number.to_string());
        values.set(index, self.index.to_string());
        values
    }
}

/// The conditions of a contract.
#[derive(Debug, Default)]
pub(crate) struct AnswerRules {
    pub(crate) success: Option<Expression>,
    pub(crate) stop: Option<Expression>,
    /// Asked for each event of a request that several share.
    pub(crate) each: Option<Expression>,
}

impl AnswerRules {
    /// Reads a condition, where a value is one and no list of statuses. The flag says that it is one, be it right or wrong.
    pub(crate) fn read(node: &Node, path: &str, report: &mut Report) -> (bool, Option<Expression>) {
        if node.scalar().is_none_or(|scalar| !scalar.text.contains("{{")) {
            return (false, None);
        }
        let help = "write one expression and nothing around it: `\"{{ answer.json.status == 'ok' }}\"`";
        (true, read(node, path, (&NAMES.map(str::to_owned), help), report))
    }

    /// Reads a condition that is asked for each event of a request.
    pub(crate) fn read_for_each(node: &Node, path: &str, report: &mut Report) -> Option<Expression> {
        let locals: Vec<String> = NAMES.iter().chain(&EACH).map(|name| (*name).to_owned()).collect();
        let help = "write one expression and nothing around it: `\"{{ event.id not in answer.json.failed }}\"`";
        read(node, path, (&locals, help), report)
    }

    /// Headers of an answer that conditions look at, and where answers are told, their type.
    pub(crate) fn heeded(&self, relays: bool) -> Arc<[HeaderName]> {
        let looked_at = self.conditions().flat_map(|condition| condition.paths.iter().filter_map(header_of));
        header_names(looked_at.chain(relays.then_some("content-type")))
    }

    fn conditions(&self) -> impl Iterator<Item = &Expression> {
        self.success.iter().chain(&self.stop).chain(&self.each)
    }

    /// What they make of an answer.
    pub(crate) fn of(&self, answer: &AnswerInput<'_>) -> Judgement {
        if self.success.is_none() && self.stop.is_none() {
            return Judgement::default();
        }
        let values = values(answer);
        let holds = |condition: &Expression| condition.evaluate(Scope::of(&values)).is_ok_and(|value| value.is_true());
        Judgement { is_received: self.success.as_ref().map(holds), is_over: self.stop.as_ref().map(holds) }
    }

    /// Whether an answer that says that a request was received says so of one of its events.
    pub(crate) fn of_each(&self, answer: &AnswerInput<'_>, event: &AnsweredEvent<'_>) -> bool {
        let Some(each) = &self.each else { return true };
        each.evaluate(Scope::of(&event.values(answer))).is_ok_and(|value| value.is_true())
    }

    /// Why conditions cannot be evaluated whatever is answered: found when the contract is loaded.
    pub(crate) fn try_out(&self, report: &mut Report) {
        let headers = self.heeded(false);
        let headers: Vec<_> = headers.iter().map(|name| (name.to_string(), "1".to_owned())).collect();
        for body in ["", "{\"status\":\"ok\"}"] {
            let answer = AnswerInput { attempt: 1, status: 200, headers: &headers, body: body.as_bytes() };
            let example = AnsweredEvent { id: "x", event_type: "x", seq: 1, delivery_id: "x", number: 1, index: 0 };
            let values = example.values(&answer);
            let all =
                [("delivery.success", &self.success), ("delivery.stop", &self.stop), ("delivery.batch.success", &self.each)];
            for (path, condition) in all.into_iter().filter_map(|(path, condition)| Some((path, condition.as_ref()?))) {
                match condition.evaluate(Scope::of(&values)) {
                    Err(error) if !error.absent && report.is_clean() => report.add(condition.at, path, error.message, ""),
                    _ => {}
                }
            }
        }
    }
}

/// Reads one expression, and checks what it looks at.
fn read(node: &Node, path: &str, (locals, help): (&[String], &str), report: &mut Report) -> Option<Expression> {
    let read = Template::read_expression(node, path, locals, ("a condition is one expression", help), report);
    read.and_then(|expression| checked(expression, path, report))
}

/// The headers that are looked at, each once and in order.
pub(crate) fn header_names<'n>(names: impl Iterator<Item = &'n str>) -> Arc<[HeaderName]> {
    let mut names: Vec<HeaderName> = names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names.into()
}

/// The header that a path leads to.
fn header_of(path: &Path) -> Option<&str> {
    let Variable::Local(name) = &path.variable else { return None };
    (name == HEADER).then(|| path.names_inside().first().copied()).flatten()
}

/// A condition whose headers are named in a way that can be heeded.
fn checked(expression: Expression, path: &str, report: &mut Report) -> Option<Expression> {
    let is_header = |path: &&Path| matches!(&path.variable, Variable::Local(name) if name == HEADER);
    for used in expression.paths.iter().filter(is_header) {
        if let Err(mistake) = header_name(header_of(used)) {
            report.add(expression.at, path, mistake.message, mistake.help);
            return None;
        }
    }
    Some(expression)
}

/// The name of a header that is looked at, as far as it is known beforehand.
pub(crate) fn header_name(name: Option<&str>) -> Result<HeaderName, Mistake> {
    let help = "write the header's name in lower case: `answer.header['x-no-retry']`";
    let Some(name) = name else { return Err(Mistake::new("which header is looked at has to be known beforehand", help)) };
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| is_lower);
    parsed.ok_or_else(|| Mistake::new(format!("`{name}` is no header's name in lower case"), help))
}

/// An answer as one JSON object.
pub(crate) fn answer_object(answer: &AnswerInput<'_>) -> String {
    let body = String::from_utf8_lossy(answer.body);
    let (status, text, json, header) = (answer.status, quoted(&body), json(&body), object(answer.headers));
    format!("{{\"status\":{status},\"body\":{text},\"json\":{json},\"header\":{header}}}")
}

fn values(answer: &AnswerInput<'_>) -> Bindings {
    let mut values = Bindings::at(None);
    let body = String::from_utf8_lossy(answer.body);
    values.set(STATUS, answer.status.to_string());
    values.set(ATTEMPT, answer.attempt.to_string());
    values.set(BODY, quoted(&body));
    values.set(JSON, json(&body).to_owned());
    values.set(HEADER, object(answer.headers));
    values
}

/// A body as JSON; null: it is none.
fn json(body: &str) -> &str {
    if serde_json::from_str::<&RawValue>(body).is_ok() { body.trim() } else { "null" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn judged(success: &str, status: u16, body: &str) -> Option<bool> {
        let source = format!(
            "contract: t\ntitle: T\nevents: any\nrequest: {{ body: \"{{{{ event.data }}}}\" }}\ndelivery: {{ success: \"{{{{ {success} }}}}\" }}\n"
        );
        let contract = Contract::compile(&source, "t.yaml").unwrap();
        contract.judge(&AnswerInput { attempt: 1, status, headers: &[], body: body.as_bytes() }).is_received
    }

    #[test]
    fn a_condition_that_looks_at_what_an_answer_lacks_does_not_hold() {
        for (success, status, body, expected) in [
            ("answer.json.accepted == true", 200, "{\"accepted\":true}", true),
            ("answer.json.accepted == true", 200, "{\"accepted\":false}", false),
            ("answer.json.accepted == true", 200, "{}", false),
            ("answer.json.accepted == true", 200, "no JSON", false),
            ("answer.json.accepted | default(false) or answer.body == 'no JSON'", 200, "no JSON", true),
            ("answer.json.a.b | default(1) == 1", 200, "{\"a\":{}}", true),
            ("answer.json == 'ok'", 200, "\"ok\"", true),
            ("answer.json is none", 200, "ok", true),
            ("answer.body | trim | matches('^ok$')", 200, " ok ", true),
            ("answer.header['x-a'] is defined", 200, "", false),
            ("answer.header['x-a'] | default('1') == '1' and attempt.number == 1", 200, "", true),
        ] {
            assert_eq!(judged(success, status, body), Some(expected), "{success} of {body}");
        }
    }
}
