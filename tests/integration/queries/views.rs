//! Verbs, procedures and graph queries are asked of the same views of a store.

use kinfold_engine::model::Observation;
use kinfold_engine::{Snapshot, Store, StoreView};
use kinfold_query::ast::VerbKind;
use kinfold_query::{Options, Parsed, Planning, Value};

use super::dice::Dice;
use super::stores::{ask, ask_of, graph, observation, store, words};
use super::texts::Writer;
use super::{Said, Tally, compared, params};
use kinfold_engine::read::{Read, ViewOptions};
use kinfold_tests::query_oracle::Val;

/// The rows of a statement as texts, or the code of its error.
fn shown(snapshot: &Snapshot, text: &str) -> Result<Vec<String>, String> {
    texts_of(ask(snapshot, text, Planning::Cheapest))
}

fn texts_of(said: Said) -> Result<Vec<String>, String> {
    let row = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    match said {
        Ok(rows) => {
            let mut rows: Vec<String> = rows.iter().map(row).collect();
            rows.sort();
            Ok(rows)
        }
        Err((error, _)) => Err(error.code().to_owned()),
    }
}

fn seen(dice: &mut Dice, most: usize) -> Vec<Observation> {
    (0..1 + dice.below(most)).map(|at| observation(dice, at as i64)).collect()
}

/// The names of all identifiers of a store.
fn identifiers(snapshot: &Snapshot) -> Result<Vec<String>, String> {
    let plain = graph(snapshot).map_err(|error| error.to_string())?;
    let identifiers =
        plain.nodes.into_iter().filter(|node| node.labels.iter().any(|label| label == "Identifier"));
    Ok(identifiers.filter_map(|node| if let Val::Str(id) = node.id { Some(id) } else { None }).collect())
}

/// Options that make sense of a store: a threshold, a source or a link that it has, an earlier write.
fn options(dice: &mut Dice, snapshot: &Snapshot, times: bool) -> String {
    let mut text = String::new();
    if times && dice.percent(40) {
        text += &format!("AS OF {} ", dice.below(snapshot.seq().get() as usize + 1));
    }
    if dice.percent(50) {
        text += &format!("THRESHOLD {} ", dice.word(&["0.25", "0.5", "0.6", "0.8", "1"]));
    }
    // What the store did not have then cannot be left out of it.
    let then = text.starts_with("AS OF");
    if !then
        && dice.percent(30)
        && let Some(source) = snapshot.names().sources.iter().nth(dice.below(3))
    {
        text += &format!("WITHOUT SOURCE '{source}' ");
    }
    let links = shown(snapshot, "MATCH (a)-[:LINKED]-(b) RETURN a.id, b.id").unwrap_or_default();
    if !then && dice.percent(30) && !links.is_empty() {
        text += &format!("WITHOUT LINK {} ", dice.pick(&links).replace('|', "-"));
    }
    text
}

/// The view that options ask for.
fn view(snapshot: &Snapshot, options: &str) -> Result<(ViewOptions, StoreView), String> {
    let parsed = Parsed::new(&format!("{options}RETURN 1"), params().0, Options::default());
    let asked = parsed.and_then(|parsed| parsed.view(snapshot)).map_err(|error| error.to_string())?;
    let view = snapshot.view(&asked).map_err(|error| error.to_string())?;
    Ok((asked, view))
}

/// A verb on two identifiers, as a statement and as a call.
fn both(kind: VerbKind, a: &str, b: &str, number: Option<usize>) -> (String, String) {
    let who: Vec<String> = [a, b].iter().take(kind.asks_about()).map(|id| format!("'{id}'")).collect();
    let tail = number.and_then(|number| Some(format!(" {} {number}", kind.number()?))).unwrap_or_default();
    let last = kind.number().map(|_| number.map_or("null".to_owned(), |number| number.to_string()));
    let args: Vec<String> = who.iter().cloned().chain(last).collect();
    let verb = format!("{} {}{tail}", kind.words(), who.join(", "));
    (verb, format!("CALL {}({})", kind.procedure(), args.join(", ")))
}

/// Every verb and its procedure have the same rows, whatever the options.
pub(super) fn verbs(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let store = store(&seen(&mut dice, 8), 0.5);
    let snapshot = store.snapshot();
    let mut names = identifiers(&snapshot)?;
    names.extend(["p0".to_owned(), "h1".to_owned(), "email:nobody".to_owned()]);
    for kind in VerbKind::ALL {
        let (a, b) = (dice.pick(&names).clone(), dice.pick(&names).clone());
        let number = dice.percent(50).then(|| dice.below(4));
        let (verb, call) = both(kind, &a, &b, number);
        let options = options(&mut dice, &snapshot, true);
        let view = view(&snapshot, &options)?;
        let [one, other] = [&verb, &call]
            .map(|text| texts_of(ask_of(&snapshot, &view, &format!("{options}{text}"), Planning::Cheapest)));
        if one != other {
            return Err(format!("{options}{verb}: {one:?}\n{call}: {other:?}\n"));
        }
        tally.rows += usize::from(one.is_ok());
        tally.errors += usize::from(one.is_err());
        tally.some += usize::from(one.is_ok_and(|rows| !rows.is_empty()));
    }
    Ok(())
}

/// A query with options is that query on the graph of the view.
pub(super) fn queries(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let store = store(&seen(&mut dice, 8), 0.5);
    let snapshot = store.snapshot();
    for _ in 0..4 {
        let options = options(&mut dice, &snapshot, true);
        let view = view(&snapshot, &options)?;
        let plain = graph(&view.1).map_err(|error| error.to_string())?;
        let words = words(&plain);
        for _ in 0..3 {
            let mut writer = Writer::new(Dice::new(dice.number()), &words);
            let text = format!("{options}{}", writer.query());
            let run = |text: &str, planning: Planning| ask_of(&snapshot, &view, text, planning);
            compared(&text, writer.spoiled, &plain, &params().1, run, tally)?;
        }
    }
    Ok(())
}

/// Questions whose answers do not hang on ids of persons or on when they were made.
fn questions(ids: &[String]) -> Vec<String> {
    let all: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let all = all.join(", ");
    let mut texts = vec![
        format!(
            "MATCH (p:Person)<-[:IDENTIFIES]-(i) WHERE i.id IN [{all}] WITH p, i ORDER BY i.id \
             RETURN collect(i.id), p.size"
        ),
        "MATCH (a)-[l:LINKED]-(b) RETURN a.id, b.id, l.weight, l.count, l.sources, l.conducts, l.held_back_by".to_owned(),
        "MATCH (h:Household)<-[:MEMBER_OF]-(p)<-[:IDENTIFIES]-(i) RETURN i.id, p.size, h.size".to_owned(),
        format!("UNWIND [{all}] AS id CALL identity.neighbours(id) YIELD id AS other, conducts, held_back_by, same_person RETURN *"),
    ];
    for id in ids {
        texts.push(format!("NEIGHBOURS '{id}'"));
        for other in ids.iter().take(2) {
            texts.push(format!("WHY NOT '{id}', '{other}'"));
        }
    }
    texts
}

/// Under another threshold, a store answers as one whose schema has that
/// threshold; without a source, as one that the source never sent to.
pub(super) fn supposed(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let seen = seen(&mut dice, 8);
    let threshold = *dice.pick(&[0.25, 0.6, 0.75, 0.8, 1.0]);
    let here = store(&seen, 0.5).snapshot();
    let ids = identifiers(&here)?;
    let there = store(&seen, threshold).snapshot();
    let mut pairs = vec![(format!("THRESHOLD {threshold} "), there, ids)];
    let source = seen[0].source.clone();
    let rest: Vec<Observation> = seen.iter().filter(|seen| seen.source != source).cloned().collect();
    let without = store(&rest, 0.5).snapshot();
    let known = identifiers(&without)?;
    pairs.push((format!("WITHOUT SOURCE '{source}' "), without, known));
    let ids_of = regex::Regex::new(r"\b[ph][0-9]+(-[0-9]+)?\b").map_err(|error| error.to_string())?;
    for (options, there, ids) in pairs {
        for text in questions(&ids) {
            let nameless = |said: Result<Vec<String>, String>| {
                let mut rows = said?;
                rows.iter_mut().for_each(|row| *row = ids_of.replace_all(row, "an id").into_owned());
                rows.sort();
                Ok::<_, String>(rows)
            };
            let one = nameless(shown(&here, &format!("{options}{text}")));
            let other = nameless(shown(&there, &text));
            if one != other {
                return Err(format!(
                    "{options}{text}: {one:?}\nin a store that is so: {other:?}\n{seen:#?}\n"
                ));
            }
            tally.rows += 1;
        }
    }
    Ok(())
}

/// As of a write, a store answers what it answered then, in whatever way it is asked.
pub(super) fn past(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let (store, seen): (Store, _) = (store(&[], 0.5), seen(&mut dice, 6));
    let mut then: Vec<(u64, String, Result<Vec<String>, String>)> = Vec::new();
    for observation in seen {
        let batch = kinfold_engine::write::Batch { request_id: None, observations: vec![observation] };
        let receipt = store.observe(batch).map_err(|error| error.to_string())?;
        let snapshot = store.snapshot();
        let ids = identifiers(&snapshot)?;
        let mut texts = vec!["MATCH (n) RETURN n".to_owned(), "MATCH (a)-[r]->(b) RETURN a, r, b".to_owned()];
        for kind in VerbKind::ALL.into_iter().filter(|kind| *kind != VerbKind::Diff) {
            let (a, b) = (dice.pick(&ids).clone(), dice.pick(&ids).clone());
            let (verb, call) = both(kind, &a, &b, None);
            texts.extend([verb, call]);
        }
        for text in texts {
            let answer = shown(&snapshot, &text);
            then.push((receipt.seq.get(), text, answer));
        }
    }
    let now = store.snapshot();
    for (seq, text, answer) in then {
        let again = shown(&now, &format!("AS OF {seq} {text}"));
        if again != answer {
            return Err(format!("AS OF {seq} {text}: {again:?}\nthen: {answer:?}\n"));
        }
        tally.rows += 1;
    }
    Ok(())
}
