//! What became of assertions: domain to wire.

use kinfold_engine::answers::{Claim, Outcome, Verdict};
use kinfold_engine::model::Identifier;
use kinfold_engine::read::Found;
use kinfold_proto::v1;

use super::identifier;

/// What became of an assertion.
pub(crate) fn verdict(verdict: &Verdict) -> v1::AssertionVerdict {
    use v1::AssertionOutcome as Wire;
    let (outcome, reason) = match &verdict.outcome {
        Outcome::Holds => (Wire::Holds, String::new()),
        Outcome::Broken { reason } => (Wire::Broken, reason.clone()),
        Outcome::Unknown { identifiers } => {
            let said: Vec<_> = identifiers.iter().map(|(name, found)| unknown(name, found)).collect();
            (Wire::Unknown, said.join("; "))
        }
        Outcome::HouseholdScope { identifier } => {
            (Wire::Unknown, format!("`{identifier}` is of household scope, and so no person's"))
        }
    };
    let claim = match verdict.assertion.claim {
        Claim::Same => v1::AssertionClaim::Same,
        Claim::Different => v1::AssertionClaim::Different,
    };
    v1::AssertionVerdict {
        line: verdict.assertion.line as u64,
        claim: claim.into(),
        a: Some(identifier(&verdict.assertion.a)),
        b: Some(identifier(&verdict.assertion.b)),
        outcome: outcome.into(),
        reason,
    }
}

/// What a lookup that does not know an identifier says of it.
fn unknown(name: &Identifier, found: &Found) -> String {
    match found {
        // The lookup that led here did not find it.
        Found::Known(_) | Found::Unknown(_) => format!("`{name}` was never seen"),
        Found::NoNamespace { suggestion } => {
            let hint =
                suggestion.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("the schema declares no namespace `{}`{hint}", name.namespace)
        }
        Found::Denied { rule } => format!("`{name}` identifies nobody: denied by {rule}"),
        Found::Invalid { reason } => format!("`{name}`: {reason}"),
    }
}
