//! Expressions: checked when a contract is loaded, evaluated for each request.
//!
//! Most expressions in real contracts are a name, perhaps with a filter (`attempt.at | unix`). Those are evaluated directly, and
//! a value of `event.data` keeps the exact bytes that were posted. Everything else goes to the expression library.

mod forms;
mod hyphen;

use crate::diagnostic::{At, Mistake, suggestion};
use crate::filters::{Filter, FilterName, TimeFormat};
use crate::jinja::{self, Compiled};
use crate::lexer::{self, Token};
use crate::path::{Path, Segment};
use crate::piece::{EvalError, Piece};
use crate::variables::{self, Scope, Variable};

/// The longest expression, in bytes.
const EXPRESSION_LENGTH_MAX: usize = 4_096;
/// What it costs to start the library, in steps.
const LIBRARY_STEPS: usize = 2_048;
/// What it costs to evaluate an expression without the library, in steps.
const DIRECT_STEPS: usize = 64;

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) at: At,
    /// The expression in canonical spelling, for messages and for recognising the same expression elsewhere.
    pub(crate) text: String,
    /// Whether a text in it has escapes, which `text` does not keep.
    pub(crate) has_escapes: bool,
    /// The values it uses.
    pub(crate) paths: Vec<Path>,
    /// What it can come out as, part by part, where it is an inline `if` or joins texts with `~`.
    pub(crate) forms: Vec<Vec<Form>>,
    /// The filter that can make far more than it is given, because a value of the event says how much.
    pub(crate) grows_by: Option<&'static str>,
    evaluation: Evaluation,
}

/// A part of what an expression comes out as.
#[derive(Debug)]
pub(crate) enum Form {
    Text(String),
    Value(Expression),
}

/// How an expression gets its value.
#[derive(Debug)]
enum Evaluation {
    /// A path and filters, evaluated without the library.
    Direct(Path, Vec<Filter>),
    /// The same, plus a whole number.
    Sum(Path, Vec<Filter>, i64),
    /// Whether a path leads to a value (`is defined`), or not.
    Defined(Path, bool),
    Library(Compiled),
}

impl Expression {
    /// Checks and compiles an expression. `locals` are the names that the loops around it define.
    pub(crate) fn compile(source: &str, at: At, locals: &[String]) -> Result<Self, Mistake> {
        if source.len() > EXPRESSION_LENGTH_MAX {
            return Err(Mistake::new(format!("an expression is longer than {EXPRESSION_LENGTH_MAX} bytes"), ""));
        }
        let source = source.trim();
        let quoted = |message: String, help: &str| Mistake::new(format!("`{source}`: {message}"), help);
        let compiled = jinja::compile(source).map_err(|message| quoted(message, "see the page on expressions"))?;
        let tokens = lexer::tokens(source);
        let paths = check_names(source, &tokens, locals).map_err(|mistake| quoted(mistake.message, &mistake.help))?;
        let seen: Vec<&str> = paths.iter().map(|path| path.variable.names().0).collect();
        let unseen = jinja::roots(&compiled).into_iter().find(|root| !seen.contains(&root.as_str()) && !is_function(root));
        if let Some(unseen) = unseen {
            return Err(quoted(format!("unknown variable `{unseen}`"), ""));
        }
        let text = lexer::canonical(&tokens);
        let evaluation = match direct(&tokens, locals) {
            Some(evaluation) => evaluation.map_err(|message| quoted(message, ""))?,
            None => Evaluation::Library(compiled),
        };
        let grows_by = growing_filter(&tokens);
        let forms = compiled_forms(source, at, locals).unwrap_or_default();
        Ok(Self { at, text, has_escapes: source.contains('\\'), paths, forms, grows_by, evaluation })
    }

    /// The value.
    pub(crate) fn evaluate<'a>(&self, scope: Scope<'a>) -> Result<Piece<'a>, EvalError> {
        if let Some(shown) = scope.values.shown(&self.text) {
            return Ok(shown);
        }
        let charged = scope.meter().step(match &self.evaluation {
            Evaluation::Library(_) => LIBRARY_STEPS,
            Evaluation::Direct(..) | Evaluation::Sum(..) | Evaluation::Defined(..) => DIRECT_STEPS,
        });
        charged.map_err(|error| self.named(&error))?;
        let value = match &self.evaluation {
            Evaluation::Direct(path, filters) => filtered(path, filters, scope),
            Evaluation::Sum(path, filters, added) => filtered(path, filters, scope).and_then(|value| sum(&value, *added)),
            Evaluation::Defined(path, wanted) => path.find(scope).map(|found| Piece::Bool((found != Piece::Absent) == *wanted)),
            Evaluation::Library(compiled) => jinja::evaluate(compiled, &self.paths, scope),
        };
        value.map_err(|error| self.named(&error))
    }

    fn named(&self, error: &EvalError) -> EvalError {
        EvalError { message: format!("`{}` {}", self.text, error.message), absent: error.absent }
    }

    /// The variable and its filters, when the expression is nothing else.
    pub(crate) fn direct(&self) -> Option<(&Variable, &[Filter])> {
        match &self.evaluation {
            Evaluation::Direct(path, filters) if path.inside.is_empty() => Some((&path.variable, filters)),
            Evaluation::Direct(..) | Evaluation::Sum(..) | Evaluation::Defined(..) | Evaluation::Library(_) => None,
        }
    }

    /// The path, when the expression's text is what the path leads to.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.evaluation {
            Evaluation::Direct(path, filters) if filters.iter().all(|filter| filter.name == FilterName::String) => Some(path),
            Evaluation::Direct(..) | Evaluation::Sum(..) | Evaluation::Defined(..) | Evaluation::Library(_) => None,
        }
    }

    pub(crate) fn uses(&self, wanted: impl Fn(&Variable) -> bool) -> bool {
        self.paths.iter().any(|path| wanted(&path.variable))
    }
}

/// What an expression can come out as, each part compiled.
fn compiled_forms(source: &str, at: At, locals: &[String]) -> Option<Vec<Vec<Form>>> {
    let compiled = |part: &forms::Part<'_>| match part {
        forms::Part::Text(text) => Some(Form::Text(text.clone())),
        forms::Part::Value(source) => Expression::compile(source, at, locals).ok().map(Form::Value),
    };
    forms::read(source).iter().map(|form| form.iter().map(compiled).collect()).collect()
}

fn filtered<'a>(path: &Path, filters: &[Filter], scope: Scope<'a>) -> Result<Piece<'a>, EvalError> {
    match path.find(scope)? {
        Piece::Absent => Ok(Piece::Absent),
        found => filters.iter().try_fold(found, |value, filter| filter.apply(value, scope.meter())),
    }
}

fn sum(value: &Piece<'_>, added: i64) -> Result<Piece<'static>, EvalError> {
    let number = match value {
        Piece::Number(number) | Piece::Json(number) => number.parse::<i64>().ok(),
        Piece::Absent => return Err(EvalError { message: "adds to a value that is missing".into(), absent: true }),
        _ => None,
    };
    let sum = number.and_then(|number| number.checked_add(added));
    sum.map(|sum| Piece::number(&sum)).ok_or_else(|| EvalError::new("adds to something that is not a whole number"))
}

/// The filters whose arguments say how much they make.
const GROWING: &[&str] = &["batch", "indent", "join", "map", "replace", "slice"];

/// The first filter that can make much and whose arguments hold more than constants.
fn growing_filter(tokens: &[Token]) -> Option<&'static str> {
    tokens.iter().enumerate().find_map(|(index, token)| {
        let Token::Name(name) = token else { return None };
        let filter = GROWING.iter().find(|filter| *filter == name)?;
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        if before != Some(&Token::Sign('|')) || tokens.get(index + 1) != Some(&Token::Sign('(')) {
            return None;
        }
        let mut depth = 0usize;
        let arguments = tokens.iter().enumerate().skip(index + 1).take_while(|(_, token)| {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0
        });
        let mut names = arguments.filter_map(|(index, token)| match token {
            Token::Name(name) => Some((index, name)),
            _ => None,
        });
        names.any(|(index, name)| !lexer::is_keyword(name) && !is_argument_name(tokens, index)).then_some(*filter)
    })
}

fn is_function(name: &str) -> bool {
    matches!(name, "range" | "dict")
}

/// Checks every name, filter and test, and collects the values used.
fn check_names(source: &str, tokens: &[Token], locals: &[String]) -> Result<Vec<Path>, Mistake> {
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
                    let help = "there are `range` and `dict`; most things are filters: `value | name`";
                    return Err(Mistake::new(format!("unknown function `{name}`"), help));
                }
            }
            _ => {
                let read = read_path(tokens, index, locals);
                let open_name = matches!(&read, Ok((Path { variable: Variable::Header(_) | Variable::Signature(_), .. }, _)));
                let last = if open_name || read.is_err() { hyphen::last_name(tokens, index, read.is_err()) } else { None };
                if let Some(mistake) = last.and_then(|last| hyphen::mistake(source, last)) {
                    return Err(mistake);
                }
                let (path, taken) = read?;
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

fn check_filter(name: &str) -> Result<(), Mistake> {
    let known: Vec<&str> = jinja::filter_names().collect();
    if known.contains(&name) {
        return Ok(());
    }
    Err(Mistake::new(format!("unknown filter `{name}`"), suggestion(name, &known)))
}

fn check_test(name: &str) -> Result<(), Mistake> {
    if jinja::has_test(name) {
        return Ok(());
    }
    let known = ["defined", "none", "string", "number", "true", "false"];
    Err(Mistake::new(format!("unknown test `is {name}`"), suggestion(name, &known)))
}

/// Reads the path that starts at `start`. Returns it and the number of its tokens.
pub(crate) fn read_path(tokens: &[Token], start: usize, locals: &[String]) -> Result<(Path, usize), Mistake> {
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
    let chain: Vec<&str> = segments.iter().map_while(|(segment, _)| segment.key()).collect();
    let (variable, used) = variables::resolve(&chain, locals)?;
    let inside: Vec<Segment> = segments.iter().skip(used).map(|(segment, _)| segment.clone()).collect();
    if let (Some(segment), false) = (inside.first(), variable.has_inside()) {
        let name = match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        };
        let whole = chain.get(..used).unwrap_or_default().join(".");
        let message = format!("`{whole}` has nothing inside, so no `{name}`");
        return Err(Mistake::new(message, "only `event.data`, `event.fields` and loop variables have fields"));
    }
    Ok((Path { variable, inside }, index - start))
}

/// How to evaluate a path that is followed by our own filters and nothing else.
fn direct(tokens: &[Token], locals: &[String]) -> Option<Result<Evaluation, String>> {
    let Some(Token::Name(first)) = tokens.first() else { return None };
    if lexer::is_keyword(first) || tokens.get(1) == Some(&Token::Sign('(')) {
        return None;
    }
    let (path, mut index) = read_path(tokens, 0, locals).ok()?;
    let mut filters: Vec<Filter> = Vec::new();
    while index < tokens.len() {
        if let Some(evaluation) = ending(tokens.get(index..).unwrap_or_default(), &path, &filters) {
            return Some(Ok(evaluation));
        }
        let (Some(Token::Sign('|')), Some(Token::Name(name))) = (tokens.get(index), tokens.get(index + 1)) else { return None };
        let name = FilterName::parse(name)?;
        index += 2;
        if tokens.get(index) != Some(&Token::Sign('(')) {
            filters.push(Filter::from(name));
            continue;
        }
        let close = tokens.iter().skip(index).position(|token| *token == Token::Sign(')'))?;
        let arguments = tokens.get(index + 1..index + close)?;
        index += close + 1;
        if name != FilterName::Rfc3339 {
            return None;
        }
        match time_format(arguments) {
            Ok(format) => filters.push(Filter { name, format }),
            Err(message) => return Some(Err(message)),
        }
    }
    Some(Ok(Evaluation::Direct(path, filters)))
}

/// The endings that are worth evaluating without the library: `… + 300`, and `is defined`.
fn ending(rest: &[Token], path: &Path, filters: &[Filter]) -> Option<Evaluation> {
    let is = |token: &Token, word: &str| matches!(token, Token::Name(name) if name == word);
    match rest {
        // A value of `event.data` may be a fraction; the library can add to those.
        [Token::Sign('+'), Token::Number(number)] if !filters.is_empty() => {
            Some(Evaluation::Sum(path.clone(), filters.to_vec(), number.parse().ok()?))
        }
        [first, second] if filters.is_empty() && is(first, "is") && is(second, "defined") => {
            Some(Evaluation::Defined(path.clone(), true))
        }
        [first, not, second] if filters.is_empty() && is(first, "is") && is(not, "not") && is(second, "defined") => {
            Some(Evaluation::Defined(path.clone(), false))
        }
        _ => None,
    }
}

/// The arguments of `rfc3339`, which must be constants.
fn time_format(arguments: &[Token]) -> Result<TimeFormat, String> {
    let (mut digits, mut zone) = (None, None);
    for argument in arguments.split(|token| *token == Token::Sign(',')) {
        match argument {
            [Token::Name(name), Token::Sign('='), Token::Number(number)] if name == "digits" => digits = Some(number.as_str()),
            [Token::Name(name), Token::Sign('='), Token::Text(text)] if name == "zone" => zone = Some(text.as_str()),
            [] => {}
            _ => return Err("`rfc3339` takes `digits=0`, `3` or `6` and `zone='Z'` or `'offset'`".into()),
        }
    }
    TimeFormat::read(digits, zone)
}
