//! `bellwire contract new`: a first contract from ten answers.

mod answers;
mod file;
mod questions;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::bail;
use bellwire_contract::Contract;

use super::output::Output;
use crate::cli::NewArguments;
use crate::telemetry;
use answers::{Answers, Scheme};
use questions::{QUESTIONS, SETTINGS};

/// Asks what no flag answers, if somebody is there to be asked, and writes the contract.
pub(super) fn run(arguments: &NewArguments) -> anyhow::Result<()> {
    let output = Output::open(arguments.file.as_deref(), arguments.force)?;
    let mut answers = Answers::default();
    if let Some(name) = output.file().and_then(Path::file_stem).and_then(|stem| stem.to_str())
        && let [question, ..] = &QUESTIONS
    {
        // A name that a contract cannot have is no reason to refuse the file.
        let _ = question.answer(&mut answers, name);
    }
    let flags = arguments.answers();
    let mut is_open = Vec::new();
    for question in QUESTIONS.iter().chain(&SETTINGS) {
        match flags.iter().find(|(flag, _)| *flag == question.flag) {
            Some((flag, Some(text))) => {
                if let Err(reason) = question.answer(&mut answers, text) {
                    bail!("--{flag}: {reason}");
                }
            }
            _ => is_open.push(question.flag),
        }
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let (mut input, mut prompt) = (stdin.lock(), std::io::stderr());
        for question in QUESTIONS.iter().filter(|question| is_open.contains(&question.flag)) {
            if question.flag == "secret" && answers.signature == Scheme::None {
                continue;
            }
            question.ask(&mut answers, &mut input, &mut prompt)?;
        }
        let _ = writeln!(prompt);
    }
    let text = file::write(&answers);
    Contract::compile(&text, "contract")?;
    output.write(&text)?;
    let event = answers.events.first().map_or("test.ping", String::as_str);
    let code = if answers.signature == Scheme::None { None } else { Some("what a receiver verifies it with") };
    telemetry::say(&next_steps(output.file(), event, code));
    Ok(())
}

/// What to do with a new contract. `code` says what code for receivers is, if there can be any.
pub(super) fn next_steps(file: Option<&Path>, event: &str, code: Option<&str>) -> String {
    let file = file.map_or_else(|| "FILE".to_owned(), |file| file.display().to_string());
    let code = code.map_or_else(String::new, |code| format!("\n  bellwire contract code {file} --language python   # {code}"));
    format!(
        "This is a first contract. Next:\n\
         \x20 bellwire contract check {file}\n\
         \x20 bellwire contract render {file} --event '{event}'   # compare it with the platform's document{code}"
    )
}
