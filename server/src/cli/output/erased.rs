//! What was erased, and the proof of it, as they are shown.

use std::io::{self, Write};

use kinfold_proto::v1;
use serde_json::json;

use super::Answer;
use super::events::write_events;
use super::figures::{bytes, counted, grouped};

/// Writes what was erased, or would be, to read, and then what proves it.
pub(crate) fn write_forget(
    out: &mut impl Write,
    answer: &mut dyn Answer,
    told: &v1::ForgetResponse,
) -> io::Result<()> {
    let erased = told.erased.clone().unwrap_or_default();
    let count: u64 = erased.identifiers.iter().map(|it| it.count).sum();
    match &told.receipt {
        None => writeln!(out, "Nothing is written. It would erase:")?,
        Some(receipt) if receipt.replayed => {
            writeln!(out, "This request was done before, as sequence number {}.", grouped(receipt.sequence))?;
        }
        Some(_) if count == 0 => writeln!(out, "All of it was forgotten before.")?,
        Some(receipt) => writeln!(out, "Erased, as sequence number {}:", grouped(receipt.sequence))?,
    }
    for line in lines(&erased) {
        writeln!(out, "  {line}")?;
    }
    if let Some(proof) = &told.proof {
        for line in proof_lines(proof) {
            writeln!(out, "{line}")?;
        }
    }
    match &told.receipt {
        Some(receipt) if !receipt.replayed => write_events(answer, &receipt.events),
        _ => Ok(()),
    }
}

fn lines(erased: &v1::Erased) -> Vec<String> {
    let mut lines: Vec<String> = erased
        .identifiers
        .iter()
        .map(|it| counted(it.count, "identifier") + &format!(" of {}", it.namespace))
        .collect();
    if !erased.person_ids.is_empty() {
        lines.push(format!("all of {}", erased.person_ids.join(", ")));
    }
    if !erased.remaining_person_ids.is_empty() {
        lines.push(format!("a part of who is now {}", erased.remaining_person_ids.join(", ")));
    }
    for (count, what) in [
        (erased.links, "link"),
        (erased.overrides, "override"),
        (erased.records, "record"),
        (erased.attributes, "attribute"),
        (erased.past_rows, "row of earlier states"),
        (erased.events, "text of an event"),
    ] {
        if count > 0 {
            lines.push(plural(count, what));
        }
    }
    if erased.records_changed > 0 {
        lines.push(format!("parts of {}", counted(erased.records_changed, "record")));
    }
    if erased.already > 0 {
        lines.push(format!("{} forgotten before", counted(erased.already, "identifier")));
    }
    lines
}

fn plural(count: u64, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "row of earlier states") => format!("{} rows of earlier states", grouped(count)),
        (_, "text of an event") => format!("{} texts of events", grouped(count)),
        _ => counted(count, what),
    }
}

fn proof_lines(proof: &v1::ErasureProof) -> Vec<String> {
    let mut lines = Vec::new();
    if proof.held {
        lines.push(
            "The proof is not complete: somebody reads an earlier state of the store. Do the same again later."
                .to_owned(),
        );
    }
    if !proof.files_left.is_empty() {
        let names = proof.files_left.join(", ");
        lines.push(format!("The proof is not complete: {names} should be gone. Do the same again later."));
    }
    if proof.files_rewritten > 0 {
        lines.push(format!("{} that may have held it are gone.", counted(proof.files_rewritten, "file")));
    }
    if proof.values > 0 {
        let searched = match proof.files {
            0 => "no files, as the store lives in memory,".to_owned(),
            files => format!("{} with {}", counted(files, "file"), bytes(proof.bytes)),
        };
        let found: u64 = proof.found.iter().map(|it| it.count).sum();
        let found = if found == 0 { "nothing".to_owned() } else { plural(found, "occurrence") };
        let (values, rows) = (counted(proof.values, "value"), counted(proof.rows, "row"));
        lines.push(format!("Searched {searched} and {rows} for {values}: {found} found."));
    }
    for it in &proof.found {
        lines.push(format!("  {} in {}", grouped(it.count), it.place));
    }
    if proof.inside_others > 0 {
        let others = counted(proof.inside_others, "other identifier");
        lines.push(format!("{others} hold one of the values as a part of theirs, and stay."));
    }
    if proof.too_short > 0 {
        let values = counted(proof.too_short, "value");
        lines.push(format!("Files were not searched for {values} of fewer than 6 bytes."));
    }
    lines.push("Copies made before still hold it.".to_owned());
    lines
}

/// What was erased and the proof as one JSON object.
pub(crate) fn forget_json(told: &v1::ForgetResponse) -> serde_json::Value {
    let erased = told.erased.clone().unwrap_or_default();
    let counts: serde_json::Map<_, _> =
        erased.identifiers.iter().map(|it| (it.namespace.clone(), json!(it.count))).collect();
    let proof = told.proof.as_ref().map(|proof| {
        json!({
            "complete": proof.complete,
            "held": proof.held,
            "files_rewritten": proof.files_rewritten,
            "files_left": proof.files_left,
            "values": proof.values,
            "too_short": proof.too_short,
            "files": proof.files,
            "bytes": proof.bytes,
            "rows": proof.rows,
            "found": proof
                .found
                .iter()
                .map(|it| json!({ "place": it.place, "count": it.count }))
                .collect::<Vec<_>>(),
            "inside_others": proof.inside_others,
        })
    });
    json!({
        "sequence": told.receipt.as_ref().map(|receipt| receipt.sequence),
        "replayed": told.receipt.as_ref().is_some_and(|receipt| receipt.replayed),
        "identifiers": counts,
        "persons": erased.person_ids,
        "remaining": erased.remaining_person_ids,
        "links": erased.links,
        "overrides": erased.overrides,
        "records": erased.records,
        "records_changed": erased.records_changed,
        "attributes": erased.attributes,
        "past_rows": erased.past_rows,
        "events": erased.events,
        "already": erased.already,
        "proof": proof,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_erased_reads_well() {
        let told = v1::ForgetResponse {
            receipt: Some(v1::ActReceipt { sequence: 1_234, changed: true, ..Default::default() }),
            erased: Some(v1::Erased {
                identifiers: vec![v1::ErasedIdentifiers { namespace: "email".into(), count: 2 }],
                person_ids: vec!["p4".into()],
                links: 3,
                records: 1,
                attributes: 2,
                past_rows: 17,
                ..Default::default()
            }),
            proof: Some(v1::ErasureProof {
                complete: true,
                files_rewritten: 9,
                values: 2,
                files: 31,
                bytes: 3 << 20,
                rows: 40_000,
                ..Default::default()
            }),
        };
        let mut text = lines(&told.erased.clone().unwrap()).join("\n");
        text += "\n";
        text += &proof_lines(&told.proof.clone().unwrap()).join("\n");
        let expected = "\
2 identifiers of email
all of p4
3 links
1 record
2 attributes
17 rows of earlier states
9 files that may have held it are gone.
Searched 31 files with 3.0 MiB and 40,000 rows for 2 values: nothing found.
Copies made before still hold it.";
        assert_eq!(text, expected);
        assert_eq!(forget_json(&told)["proof"]["complete"], true);
        let held = v1::ErasureProof { held: true, ..Default::default() };
        assert!(proof_lines(&held)[0].contains("again later"));
    }
}
