//! Expressions: checked when a contract is loaded, evaluated for each request.
//!
//! Most expressions of real contracts are a name, perhaps with a filter (`attempt.at | unix`). Those are evaluated directly, and
//! a value of `event.data` keeps the very bytes that were posted. Everything else goes to the expression library.

use std::borrow::Cow;

use crate::diagnostic::{At, suggestion};
use crate::filters::{self, Filter};
use crate::jinja::{self, Compiled};
use crate::json;
use crate::lexer::{self, Token};
use crate::piece::{EvalError, Piece};
use crate::variables::{self, Scope, Variable};

/// The longest expression, in bytes.
const EXPRESSION_LENGTH_MAX: usize = 4_096;

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) at: At,
    /// The expression in one spelling, for messages and for finding the same expression again.
    pub(crate) text: String,
    /// The values it uses.
    pub(crate) paths: Vec<Path>,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    /// A path and filters, evaluated without the library.
    Direct(Path, Vec<Filter>),
    /// The same, and a whole number added.
    Sum(Path, Vec<Filter>, i64),
    /// Whether a path leads to a value (`is defined`), or not.
    Defined(Path, bool),
    Library(Compiled),
}

/// A variable and the way inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) variable: Variable,
    inside: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// What is wrong with an expression, and what would be right.
pub(crate) type Refusal = (String, String);

impl Expression {
    /// Checks and compiles; `locals` are the names of the loops around it.
    pub(crate) fn compile(source: &str, at: At, locals: &[String]) -> Result<Self, Refusal> {
        if source.len() > EXPRESSION_LENGTH_MAX {
            return Err((format!("an expression is longer than {EXPRESSION_LENGTH_MAX} bytes"), String::new()));
        }
        let source = source.trim();
        let quoted = |message: String| format!("`{source}`: {message}");
        let compiled = jinja::compile(source).map_err(|message| (quoted(message), "see the page on expressions".into()))?;
        let tokens = lexer::tokens(source);
        let paths = check_names(&tokens, locals).map_err(|(message, help)| (quoted(message), help))?;
        let seen: Vec<&str> = paths.iter().map(|path| path.names().0).collect();
        if let Some(unseen) =
            jinja::roots(&compiled).into_iter().find(|root| !seen.contains(&root.as_str()) && !is_function(root))
        {
            return Err((quoted(format!("unknown variable `{unseen}`")), String::new()));
        }
        let text = lexer::canonical(&tokens);
        let plan = match direct(&tokens, locals) {
            Some(plan) => plan.map_err(|message| (quoted(message), String::new()))?,
            None => Plan::Library(compiled),
        };
        Ok(Self { at, text, paths, plan })
    }

    /// The value.
    pub(crate) fn evaluate<'a>(&self, scope: Scope<'a>) -> Result<Piece<'a>, EvalError> {
        if let Some(shown) = scope.values.shown(&self.text) {
            return Ok(Piece::text(shown));
        }
        let value = match &self.plan {
            Plan::Direct(path, filters) => filtered(path, filters, scope),
            Plan::Sum(path, filters, added) => filtered(path, filters, scope).and_then(|value| sum(&value, *added)),
            Plan::Defined(path, wanted) => Ok(Piece::Bool((path.find(scope) != Piece::Absent) == *wanted)),
            Plan::Library(compiled) => jinja::evaluate(compiled, &self.paths, scope),
        };
        value.map_err(|error| EvalError { message: format!("`{}` {}", self.text, error.message), absent: error.absent })
    }

    /// The variable, when the expression is nothing but a variable and formats of it.
    pub(crate) fn direct(&self) -> Option<(&Variable, &[Filter])> {
        match &self.plan {
            Plan::Direct(path, filters) if path.inside.is_empty() => Some((&path.variable, filters)),
            Plan::Direct(..) | Plan::Sum(..) | Plan::Defined(..) | Plan::Library(_) => None,
        }
    }

    pub(crate) fn uses(&self, wanted: impl Fn(&Variable) -> bool) -> bool {
        self.paths.iter().any(|path| wanted(&path.variable))
    }
}

impl Path {
    pub(crate) fn names(&self) -> (&str, Option<&str>) {
        jinja::names(&self.variable)
    }

    /// The way inside the variable, as far as it is names.
    pub(crate) fn inside(&self) -> Vec<&str> {
        self.inside
            .iter()
            .map_while(|segment| match segment {
                Segment::Key(key) => Some(key.as_str()),
                Segment::Index(_) => None,
            })
            .collect()
    }

    fn find<'a>(&self, scope: Scope<'a>) -> Piece<'a> {
        let value = scope.get(&self.variable);
        if self.inside.is_empty() {
            return value;
        }
        match value {
            Piece::Json(Cow::Borrowed(raw)) => self.walk(raw).map_or(Piece::Absent, |raw| Piece::Json(Cow::Borrowed(raw))),
            Piece::Json(Cow::Owned(raw)) => self.walk(&raw).map_or(Piece::Absent, |raw| Piece::Json(Cow::Owned(raw.to_owned()))),
            _ => Piece::Absent,
        }
    }

    fn walk<'r>(&self, raw: &'r str) -> Option<&'r str> {
        self.inside.iter().try_fold(raw, |raw, segment| match segment {
            Segment::Key(key) => json::member(raw, key),
            Segment::Index(index) => json::element(raw, *index),
        })
    }
}

fn filtered<'a>(path: &Path, filters: &[Filter], scope: Scope<'a>) -> Result<Piece<'a>, EvalError> {
    match path.find(scope) {
        Piece::Absent => Ok(Piece::Absent),
        found => filters.iter().try_fold(found, |value, filter| filter.apply(value)),
    }
}

fn sum(value: &Piece<'_>, added: i64) -> Result<Piece<'static>, EvalError> {
    let number = match value {
        Piece::Number(number) | Piece::Json(number) => number.parse::<i64>().ok(),
        Piece::Absent => return Err(EvalError { message: "adds to a value that is not there".into(), absent: true }),
        _ => None,
    };
    let sum = number.and_then(|number| number.checked_add(added));
    sum.map(|sum| Piece::number(&sum)).ok_or_else(|| EvalError::new("adds to what is no whole number"))
}

fn is_function(name: &str) -> bool {
    matches!(name, "range" | "dict")
}

/// Checks every name, filter and test, and collects the values used.
fn check_names(tokens: &[Token], locals: &[String]) -> Result<Vec<Path>, Refusal> {
    let mut paths = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        let Token::Name(name) = token else {
            index += 1;
            continue;
        };
        match before {
            Some(Token::Sign('|')) => check_filter(name)?,
            Some(Token::Name(word)) if (word == "is" || word == "not" && follows_is(tokens, index)) && name != "not" => {
                check_test(name)?;
            }
            Some(Token::Sign('.')) => {}
            _ if lexer::is_keyword(name) || is_argument_name(tokens, index) => {}
            _ if tokens.get(index + 1) == Some(&Token::Sign('(')) => {
                if !is_function(name) {
                    return Err((
                        format!("unknown function `{name}`"),
                        "there are `range` and `dict`; most things are filters: `value | name`".into(),
                    ));
                }
            }
            _ => {
                let (path, taken) = read_path(tokens, index, locals)?;
                paths.push(path);
                index += taken;
                continue;
            }
        }
        index += 1;
    }
    Ok(paths)
}

fn follows_is(tokens: &[Token], index: usize) -> bool {
    index.checked_sub(2).and_then(|index| tokens.get(index)) == Some(&Token::Name("is".into()))
}

/// `name=` inside a call.
fn is_argument_name(tokens: &[Token], index: usize) -> bool {
    tokens.get(index + 1) == Some(&Token::Sign('=')) && tokens.get(index + 2) != Some(&Token::Sign('='))
}

fn check_filter(name: &str) -> Result<(), Refusal> {
    if jinja::has_filter(name) {
        return Ok(());
    }
    let mut known: Vec<&str> = filters::FILTERS.iter().map(|(name, _)| *name).collect();
    known.extend(["default", "join", "length", "first", "last", "replace", "trim", "round", "int", "float"]);
    Err((format!("unknown filter `{name}`"), suggestion(name, &known)))
}

fn check_test(name: &str) -> Result<(), Refusal> {
    if jinja::has_test(name) {
        return Ok(());
    }
    Err((format!("unknown test `is {name}`"), suggestion(name, &["defined", "none", "string", "number", "true", "false"])))
}

/// Reads a path that starts at `start`; answers it and the number of tokens it takes.
fn read_path(tokens: &[Token], start: usize, locals: &[String]) -> Result<(Path, usize), Refusal> {
    let mut segments: Vec<(Segment, usize)> = Vec::new();
    let mut index = start;
    if let Some(Token::Name(root)) = tokens.get(index) {
        segments.push((Segment::Key(root.clone()), 1));
        index += 1;
    }
    loop {
        let next = (tokens.get(index), tokens.get(index + 1), tokens.get(index + 2));
        let (segment, taken) = match next {
            (Some(Token::Sign('.')), Some(Token::Name(_)), Some(Token::Sign('('))) => break,
            (Some(Token::Sign('.')), Some(Token::Name(name)), _) => (Segment::Key(name.clone()), 2),
            (Some(Token::Sign('.')), Some(Token::Number(number)), _) => (Segment::Index(number.parse().unwrap_or(usize::MAX)), 2),
            (Some(Token::Sign('[')), Some(Token::Text(text)), Some(Token::Sign(']'))) => (Segment::Key(text.clone()), 3),
            (Some(Token::Sign('[')), Some(Token::Number(number)), Some(Token::Sign(']'))) => {
                (Segment::Index(number.parse().unwrap_or(usize::MAX)), 3)
            }
            _ => break,
        };
        segments.push((segment, taken));
        index += taken;
    }
    let chain: Vec<&str> = segments
        .iter()
        .map_while(|(segment, _)| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    let (variable, used) = variables::resolve(&chain, locals)?;
    let inside: Vec<Segment> = segments.iter().skip(used).map(|(segment, _)| segment.clone()).collect();
    let has_inside =
        matches!(variable, Variable::Local(_) | Variable::Event(variables::EventField::Data | variables::EventField::Fields));
    if let (Some(segment), false) = (inside.first(), has_inside) {
        let name = match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        };
        let whole = chain.get(..used).unwrap_or_default().join(".");
        return Err((
            format!("`{whole}` has nothing inside, so no `{name}`"),
            "only `event.data`, `event.fields` and loop variables have".into(),
        ));
    }
    Ok((Path { variable, inside }, index - start))
}

/// The plan for a path followed by filters of ours and nothing else.
fn direct(tokens: &[Token], locals: &[String]) -> Option<Result<Plan, String>> {
    let Some(Token::Name(first)) = tokens.first() else { return None };
    if lexer::is_keyword(first) || tokens.get(1) == Some(&Token::Sign('(')) {
        return None;
    }
    let (path, mut index) = read_path(tokens, 0, locals).ok()?;
    let mut plan = Vec::new();
    while index < tokens.len() {
        if let Some(plan) = ending(tokens.get(index..).unwrap_or_default(), &path, &plan) {
            return Some(Ok(plan));
        }
        let (Some(Token::Sign('|')), Some(Token::Name(name))) = (tokens.get(index), tokens.get(index + 1)) else { return None };
        let filter = filters::find(name)?;
        index += 2;
        if tokens.get(index) != Some(&Token::Sign('(')) {
            plan.push(filter);
            continue;
        }
        let close = tokens.iter().skip(index).position(|token| *token == Token::Sign(')'))?;
        let arguments = tokens.get(index + 1..index + close)?;
        index += close + 1;
        if name != "rfc3339" {
            return None;
        }
        match time_format(arguments) {
            Ok(filter) => plan.push(filter),
            Err(message) => return Some(Err(message)),
        }
    }
    Some(Ok(Plan::Direct(path, plan)))
}

/// The endings that are worth a plan of their own: `… + 300`, and `is defined`.
fn ending(rest: &[Token], path: &Path, filters: &[Filter]) -> Option<Plan> {
    let is = |token: &Token, word: &str| matches!(token, Token::Name(name) if name == word);
    match rest {
        // Data may hold fractions, which the library adds as well.
        [Token::Sign('+'), Token::Number(number)] if !filters.is_empty() => {
            Some(Plan::Sum(path.clone(), filters.to_vec(), number.parse().ok()?))
        }
        [first, second] if filters.is_empty() && is(first, "is") && is(second, "defined") => {
            Some(Plan::Defined(path.clone(), true))
        }
        [first, not, second] if filters.is_empty() && is(first, "is") && is(not, "not") && is(second, "defined") => {
            Some(Plan::Defined(path.clone(), false))
        }
        _ => None,
    }
}

/// The arguments of `rfc3339`, which must be constants.
fn time_format(arguments: &[Token]) -> Result<Filter, String> {
    let (mut digits, mut zone) = (None, None);
    for argument in arguments.split(|token| *token == Token::Sign(',')) {
        match argument {
            [Token::Name(name), Token::Sign('='), Token::Number(number)] if name == "digits" => digits = Some(number.as_str()),
            [Token::Name(name), Token::Sign('='), Token::Text(text)] if name == "zone" => zone = Some(text.as_str()),
            [] => {}
            _ => return Err("`rfc3339` takes `digits=0`, `3` or `6` and `zone='Z'` or `'offset'`".into()),
        }
    }
    filters::rfc3339(digits, zone)
}
