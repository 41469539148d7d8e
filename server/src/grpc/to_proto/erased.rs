//! What was erased, and the proof of it: domain to wire.

use kinfold_engine::model::PersonId;
use kinfold_engine::privacy::{Erased, ForgetReport, Found, Proof};
use kinfold_engine::read::{Read, ReadResult};
use kinfold_engine::write::ActReceipt;
use kinfold_proto::v1;

use super::act_receipt;

/// What became of an erasure, in at most `most` bytes.
pub(crate) fn forget_report(
    read: &impl Read,
    report: ForgetReport,
    most: usize,
) -> ReadResult<v1::ForgetResponse> {
    let ForgetReport { seq, replayed, erased, events, proof } = report;
    let changed = !events.is_empty();
    Ok(v1::ForgetResponse {
        receipt: Some(act_receipt(read, &ActReceipt { seq, changed, replayed, events }, most)?),
        erased: Some(self::erased(erased)),
        proof: Some(self::proof(proof)),
    })
}

/// What an erasure would erase.
pub(crate) fn forget_plan(erased: Erased) -> v1::ForgetResponse {
    v1::ForgetResponse { erased: Some(self::erased(erased)), ..v1::ForgetResponse::default() }
}

fn erased(erased: Erased) -> v1::Erased {
    let ids = |ids: Vec<PersonId>| ids.iter().map(PersonId::to_string).collect();
    v1::Erased {
        identifiers: erased
            .identifiers
            .into_iter()
            .map(|(namespace, count)| v1::ErasedIdentifiers { namespace, count })
            .collect(),
        person_ids: ids(erased.persons),
        remaining_person_ids: ids(erased.remaining),
        links: erased.links,
        overrides: erased.overrides,
        records: erased.records,
        records_changed: erased.records_changed,
        attributes: erased.attributes,
        past_rows: erased.past_rows,
        events: erased.events,
        already: erased.already,
    }
}

fn proof(proof: Proof) -> v1::ErasureProof {
    let complete = proof.is_complete();
    v1::ErasureProof {
        complete,
        held: proof.held,
        files_rewritten: proof.files_rewritten,
        files_left: proof.files_left,
        values: proof.values,
        too_short: proof.too_short,
        files: proof.files,
        bytes: proof.bytes,
        rows: proof.rows,
        found: proof
            .found
            .into_iter()
            .map(|Found { place, count }| v1::ErasureFound { place, count })
            .collect(),
        inside_others: proof.inside_others,
        // No search takes longer than the years that this holds.
        elapsed: proof.took.try_into().ok(),
    }
}
