//! The keys of a configuration file: the flags of `serve`, as clap knows them.

use std::any::TypeId;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::cli::{Cli, KeyRate};

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Number,
    Text,
    /// Texts: the flag may be given several times.
    List,
}

impl Kind {
    /// What to call it in a message, and in the reference.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "a list of strings",
        }
    }
}

/// A flag of `serve` that a file may set.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Clap's name of the flag: with `_`.
    pub(super) id: String,
    /// The flag without its dashes: with `-`.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Whether it is nobody else's business what it is.
    pub(super) is_secret: bool,
    /// The variable that says the same.
    pub(super) variable: String,
    /// What to write for its value in help.
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference shows it"))]
    pub(super) value_name: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference shows it"))]
    pub(super) default: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the reference shows it"))]
    pub(super) help: String,
}

/// `bellwire serve`.
pub(super) fn serve() -> Command {
    Cli::command().find_subcommand("serve").cloned().unwrap_or_default()
}

/// All keys, in the order of the help.
pub(super) fn all() -> Vec<Key> {
    serve().get_arguments().filter(|argument| is_key(argument)).filter_map(key).collect()
}

/// What names the file cannot stand in it, and what a flag was called before has no place in something new.
fn is_key(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "config" | "help")
}

fn key(argument: &Arg) -> Option<Key> {
    let texts = |values: Vec<String>| Some(values.join(",")).filter(|text| !text.is_empty());
    let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    Some(Key {
        id: argument.get_id().to_string(),
        name: argument.get_long()?.to_owned(),
        kind: kind(argument),
        // The password in a database's URL is masked by itself, and the rest is no secret.
        is_secret: argument.is_hide_env_values_set() && argument.get_id() != "database",
        variable: argument.get_env()?.to_string_lossy().into_owned(),
        value_name: argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string),
        default: texts(defaults),
        help: argument.get_help().map(ToString::to_string).unwrap_or_default(),
    })
}

fn kind(argument: &Arg) -> Kind {
    let value = argument.get_value_parser().type_id();
    let numbers = [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<KeyRate>()];
    match argument.get_action() {
        ArgAction::SetTrue => Kind::Switch,
        ArgAction::Append => Kind::List,
        _ if numbers.iter().any(|number| value == *number) => Kind::Number,
        _ => Kind::Text,
    }
}

/// The flags that cannot be given beside this one.
pub(super) fn conflicts(command: &Command, id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for argument in command.get_arguments() {
        let others = command.get_arg_conflicts_with(argument);
        let others = others.into_iter().map(Arg::get_id);
        for other in others {
            if argument.get_id() == id {
                found.push(other.to_string());
            } else if other == id {
                found.push(argument.get_id().to_string());
            }
        }
    }
    found
}
