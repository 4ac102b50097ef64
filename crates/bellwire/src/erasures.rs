//! The list of erasures outside the database: a line of JSON for each. Whoever restores a backup that is older than an erasure has what
//! was erased again; a start with this list erases it once more.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use bellwire_app::{App, AppError, Conflict, ErasureList, ListedErasure};
use bellwire_domain::{AccountId, ErasureId, Timestamp};
use bellwire_store::SubjectHash;
use serde_json::{Value, json};

/// A list of erasures in a file, which is only added to.
pub(crate) struct ErasureFile(PathBuf);

impl ErasureFile {
    /// Makes the file if there is none, to be read by its owner only.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        opened.with_context(|| format!("--erasures: {} cannot be written", path.display()))?;
        Ok(Self(path))
    }

    /// Does those again that the database does not know.
    pub(crate) async fn repeat(&self, app: &App) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.0).with_context(|| format!("--erasures: {}", self.0.display()))?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let listed = read(line).with_context(|| format!("--erasures: {}, line {}", self.0.display(), index + 1))?;
            let (id, account) = (listed.id.clone(), listed.account_id.clone());
            match app.repeat_erasure(listed).await {
                Ok(false) => {}
                Ok(true) => {
                    tracing::warn!(erasure.id = %id, account.id = %account, "this database is older than an erasure: it is done again");
                }
                Err(AppError::Conflict(Conflict::SubjectHeld)) => {
                    tracing::warn!(erasure.id = %id, account.id = %account, "an erasure is not done again: its subject is under a hold");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl ErasureList for ErasureFile {
    fn add(&self, erasure: &ListedErasure) -> io::Result<()> {
        let ListedErasure { id, account_id, subject, at } = erasure;
        let line = json!({
            "id": id.as_str(), "account": account_id.as_str(), "subject": subject.to_string(), "at": at.to_string(),
        });
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.0)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    }
}

fn read(line: &str) -> anyhow::Result<ListedErasure> {
    let value: Value = serde_json::from_str(line).context("not JSON")?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or_else(|| anyhow!("no `{name}`"));
    Ok(ListedErasure {
        id: ErasureId::try_new(text("id")?).context("id")?,
        account_id: AccountId::try_new(text("account")?).context("account")?,
        subject: SubjectHash::parse(text("subject")?).ok_or_else(|| anyhow!("`subject` is no hash of a subject"))?,
        at: Timestamp::parse_rfc3339(text("at")?).context("at")?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_added_and_a_broken_one_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures.ndjson");
        let list = ErasureFile::open(path.clone()).unwrap();
        let erasure = ListedErasure {
            id: ErasureId::try_new("era_1").unwrap(),
            account_id: AccountId::try_new("a").unwrap(),
            subject: SubjectHash::parse("sub_abababababababababababababababab").unwrap(),
            at: Timestamp::from_secs(1),
        };
        list.add(&erasure).unwrap();
        list.add(&erasure).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().map(|line| read(line).unwrap()).collect::<Vec<_>>(), [erasure.clone(), erasure]);
        for (line, wrong) in [("x", "not JSON"), ("{}", "no `id`"), (r#"{"id":"era_1","account":"a","subject":"b"}"#, "no hash")]
        {
            assert!(format!("{:#}", read(line).unwrap_err()).contains(wrong), "{line}");
        }
    }
}
