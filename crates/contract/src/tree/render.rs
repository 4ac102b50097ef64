//! Renders trees as compact JSON.

use super::{Each, Let, Member, Tree, When};
use crate::diagnostic::At;
use crate::expression::Expression;
use crate::failure::Failure;
use crate::json;
use crate::piece::{EvalError, Piece};
use crate::variables::{Local, Scope};

/// What stands around the name and the value of a member, in bytes.
const MEMBER_BYTES: usize = 8;
/// What it costs to go on to the next item of a list, in steps.
const ITEM_STEPS: usize = 64;

impl Tree {
    /// Appends the tree as JSON. Returns `false` when a `$when` does not hold, so that there is no value.
    pub(crate) fn render(&self, scope: Scope<'_>, out: &mut String) -> Result<bool, Failure> {
        match self {
            Self::Constant(json) => {
                charge(scope, json.len())?;
                out.push_str(json);
            }
            Self::Value(expression) => {
                let value = expression.evaluate(scope).map_err(|error| Failure::of(expression, error))?;
                write(&value, expression, scope, out)?;
            }
            Self::Text(template) => {
                let text = Piece::Text(template.render_text(scope)?.into());
                let written = text.write_json_charged(out, scope.meter());
                written.map_err(|error| Failure::new(template.at, error.message))?;
            }
            Self::Object(members) => render_object(members, scope, out)?,
            Self::List(items) => {
                out.push('[');
                let mut first = true;
                for (index, item) in items.iter().enumerate() {
                    item.render_items(scope, out, &mut first).map_err(|failure| failure.inside(format!("[{index}]")))?;
                }
                out.push(']');
            }
            Self::When(when) => return when.chosen(scope)?.map_or(Ok(false), |tree| tree.render(scope, out)),
            Self::Each(each) => {
                out.push('[');
                each.render_items(scope, out, &mut true)?;
                out.push(']');
            }
            Self::Let(named) => return named.inside(scope, |then, scope| then.render(scope, out)),
        }
        Ok(true)
    }

    /// The same, where the values of some of its [first names](Tree::first_names) are known.
    pub(crate) fn render_knowing(
        &self,
        known: &[Option<Piece<'static>>],
        scope: Scope<'_>,
        out: &mut String,
    ) -> Result<bool, Failure> {
        let Self::Let(named) = self else { return self.render(scope, out) };
        with_names(&named.names, known, scope, |scope| {
            let inner = known.get(named.names.len()..).unwrap_or_default();
            named.then.render_knowing(inner, scope, out)
        })
    }

    /// Appends the items that this tree adds to the list around it.
    fn render_items(&self, scope: Scope<'_>, out: &mut String, first: &mut bool) -> Result<(), Failure> {
        match self {
            Self::Each(each) => return each.render_items(scope, out, first),
            Self::When(when) => return when.chosen(scope)?.map_or(Ok(()), |tree| tree.render_items(scope, out, first)),
            Self::Let(named) => return named.inside(scope, |then, scope| then.render_items(scope, out, first)),
            Self::Constant(_) | Self::Value(_) | Self::Text(_) | Self::Object(_) | Self::List(_) => {}
        }
        let start = out.len();
        if !*first {
            out.push(',');
        }
        if self.render(scope, out)? {
            *first = false;
        } else {
            out.truncate(start);
        }
        Ok(())
    }
}

impl When {
    /// What it stands for; `None`: nothing.
    fn chosen(&self, scope: Scope<'_>) -> Result<Option<&Tree>, Failure> {
        let holds = match self.condition.evaluate(scope) {
            Ok(value) => value.is_true(),
            Err(error) if error.absent => false,
            Err(error) => return Err(Failure::of(&self.condition, error).inside("$when")),
        };
        Ok(if holds { Some(&self.then) } else { self.otherwise.as_ref() })
    }
}

impl Let {
    /// Renders what it stands around.
    fn inside<T>(&self, scope: Scope<'_>, render: impl FnOnce(&Tree, Scope<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        with_names(&self.names, &[], scope, |scope| render(&self.then, scope))
    }
}

/// Gives names to values, one after the other; those that are known are not worked out. A value that is not there gives its name none.
fn with_names<T>(
    names: &[(String, Expression)],
    known: &[Option<Piece<'static>>],
    scope: Scope<'_>,
    render: impl FnOnce(Scope<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(((name, expression), rest)) = names.split_first() else { return render(scope) };
    let (known, others) = known.split_first().map_or((None, known), |(first, others)| (first.as_ref(), others));
    let value = match known {
        Some(known) => known.borrowed(),
        None => match expression.evaluate(scope) {
            Err(error) if error.absent => Piece::Absent,
            other => other.map_err(|error| Failure::of(expression, error).inside(format!("$let.{name}")))?,
        },
    };
    let local = Local { name, value: value.borrowed(), outer: scope.locals };
    with_names(rest, others, Scope { values: scope.values, locals: Some(&local) }, render)
}

impl Each {
    fn render_items(&self, scope: Scope<'_>, out: &mut String, first: &mut bool) -> Result<(), Failure> {
        let list = self.list.evaluate(scope).map_err(|error| Failure::of(&self.list, error).inside("$each"))?;
        let raw = match &list {
            Piece::Json(raw) if raw.trim_start().starts_with('[') => raw.as_ref(),
            Piece::Absent | Piece::Null => return Ok(()),
            _ if list.is_missing() => return Ok(()),
            _ => {
                let error = EvalError::new("is not a list");
                return Err(Failure::unnamed(&self.list, &error).inside("$each"));
            }
        };
        for (index, item) in json::elements(raw).enumerate() {
            let charged = scope.meter().step(ITEM_STEPS + item.len());
            charged.map_err(|error| Failure::unnamed(&self.list, &error).inside("$each"))?;
            let index_local = Local { name: "index", value: Piece::number(&index), outer: scope.locals };
            let item_local = Local { name: &self.name, value: Piece::Json(item.into()), outer: Some(&index_local) };
            let inner = Scope { values: scope.values, locals: Some(&item_local) };
            self.then.render_items(inner, out, first)?;
        }
        Ok(())
    }
}

/// Appends an expression's value.
fn write(value: &Piece<'_>, expression: &Expression, scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
    value.write_json_charged(out, scope.meter()).map_err(|error| Failure::unnamed(expression, &error))
}

/// Charges what the contract itself is about to add.
fn charge(scope: Scope<'_>, bytes: usize) -> Result<(), Failure> {
    scope.meter().make(bytes).map_err(|error| Failure::new(At::default(), error.message))
}

fn render_object(members: &[Member], scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
    out.push('{');
    let start = out.len();
    for member in members {
        let before = out.len();
        if before > start {
            out.push(',');
        }
        match member {
            Member::Merge(expression) => {
                let empty = out.len();
                merge(expression, members, scope, out).map_err(|failure| failure.inside("$merge"))?;
                if out.len() == empty {
                    out.truncate(before);
                }
            }
            Member::Field { name, encoded, optional, value } => {
                charge(scope, encoded.len() + MEMBER_BYTES)?;
                out.push_str(encoded);
                out.push(':');
                if !render_field(value, *optional, scope, out).map_err(|failure| failure.inside(name.clone()))? {
                    out.truncate(before);
                }
            }
        }
    }
    out.push('}');
    Ok(())
}

/// Appends a field's value. Returns `false` when the field is left out.
fn render_field(value: &Tree, optional: bool, scope: Scope<'_>, out: &mut String) -> Result<bool, Failure> {
    let start = out.len();
    match value {
        Tree::Value(expression) if optional => {
            let value = match expression.evaluate(scope) {
                Ok(value) if value.is_missing() || matches!(&value, Piece::Json(raw) if is_empty(raw)) => return Ok(false),
                Err(error) if error.absent => return Ok(false),
                other => other.map_err(|error| Failure::of(expression, error))?,
            };
            write(&value, expression, scope, out)?;
            Ok(true)
        }
        Tree::Text(_) if optional => match value.render(scope, out) {
            Err(failure) if failure.absent => Ok(false),
            other => other,
        },
        _ => {
            let there = value.render(scope, out)?;
            Ok(there && !(optional && out.get(start..).is_some_and(is_empty)))
        }
    }
}

/// Whether JSON is a list or mapping that has nothing in it.
fn is_empty(raw: &str) -> bool {
    let raw = raw.trim();
    let inside = |open, close| raw.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    inside('[', ']').or_else(|| inside('{', '}')).is_some_and(|inside| inside.trim().is_empty())
}

/// Appends the members of an object but those whose names the mapping around it has itself: no name stands in it twice.
fn merge(expression: &Expression, around: &[Member], scope: Scope<'_>, out: &mut String) -> Result<(), Failure> {
    let value = expression.evaluate(scope).map_err(|error| Failure::of(expression, error))?;
    let Piece::Json(raw) = &value else {
        if value.is_missing() {
            return Ok(());
        }
        return Err(Failure::unnamed(expression, &EvalError::new("is not an object")));
    };
    if !raw.trim_start().starts_with('{') {
        return Err(Failure::unnamed(expression, &EvalError::new("is not an object")));
    }
    let is_own = |key: &str| around.iter().any(|member| matches!(member, Member::Field { name, .. } if name == key));
    let start = out.len();
    for (key, value) in json::members(raw) {
        scope.meter().step(around.len()).map_err(|error| Failure::unnamed(expression, &error))?;
        if is_own(&key) {
            continue;
        }
        charge(scope, key.len().saturating_mul(json::ESCAPED_BYTES_MAX) + value.len() + MEMBER_BYTES)?;
        if out.len() > start {
            out.push(',');
        }
        json::write_string(out, &key);
        out.push(':');
        out.push_str(value);
    }
    Ok(())
}
