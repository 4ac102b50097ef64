//! Moves a store from an SQLite file to a PostgreSQL database: every row of every table, sealed values byte for byte.
//!
//! The source is held with its server's lock, so that nothing changes meanwhile, and it is examined first. Rows go over in
//! batches in the order of their keys. How far the copying is stands in the target, written in the transaction of each batch, so
//! a move may be stopped at any instant and the next one goes on. Then the target is examined, and rows are counted on both
//! sides. In the end the source is marked as moved, and after it the target as complete. `moves` says what these marks mean, and
//! holds servers to them.
//!
//! `tables` lists what is copied, made from the tables' own columns. `source` and `target` are the two databases.

mod source;
mod tables;
mod target;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use bellwire_domain::{Clock, Entropy};

use self::source::Source;
use self::tables::{CopiedTable, tables};
use self::target::{Batch, Target};
use crate::doctor::{Examination, examine};
use crate::moves::{Course, SourceMark, TargetMark, course, unfinished};
use crate::queue::lease::draw_token;
use crate::seal::Keyring;
use crate::sql::aside;
use crate::{Location, MasterKey, OpenError, PostgresUrl, StoreError};

/// A move to be made.
pub struct Relocation {
    /// The SQLite file.
    pub from: PathBuf,
    /// An empty database, or one into which this move has been begun.
    pub to: PostgresUrl,
    /// The key that the store was made with; it stays the same.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Bytes that are held in memory and written at once, give or take a row.
    pub batch_bytes_max: usize,
}

/// How far a move is. Each is told when it is written on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelocationProgress {
    /// The source will be examined.
    ExaminingSource,
    /// The source knows that it is being moved.
    Announced,
    /// The target is ready to be filled.
    Begun,
    /// A move that was stopped goes on.
    Resumed,
    /// More rows of a table are in the target.
    Copied {
        /// The table.
        table: &'static str,
        /// Its rows in the target.
        rows: u64,
        /// Its rows in the source.
        of: u64,
    },
    /// The target will be examined.
    ExaminingTarget,
    /// The source is marked as moved: no server starts on it any more.
    SourceLeft,
}

/// How a move has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relocated {
    /// The store is in the target, and the source is left.
    Moved(Vec<TableRows>),
    /// It was there already.
    Already,
    /// The source breaks promises; nothing was copied.
    SourceUnsound(Examination),
    /// The copy breaks promises, or rows are missing. The source is what it was, and the next move begins anew.
    TargetUnsound {
        /// What was found.
        examination: Examination,
        /// The rows on both sides.
        tables: Vec<TableRows>,
    },
    /// It was asked to stop; the next move goes on from there.
    Stopped,
}

/// How many rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRows {
    /// The table.
    pub table: &'static str,
    /// Rows in the source.
    pub source: u64,
    /// Rows in the target.
    pub target: u64,
}

/// Told how far a move is; it stops where the answer is to break.
pub type Report<'r> = &'r mut (dyn FnMut(RelocationProgress) -> ControlFlow<()> + Send);

/// Makes a move, or goes on with one. It refuses before anything is written where it cannot be made.
pub fn relocate(relocation: &Relocation, report: Report<'_>) -> Result<Relocated, OpenError> {
    aside(move || match (Mover { relocation, report }).run() {
        Ok(ended) => Ok(ended),
        Err(Halt::Stopped) => Ok(Relocated::Stopped),
        Err(Halt::Failed(error)) => Err(error),
    })
}

/// Why a move does not go on.
enum Halt {
    Failed(OpenError),
    Stopped,
}

impl From<OpenError> for Halt {
    fn from(error: OpenError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

struct Mover<'r> {
    relocation: &'r Relocation,
    report: Report<'r>,
}

impl Mover<'_> {
    fn run(mut self) -> Result<Relocated, Halt> {
        let Relocation { from, to, master_key, clock, entropy, .. } = self.relocation;
        let source = Source::open(from, &Keyring::new(master_key))?;
        let store = source.store_id(&**entropy)?;
        let target = Target::open(to, clock.now())?;
        let departing = source.mark()?;
        let mark = match course(departing.as_ref(), &store, target.find()?) {
            Course::Begin { anew } => {
                target.check_alone()?;
                // A source that is being moved was examined, and no server has changed it since.
                if departing.is_none() {
                    self.tell(RelocationProgress::ExaminingSource)?;
                    let examination = examine(&Location::Sqlite(from.clone()), Some(master_key))?;
                    if !examination.is_sound() {
                        return Ok(Relocated::SourceUnsound(examination));
                    }
                }
                self.begin(&source, &target, store, anew)?
            }
            Course::Resume(mark) => {
                self.tell(RelocationProgress::Resumed)?;
                mark
            }
            Course::Complete(mark) => return self.complete(&source, &target, mark),
            Course::Done => return Ok(Relocated::Already),
            Course::Elsewhere { to } => return Err(OpenError::Moved { path: from.clone(), to }.into()),
            Course::Filled => {
                let reason = "it holds data already: name an empty database, such as `createdb` makes";
                return Err(target.refuse(reason).into());
            }
            Course::Contested { from } => return Err(unfinished(to, &from).into()),
        };
        self.fill(&source, &target, mark)
    }

    /// Says on both sides what has been begun, on the source first: a copy is never of a source that knows nothing of it.
    fn begin(&mut self, source: &Source, target: &Target<'_>, store: String, anew: bool) -> Result<TargetMark, Halt> {
        let Relocation { from, to, entropy, .. } = self.relocation;
        let id = draw_token(&**entropy);
        source.set_mark(&SourceMark { id: id.clone(), to: to.to_string(), moved: false })?;
        self.tell(RelocationProgress::Announced)?;
        let from = std::path::absolute(from).unwrap_or_else(|_| from.clone()).display().to_string();
        let mark = TargetMark { id, store, from, complete: false, tables: [].into() };
        target.begin(&mark, (&source.said()?, source.kept()?), anew)?;
        self.tell(RelocationProgress::Begun)?;
        Ok(mark)
    }

    /// Copies what is not copied yet, and completes the move if all is well.
    fn fill(&mut self, source: &Source, target: &Target<'_>, mut mark: TargetMark) -> Result<Relocated, Halt> {
        for table in &tables() {
            self.copy(source, target, table, &mut mark)?;
        }
        target.settle()?;
        self.tell(RelocationProgress::ExaminingTarget)?;
        let Relocation { to, master_key, .. } = self.relocation;
        let examination = examine(&Location::Postgres(to.clone()), Some(master_key))?;
        let tables = count(source, target)?;
        if !examination.is_sound() || tables.iter().any(|rows| rows.source != rows.target) {
            source.delete_mark()?;
            return Ok(Relocated::TargetUnsound { examination, tables });
        }
        self.complete(source, target, mark)
    }

    fn copy(&mut self, source: &Source, target: &Target<'_>, table: &CopiedTable, mark: &mut TargetMark) -> Result<(), Halt> {
        let of = source.count(table)?;
        let after = mark.tables.get(table.name).map(|copied| copied.after.clone()).unwrap_or_default();
        let (mut batch, bytes_max) = (Batch::default(), self.relocation.batch_bytes_max);
        let mut write = |batch: Batch| -> Result<(), Halt> {
            let copied = mark.tables.entry(table.name.to_owned()).or_default();
            copied.rows += batch.rows();
            batch.last().clone_into(&mut copied.after);
            let rows = copied.rows;
            target.write(table, &batch, mark)?;
            self.tell(RelocationProgress::Copied { table: table.name, rows, of })
        };
        source.read(table, &after, |key, cells| {
            batch.push(key, cells);
            if batch.is_full(bytes_max) { write(std::mem::take(&mut batch)) } else { Ok(()) }
        })?;
        if batch.rows() > 0 { write(batch) } else { Ok(()) }
    }

    /// The final marks, in the order in which a stop between them lets neither side be served.
    fn complete(&mut self, source: &Source, target: &Target<'_>, mark: TargetMark) -> Result<Relocated, Halt> {
        let tables = count(source, target)?;
        let left = SourceMark { id: mark.id.clone(), to: self.relocation.to.to_string(), moved: true };
        target.complete(mark, || {
            source.set_mark(&left)?;
            self.tell(RelocationProgress::SourceLeft)
        })?;
        Ok(Relocated::Moved(tables))
    }

    fn tell(&mut self, progress: RelocationProgress) -> Result<(), Halt> {
        match (self.report)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }
}

fn count(source: &Source, target: &Target<'_>) -> Result<Vec<TableRows>, StoreError> {
    let rows =
        |table: &CopiedTable| Ok(TableRows { table: table.name, source: source.count(table)?, target: target.count(table)? });
    tables().iter().map(rows).collect()
}
