//! The ten questions: what is asked, which flag answers it, and how an answer is taken.

use std::io::{BufRead, Read as _, Write};

use anyhow::{Context, bail};
use bellwire_contract::Contract;

use super::answers::{Answers, Body, Registers, Scheme, SecretFrom, Time};
use super::file;

/// The longest answer, in bytes.
const ANSWER_LENGTH_MAX: u64 = 16 * 1024;

/// A question, or a setting that only a flag changes.
pub(super) struct Question {
    /// The flag that answers it, without its dashes.
    pub(super) flag: &'static str,
    asks: &'static str,
    help: &'static str,
    choices: &'static [&'static str],
    default: fn(&Answers) -> String,
    set: fn(&mut Answers, &str) -> Result<(), String>,
}

/// What is asked, in the order of the ten steps of the page about the language.
pub(super) const QUESTIONS: [Question; 10] = [
    Question {
        flag: "name",
        asks: "Short name",
        help: "what programs call the platform: lower-case letters, digits, `-`, `.` and `_`",
        choices: &[],
        default: |answers| answers.name.clone(),
        set: |answers, text| {
            text.clone_into(&mut answers.name);
            Ok(())
        },
    },
    Question {
        flag: "title",
        asks: "Title",
        help: "what people call it",
        choices: &[],
        default: Answers::title,
        set: Answers::set_title,
    },
    Question {
        flag: "event",
        asks: "Events",
        help: "the exact names that programs see, with commas between them, or `any`",
        choices: &[],
        default: Answers::events_text,
        set: Answers::set_events,
    },
    Question {
        flag: "body",
        asks: "Form of the body",
        help: "id, type and time around the data; the data alone; its members beside them; a list of one; or form-encoded pairs",
        choices: Body::WORDS,
        default: |answers| answers.body.to_string(),
        set: |answers, text| take(&mut answers.body, text),
    },
    Question {
        flag: "time",
        asks: "Form of times",
        help: "2024-05-02T17:17:57.000Z, seconds since 1970, or milliseconds",
        choices: Time::WORDS,
        default: |answers| answers.time.to_string(),
        set: |answers, text| take(&mut answers.time, text),
    },
    Question {
        flag: "header-prefix",
        asks: "Headers start with",
        help: "the platform's own headers are named like this: x-acme-event, x-acme-id",
        choices: &[],
        default: Answers::header_prefix,
        set: Answers::set_header_prefix,
    },
    Question {
        flag: "signature",
        asks: "Signature",
        help: "how a receiver knows that a request is genuine; stripe-like is one header with t= and v1=, token sends the secret itself",
        choices: Scheme::WORDS,
        default: |answers| answers.signature.to_string(),
        set: |answers, text| take(&mut answers.signature, text),
    },
    Question {
        flag: "register",
        asks: "Who registers endpoints",
        help: "customers themselves, or you alone",
        choices: Registers::WORDS,
        default: |answers| answers.register.to_string(),
        set: |answers, text| take(&mut answers.register, text),
    },
    Question {
        flag: "secret",
        asks: "Where secrets come from",
        help: "drawn for each endpoint, chosen by the customer for each, or one for each account",
        choices: SecretFrom::WORDS,
        default: |answers| answers.secret.to_string(),
        set: |answers, text| take(&mut answers.secret, text),
    },
    Question {
        flag: "retry",
        asks: "Retries",
        help: "none, ten within a day, ten within 3-days, or the delays themselves, such as 1m,5m,30m,2h",
        choices: &[],
        default: |answers| answers.retry.clone(),
        set: |answers, text| take_plain(&mut answers.retry, text, b" ,."),
    },
];

/// What is not asked, as the usual is nearly always right.
pub(super) const SETTINGS: [Question; 2] = [
    Question {
        flag: "success",
        asks: "Success",
        help: "the statuses that count as received",
        choices: &[],
        default: |answers| answers.success.clone(),
        set: |answers, text| take_plain(&mut answers.success, text, b" ,-[]"),
    },
    Question {
        flag: "timeout",
        asks: "Timeout",
        help: "the deadline of one attempt",
        choices: &[],
        default: |answers| answers.timeout.clone(),
        set: |answers, text| take_plain(&mut answers.timeout, text, b""),
    },
];

/// Takes one of an enum's words.
fn take<W: std::str::FromStr<Err = bellwire_domain::UnknownWord>>(place: &mut W, text: &str) -> Result<(), String> {
    *place = text.parse().map_err(|unknown: bellwire_domain::UnknownWord| unknown.to_string())?;
    Ok(())
}

/// Takes letters, digits and what else is allowed: what is written into the file as it is must not end its line.
fn take_plain(place: &mut String, text: &str, allowed: &[u8]) -> Result<(), String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !u8::try_from(*c).is_ok_and(|byte| allowed.contains(&byte))) {
        Some(character) => Err(format!("`{}` has no meaning here", character.escape_debug())),
        None if text.is_empty() => Err("write a value".to_owned()),
        None => {
            text.clone_into(place);
            Ok(())
        }
    }
}

impl Question {
    /// Takes an answer, if a contract with it compiles. On an error, `answers` are as before.
    pub(super) fn answer(&self, answers: &mut Answers, text: &str) -> Result<(), String> {
        let mut changed = answers.clone();
        (self.set)(&mut changed, text.trim())?;
        if let Err(error) = Contract::compile(&file::write(&changed), "contract") {
            // The place is one in a file that nobody has seen.
            let first = error.diagnostics.into_iter().next();
            return Err(first.map_or_else(
                || "no contract can be made with this".to_owned(),
                |first| if first.help.is_empty() { first.message } else { format!("{}; {}", first.message, first.help) },
            ));
        }
        *answers = changed;
        Ok(())
    }

    /// Asks until there is an answer that can be taken. An empty line takes the default.
    pub(super) fn ask(&self, answers: &mut Answers, input: &mut dyn BufRead, output: &mut dyn Write) -> anyhow::Result<()> {
        let choices = if self.choices.is_empty() { String::new() } else { format!(" ({})", self.choices.join(", ")) };
        writeln!(output, "\n{}{choices}\n  {}", self.asks, self.help)?;
        loop {
            let default = (self.default)(answers);
            write!(output, "  --{} [{default}]: ", self.flag)?;
            output.flush()?;
            let line = read_line(input)?;
            let line = line.trim();
            match self.answer(answers, if line.is_empty() { &default } else { line }) {
                Ok(()) => return Ok(()),
                Err(reason) => writeln!(output, "  {reason}")?,
            }
        }
    }
}

fn read_line(input: &mut dyn BufRead) -> anyhow::Result<String> {
    let mut line = Vec::new();
    input.take(ANSWER_LENGTH_MAX).read_until(b'\n', &mut line).context("the answer cannot be read")?;
    if line.is_empty() {
        bail!("the answers ended before the questions; nothing is written");
    }
    if !line.ends_with(b"\n") && line.len() as u64 == ANSWER_LENGTH_MAX {
        bail!("an answer has at most {ANSWER_LENGTH_MAX} bytes; nothing is written");
    }
    String::from_utf8(line).context("the answer is not UTF-8; nothing is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(flag: &str) -> &'static Question {
        const ALL: [&[Question]; 2] = [&QUESTIONS, &SETTINGS];
        ALL.into_iter().flatten().find(|question| question.flag == flag).unwrap()
    }

    /// What `flag` is after the lines were read, and what was shown meanwhile.
    fn interview(flag: &str, lines: &str) -> (anyhow::Result<String>, String) {
        let (mut answers, mut shown) = (Answers::default(), Vec::new());
        let asked = question(flag).ask(&mut answers, &mut lines.as_bytes(), &mut shown);
        (asked.map(|()| (question(flag).default)(&answers)), String::from_utf8(shown).unwrap())
    }

    #[test]
    fn an_empty_line_takes_the_default_that_is_shown() {
        for question in QUESTIONS.iter().chain(&SETTINGS) {
            let default = (question.default)(&Answers::default());
            let (answer, shown) = interview(question.flag, "\n");
            assert_eq!(answer.unwrap(), default);
            assert!(shown.contains(&format!("--{} [{default}]: ", question.flag)), "{shown}");
        }
    }

    #[test]
    fn a_wrong_answer_is_asked_again() {
        let (answer, shown) = interview("signature", "md5\nstripe-like\n");
        assert_eq!(answer.unwrap(), "stripe-like");
        assert!(shown.contains("`md5` is not one of") && shown.matches("--signature [").count() == 2, "{shown}");
        let (answer, _) = interview("name", "Not A Name\nacme-2\n");
        assert_eq!(answer.unwrap(), "acme-2");
    }

    #[test]
    fn answers_that_end_or_never_end_are_errors() {
        assert!(interview("name", "").0.unwrap_err().to_string().contains("ended"));
        assert!(interview("name", "Wrong\n").0.is_err());
        assert!(interview("title", &"x".repeat(20_000)).0.unwrap_err().to_string().contains("at most"));
    }

    #[test]
    fn what_no_contract_can_hold_is_refused() {
        for (flag, texts) in [
            ("name", &["", "A", "a b", "-a", "a/b", "a\"b"][..]),
            ("title", &["", "a\u{200b}b", "a\u{1b}[0m"][..]),
            ("event", &["", "a,", "a b", "a,a", "a'b", "é"][..]),
            ("retry", &["", "often", "1m,x", "0", "1m]", "}", "1m\n5m"][..]),
            ("success", &["", "ok", "99", "2xx }", "700"][..]),
            ("timeout", &["", "10", "6m", "0s", "1s, success: any", "1s\n\nx: y"][..]),
        ] {
            for text in texts {
                let mut answers = Answers::default();
                assert!(question(flag).answer(&mut answers, text).is_err(), "--{flag} {text:?}");
            }
        }
    }

    #[test]
    fn odd_answers_that_can_be_held_are_taken_as_they_are() {
        for (flag, text) in [
            ("name", "123"),
            ("name", "true"),
            ("name", "1.10"),
            ("title", "A: \"b\" # {{ c }} \\ 'd' é"),
            ("title", "null"),
            ("event", "a:b,#c,{{x}},*,-,a\\b,!x,&y,*z,true,12"),
            ("retry", "10s, 5m"),
            ("success", "200-399"),
            ("success", "[200, 202]"),
            ("success", "any"),
            ("timeout", "1500ms"),
        ] {
            let mut answers = Answers::default();
            question(flag).answer(&mut answers, text).unwrap_or_else(|reason| panic!("--{flag} {text}: {reason}"));
            let contract = Contract::compile(&file::write(&answers), "contract").unwrap();
            match flag {
                "name" => assert_eq!(contract.name(), text),
                "title" => assert_eq!(contract.title(), text),
                _ => {}
            }
        }
    }
}
