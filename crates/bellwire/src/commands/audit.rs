//! `bellwire audit`: the audit log for whoever has the database, with or without a running server.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use bellwire_domain::{AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia};
use bellwire_store::evidence::{export_audit, record_act, verify_audit};
use bellwire_store::{AuditEvidence, AuditVerification};

use crate::cli::{AuditCommand, AuditExportArguments, AuditVerifyArguments};
use crate::environment::{SystemClock, SystemEntropy};
use crate::{master_key, telemetry};

pub(crate) fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify(arguments) => verify(arguments),
        AuditCommand::Export(arguments) => export(&arguments),
        AuditCommand::List(arguments) => super::client::list_audit(&arguments),
    }
}

fn verify(arguments: AuditVerifyArguments) -> anyhow::Result<ExitCode> {
    let store = arguments.store;
    let master_key = master_key::find(&store.master_key, &store.database)?;
    let kept = match &arguments.since {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("--since {}", path.display()))?;
            let kept = split(&text);
            anyhow::ensure!(!kept.is_empty(), "--since {}: there is no checkpoint in it", path.display());
            kept
        }
    };
    let evidence = AuditEvidence { kept, verifier: arguments.key };
    let found = verify_audit(&store.database, master_key.as_ref(), &evidence)?;
    print(&found);
    let verdict = if found.is_sound() { "sound".to_owned() } else { format!("not sound; faults: {}", found.fault_count) };
    telemetry::print(&format!("the audit log of {} is {verdict}", store.database));
    Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(found: &AuditVerification) {
    let AuditVerification { size, root, checkpoints, kept, personal_verified, faults, fault_count } = found;
    telemetry::print(&format!("      {size} records; the hash over all of them is {root}"));
    telemetry::print(&format!("      {checkpoints} signed checkpoints in the database fit"));
    if let Some(last) = kept.iter().max() {
        telemetry::print(&format!(
            "      {} kept checkpoints fit, the last over {last} records: the log has only grown since",
            kept.len()
        ));
    }
    if !personal_verified {
        telemetry::print("      names, addresses and reasons were not compared: the master key is not given");
    }
    for fault in faults {
        telemetry::print(&format!("BAD   {fault}"));
    }
    let more = fault_count - u64::try_from(faults.len()).unwrap_or(*fault_count);
    if more > 0 {
        telemetry::print(&format!("BAD   and {more} more"));
    }
}

/// The checkpoints of a file, which ends each with its signatures.
fn split(text: &str) -> Vec<String> {
    let (mut all, mut current, mut is_signed) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        let is_signature = line.starts_with("— ");
        if is_signed && !is_signature {
            all.push(std::mem::take(&mut current));
            is_signed = false;
        }
        if current.is_empty() && line.trim().is_empty() {
            continue;
        }
        is_signed = is_signature;
        current.push_str(line);
        current.push('\n');
    }
    all.extend((!current.is_empty()).then_some(current));
    all
}

fn export(arguments: &AuditExportArguments) -> anyhow::Result<ExitCode> {
    let store = &arguments.store;
    let master_key = master_key::find(&store.master_key, &store.database)?;
    match &master_key {
        Some(key) => record_act(&store.database, key, (&SystemClock, &SystemEntropy::default()), &exporting(arguments))?,
        None => telemetry::say("the master key is not given: names stay sealed, and the log does not record this export"),
    }
    let mut out = BufWriter::new(std::io::stdout());
    let records = export_audit(&store.database, master_key.as_ref(), arguments.account.as_deref(), &mut out)?;
    out.flush().context("standard output")?;
    telemetry::say(&format!("{records} records"));
    Ok(ExitCode::SUCCESS)
}

fn exporting(arguments: &AuditExportArguments) -> AuditEntry {
    let origin = AuditOrigin { via: AuditVia::Command, address: None };
    let entry = AuditEntry::new(AuditActor::Command, origin, AuditAction::AuditExported);
    match &arguments.account {
        Some(account) => entry.with("only", AuditDetail::Text(account.clone())),
        None => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_checkpoints_is_split_after_their_signatures() {
        let one = "bellwire/1\n7\nhash=\n\n— bellwire/1 signed\n";
        let two = "bellwire/1\n9\nhash=\n\n— bellwire/1 signed\n— witness signed\n";
        assert_eq!(split(one), [one]);
        assert_eq!(split(&format!("{one}\n{two}\n")), [one, two]);
        assert_eq!(split(&format!("{one}{two}")), [one, two]);
        assert!(split("\n\n").is_empty());
    }
}
