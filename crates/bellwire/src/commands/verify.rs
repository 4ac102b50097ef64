//! `bellwire verify`: verifies one captured request as its receiver would.

mod head;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bellwire_contract::{CapturedRequest, Verdict};
use bellwire_domain::{Clock, Timestamp};

use crate::cli::VerifyArguments;
use crate::consumer::Consumer;
use crate::environment::SystemClock;
use crate::telemetry;
use head::Head;

/// The most bytes of a captured request.
const CAPTURE_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// The exit code when there is nothing to judge.
const NOTHING_TO_JUDGE: u8 = 2;

/// Prints the verdict. Exit code 0: genuine; 1: not genuine; 2: unsigned.
pub(crate) fn run(arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let consumer = Consumer::new(&arguments.consumer.contract, &arguments.consumer.known)?;
    let capture = read_input()?;
    let head = Head::parse(&capture)?;
    let body = match (&arguments.body, head.body) {
        (Some(_), Some(body)) if !body.is_empty() => bail!("--body: standard input has a body already"),
        (Some(file), _) => read_body(file)?,
        (None, Some(body)) => body.to_vec(),
        (None, None) => {
            bail!("standard input: no blank line ends the headers, so there is no body; give it there or with --body")
        }
    };
    let request = CapturedRequest { method: &head.method, url: &head.url, headers: &head.headers, body: &body };
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    match consumer.judge(&request, now) {
        Verdict::Genuine => {
            telemetry::print("genuine");
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Unsigned => {
            telemetry::print("unsigned: nothing in a request of this contract proves where it comes from");
            Ok(ExitCode::from(NOTHING_TO_JUDGE))
        }
        Verdict::Rejected { reason } => {
            let hint = hint(&consumer, &request, now).unwrap_or_default();
            telemetry::print(&format!("not genuine: {reason}{hint}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What happened to the body between the wire and here, if it shows.
fn hint(consumer: &Consumer, request: &CapturedRequest<'_>, now: Timestamp) -> Option<String> {
    let trimmed = request.body.strip_suffix(b"\n").map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    if let Some(body) = trimmed
        && consumer.judge(&CapturedRequest { body, ..*request }, now) == Verdict::Genuine
    {
        return Some("; without the line break at the end of the body it would be".to_owned());
    }
    let length = request.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
    let found = request.body.len();
    (length != found).then(|| format!("; the body has {found} bytes, and content-length says {length}"))
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let mut capture = Vec::new();
    std::io::stdin().take(CAPTURE_BYTES_MAX + 1).read_to_end(&mut capture).context("standard input cannot be read")?;
    if u64::try_from(capture.len()).unwrap_or(u64::MAX) > CAPTURE_BYTES_MAX {
        bail!("standard input: more than {CAPTURE_BYTES_MAX} bytes");
    }
    Ok(capture)
}

fn read_body(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("--body: cannot read {}", file.display()))
}
