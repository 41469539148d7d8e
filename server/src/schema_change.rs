//! A change of the schema of a store with data, asked for over the wire or on the command line.

use kinfold_engine::answers::{Assertions, AssertionsError, Outcome, Verdict};
use kinfold_engine::read::ReadError;
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Authored, SchemaError};
use kinfold_engine::{Snapshot, Store, ViewError};
use kinfold_proto::v1;

use crate::grpc::to_proto;

/// A schema to be put in force, and the assertions that are to hold under it.
pub(crate) struct SchemaChange {
    schema: Schema,
    assertions: Assertions,
}

/// A text with the name by which messages call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) text: &'a str,
    pub(crate) name: &'a str,
}

/// Why a schema is not put in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It cannot be.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The assertions are none.
    #[error(transparent)]
    Assertions(#[from] AssertionsError),
    /// It would break assertions.
    #[error(transparent)]
    Broken(BrokenAssertions),
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Assertions that a schema would break.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} of {of} assertions would be broken:\n{}",
    broken.len(),
    broken.iter().map(|(line, reason)| format!("  line {line}: {reason}")).collect::<Vec<_>>().join("\n")
)]
pub(crate) struct BrokenAssertions {
    /// The line of each, with why it would be broken; at least one.
    pub(crate) broken: Vec<(usize, String)>,
    /// How many assertions there are.
    pub(crate) of: usize,
}

impl From<ViewError> for ChangeError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Schema(error) => Self::Schema(*error),
            ViewError::Read(error) | ViewError::AsOf(kinfold_engine::AsOfError::Read(error)) => {
                Self::Read(error)
            }
            // None of these is asked for.
            ViewError::AsOf(_)
            | ViewError::Threshold { .. }
            | ViewError::UnknownSource { .. }
            | ViewError::UnknownIdentifier { .. } => Self::Read(ReadError::Storage(error.to_string())),
        }
    }
}

impl SchemaChange {
    /// Reads both texts.
    pub(crate) fn parse(schema: Named<'_>, assertions: Option<Named<'_>>) -> Result<Self, ChangeError> {
        let schema = Schema::parse(schema.text, schema.name).map_err(SchemaError::Parse)?;
        let assertions = match assertions {
            Some(Named { text, name }) => Assertions::parse(text, name)?,
            None => Assertions::default(),
        };
        Ok(Self { schema, assertions })
    }

    /// What it would change; an answer of at most `most` bytes.
    pub(crate) fn plan(&self, store: &Store, most: usize) -> Result<v1::PlanSchemaResponse, ChangeError> {
        let plan = store.plan_schema(&self.schema)?;
        let now = store.snapshot();
        Ok(v1::PlanSchemaResponse {
            plan: Some(to_proto::schema_plan(&now, &plan, most)?),
            verdicts: wire(&self.verdicts(&now)?),
        })
    }

    /// Puts it in force, unless it breaks assertions and is not to `go_on`.
    pub(crate) fn apply(
        &self,
        store: &Store,
        by: Authored,
        go_on: bool,
        most: usize,
    ) -> Result<v1::ApplySchemaResponse, ChangeError> {
        let verdicts = self.verdicts(&store.snapshot())?;
        let broken: Vec<_> = verdicts.iter().filter_map(broken).collect();
        if !broken.is_empty() && !go_on {
            return Err(ChangeError::Broken(BrokenAssertions { broken, of: verdicts.len() }));
        }
        let plan = store.apply_schema(&self.schema, by)?;
        Ok(v1::ApplySchemaResponse {
            plan: Some(to_proto::schema_plan(&store.snapshot(), &plan, most)?),
            verdicts: wire(&verdicts),
        })
    }

    /// What becomes of the assertions under it.
    fn verdicts(&self, now: &Snapshot) -> Result<Vec<Verdict>, ChangeError> {
        // The store is resolved once more for this.
        if self.assertions.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.assertions.check(&now.under(&self.schema)?)?)
    }
}

fn broken(verdict: &Verdict) -> Option<(usize, String)> {
    match &verdict.outcome {
        Outcome::Broken { reason } => Some((verdict.assertion.line, reason.clone())),
        Outcome::Holds | Outcome::Unknown { .. } | Outcome::HouseholdScope { .. } => None,
    }
}

fn wire(verdicts: &[Verdict]) -> Vec<v1::AssertionVerdict> {
    verdicts.iter().map(to_proto::verdict).collect()
}
