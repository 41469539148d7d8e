//! Random graphs in memory.

use kinfold_query::{MemoryGraph, Options, Planning, Strictness, Value, prepare_on};
use kinfold_tests::query_oracle::{Graph, Node, Rel, Val};

use super::dice::Dice;
use super::texts::{Ty, Words, Writer};
use super::{Said, Tally, compared, limits, params};

const LABELS: [&str; 3] = ["A", "B", "C"];
const TYPES: [&str; 3] = ["R", "S", "T"];

fn words() -> Words {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let of =
        [("n", Ty::Int), ("f", Ty::Float), ("s", Ty::Str), ("b", Ty::Bool), ("m", Ty::Any), ("l", Ty::Ints)];
    Words {
        labels: owned(&LABELS),
        types: owned(&TYPES),
        of_nodes: of.to_vec(),
        of_rels: of[..5].to_vec(),
        texts: owned(&["'a'", "'b'", "'ab'", "''", "'A'", "'2'", "'é b'"]),
        times: vec!["'2026-01-05T00:00:00Z'".to_owned()],
        params: vec![("i", Ty::Int), ("s", Ty::Str), ("l", Ty::Anys), ("nothing", Ty::Any)],
    }
}

fn scalar(dice: &mut Dice) -> Val {
    match dice.below(7) {
        0 | 1 => Val::Int(dice.below(4) as i64),
        2 => Val::Float(*dice.pick(&[0.5, 1.0, 2.0, -0.25])),
        3 => Val::Str((*dice.pick(&["a", "b", "ab", ""])).to_owned()),
        4 => Val::Bool(dice.percent(50)),
        5 => Val::List(vec![Val::Int(dice.below(3) as i64)]),
        _ => Val::Float(f64::NAN),
    }
}

fn properties(dice: &mut Dice, node: bool) -> Vec<(&'static str, Val)> {
    let mut all = Vec::new();
    if dice.percent(70) {
        all.push(("n", Val::Int(dice.below(4) as i64)));
    }
    if dice.percent(50) {
        all.push(("f", Val::Float(*dice.pick(&[0.5, 1.0, 1.5, -0.25, 2.0, 0.0]))));
    }
    if dice.percent(60) {
        all.push(("s", Val::Str((*dice.pick(&["a", "b", "ab", "", "A"])).to_owned())));
    }
    if dice.percent(40) {
        all.push(("b", Val::Bool(dice.percent(50))));
    }
    if dice.percent(70) {
        all.push(("m", scalar(dice)));
    }
    if node && dice.percent(40) {
        all.push(("l", Val::List((0..dice.below(4)).map(|_| Val::Int(dice.below(3) as i64)).collect())));
    }
    all
}

fn value(of: &Val) -> Value {
    match of {
        Val::Bool(x) => Value::Bool(*x),
        Val::Int(x) => Value::Int(*x),
        Val::Float(x) => Value::Float(*x),
        Val::Str(text) => text.as_str().into(),
        Val::List(all) => all.iter().map(value).collect(),
        _ => Value::Null,
    }
}

/// A graph of up to five nodes, as the engine and as the oracle has it.
fn graph(dice: &mut Dice) -> (MemoryGraph, Graph) {
    let (mut memory, mut plain) = (MemoryGraph::new(), Graph::default());
    // Some relationships are gone again, so that numbers have gaps.
    for _ in 0..[0, 1, 2, 3, 3, 4, 4, 5, 5, 5][dice.below(10)] {
        let labels: Vec<&str> = LABELS.into_iter().filter(|_| dice.percent(55)).collect();
        let own = properties(dice, true);
        let id = memory.add_node(&labels, own.iter().map(|(key, of)| (*key, value(of))));
        plain.nodes.push(Node {
            id: Val::Int(id as i64),
            labels: labels.into_iter().map(str::to_owned).collect(),
            properties: own.into_iter().map(|(key, of)| (key.to_owned(), of)).collect(),
        });
    }
    let count = plain.nodes.len();
    for _ in 0..if count > 0 { dice.below(9) } else { 0 } {
        let (start, end, kind) = (dice.below(count), dice.below(count), *dice.pick(&TYPES));
        // A number of its own tells parallel ones apart in results.
        let mut own = properties(dice, false);
        own.push(("number", Val::Int(plain.rels.len() as i64)));
        let id = memory.add_relationship(start, kind, end, own.iter().map(|(key, of)| (*key, value(of))));
        if dice.percent(8) {
            memory.remove_relationship(id);
            continue;
        }
        plain.rels.push(Rel {
            id: Val::Int(id as i64),
            kind: kind.to_owned(),
            start,
            end,
            undirected: false,
            properties: own.into_iter().map(|(key, of)| (key.to_owned(), of)).collect(),
        });
    }
    for property in ["n", "s", "m"] {
        if dice.percent(40) {
            memory.add_index(property);
        }
    }
    (memory, plain)
}

/// One query over one graph.
pub(super) fn case(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let (memory, plain) = graph(&mut dice);
    let (given, known) = params();
    let words = words();
    let mut writer = Writer::new(dice, &words);
    let text = writer.query();
    let run = |text: &str, planning: Planning| -> Said {
        let options =
            Options { planning, strictness: Strictness::Lenient, limits: limits(), ..Options::default() };
        let prepared =
            prepare_on(text, Box::new(&memory), given.clone(), options).map_err(|error| (error, true))?;
        prepared.run().collect::<Result<_, _>>().map_err(|error| (error, false))
    };
    compared(&text, writer.spoiled, &plain, &known, run, tally)
}
