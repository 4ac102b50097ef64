//! JSON trees with expressions in them: the body, the claims of a token, constants of an event.
//!
//! A leaf that is exactly one `{{ expression }}` keeps the type of its value; text around it makes a string. Keys that start
//! with `$` are directives.

mod read;
mod render;

use crate::diagnostic::At;
use crate::expression::Expression;
use crate::grammar::{Definition, Shape};
use crate::path::Path;
use crate::template::{TEMPLATE, Template};
use crate::variables::{Builtin, Variable};

pub(crate) use read::read_pairs;

/// The value of a key that holds a tree.
pub(crate) const TREE: Shape = Shape::Named(&Definition {
    name: "tree",
    about: "Any value; a text that is exactly one {{ expression }} keeps the type of its value.",
    shape: Shape::Any,
    examples: &[],
});
/// The value of a key that holds names with templates.
pub(crate) const PAIRS: Shape = Shape::MapOf(&TEMPLATE);

/// A tree, compiled.
#[derive(Debug)]
pub(crate) enum Tree {
    /// JSON text that never changes.
    Constant(String),
    Value(Expression),
    Text(Template),
    Object(Vec<Member>),
    List(Vec<Tree>),
    When(Box<When>),
    Each(Box<Each>),
    Let(Box<Let>),
}

/// A member of an object.
#[derive(Debug)]
pub(crate) enum Member {
    Field {
        name: String,
        encoded: String,
        optional: bool,
        value: Tree,
    },
    /// The members of another object, merged in here.
    Merge(Expression),
}

/// `$when`: a value that is there only if a condition holds.
#[derive(Debug)]
pub(crate) struct When {
    condition: Expression,
    then: Tree,
    otherwise: Option<Tree>,
}

/// `$let`: a value in which other values have names.
#[derive(Debug)]
pub(crate) struct Let {
    /// Each value knows the names before it.
    names: Vec<(String, Expression)>,
    then: Tree,
}

/// `$each`: a value for each item of a list.
#[derive(Debug)]
pub(crate) struct Each {
    list: Expression,
    name: String,
    then: Tree,
}

impl Tree {
    /// The members, when the tree is an object.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, bool, &Tree)> {
        let members: &[Member] = if let Self::Object(members) = self { members } else { &[] };
        members.iter().filter_map(|member| match member {
            Member::Field { name, optional, value, .. } => Some((name.as_str(), *optional, value)),
            Member::Merge(_) => None,
        })
    }

    /// Every expression of the tree.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.visit(&mut |expression| found.push(expression));
        found
    }

    /// The names that `$let` gives before anything else is decided, with their values.
    pub(crate) fn first_names(&self) -> impl Iterator<Item = (&str, &Expression)> {
        let mut tree = self;
        let lists = std::iter::from_fn(move || {
            let Self::Let(named) = tree else { return None };
            tree = &named.then;
            Some(&named.names)
        });
        lists.flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether it is a value of the event's data as it stands.
    pub(crate) fn is_of_data(&self) -> bool {
        let Self::Value(expression) = self else { return false };
        expression.path().is_some_and(|path| path.variable == Variable::Builtin(Builtin::EventData))
    }

    /// Shows every expression of the tree.
    pub(crate) fn visit<'t>(&'t self, visitor: &mut dyn FnMut(&'t Expression)) {
        match self {
            Self::Constant(_) => {}
            Self::Value(expression) => visitor(expression),
            Self::Text(template) => template.expressions().for_each(visitor),
            Self::List(items) => items.iter().for_each(|item| item.visit(visitor)),
            Self::Object(members) => {
                for member in members {
                    match member {
                        Member::Field { value, .. } => value.visit(visitor),
                        Member::Merge(expression) => visitor(expression),
                    }
                }
            }
            Self::When(when) => {
                visitor(&when.condition);
                when.then.visit(visitor);
                if let Some(otherwise) = &when.otherwise {
                    otherwise.visit(visitor);
                }
            }
            Self::Each(each) => {
                visitor(&each.list);
                each.then.visit(visitor);
            }
            Self::Let(named) => {
                named.names.iter().for_each(|(_, value)| visitor(value));
                named.then.visit(visitor);
            }
        }
    }
}

impl Tree {
    /// Shows every name that `$let` gives, with its value, the outer ones first.
    pub(crate) fn visit_names<'t>(&'t self, visitor: &mut dyn FnMut(&'t str, &'t Expression)) {
        match self {
            Self::Constant(_) | Self::Value(_) | Self::Text(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.visit_names(visitor)),
            Self::Object(members) => {
                for member in members {
                    if let Member::Field { value, .. } = member {
                        value.visit_names(visitor);
                    }
                }
            }
            Self::When(when) => {
                when.then.visit_names(visitor);
                if let Some(otherwise) = &when.otherwise {
                    otherwise.visit_names(visitor);
                }
            }
            Self::Each(each) => each.then.visit_names(visitor),
            Self::Let(named) => {
                named.names.iter().for_each(|(name, value)| visitor(name, value));
                named.then.visit_names(visitor);
            }
        }
    }
}

/// How a loop can make far more than it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// It stands in another loop, and goes through a list that is not of the outer item.
    Product,
    /// It repeats all of the event's data.
    Whole,
}

impl Tree {
    /// Shows the expressions by which loops grow. `loops` is how many stand around this tree.
    pub(crate) fn visit_growth(&self, loops: usize, visitor: &mut dyn FnMut(&Expression, Growth)) {
        let whole = |expression: &Expression| {
            let is_whole = |path: &Path| path.inside.is_empty() && path.variable == Variable::Builtin(Builtin::EventData);
            loops > 0 && expression.paths.iter().any(is_whole)
        };
        match self {
            Self::Value(expression) if whole(expression) => visitor(expression, Growth::Whole),
            Self::Constant(_) | Self::Value(_) => {}
            Self::Text(template) => {
                template.expressions().filter(|expression| whole(expression)).for_each(|found| visitor(found, Growth::Whole));
            }
            Self::Object(members) => {
                for member in members {
                    match member {
                        Member::Field { value, .. } => value.visit_growth(loops, visitor),
                        Member::Merge(expression) if whole(expression) => visitor(expression, Growth::Whole),
                        Member::Merge(_) => {}
                    }
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.visit_growth(loops, visitor)),
            Self::When(when) => {
                when.then.visit_growth(loops, visitor);
                if let Some(otherwise) = &when.otherwise {
                    otherwise.visit_growth(loops, visitor);
                }
            }
            Self::Each(each) => {
                if loops > 0 && !each.list.uses(|variable| matches!(variable, Variable::Local(_))) {
                    visitor(&each.list, Growth::Product);
                }
                each.then.visit_growth(loops + 1, visitor);
            }
            Self::Let(named) => {
                let values = named.names.iter().map(|(_, value)| value);
                values.filter(|value| whole(value)).for_each(|value| visitor(value, Growth::Whole));
                named.then.visit_growth(loops, visitor);
            }
        }
    }
}

/// The place of a tree's first expression, for messages.
pub(crate) fn first_place(tree: &Tree) -> Option<At> {
    let mut place = None;
    tree.visit(&mut |expression| place = place.or(Some(expression.at)));
    place
}
