//! What a list of patterns finds: every assignment is tried.

use kinfold_query::ast::{
    Chain, Direction, Expr, ExprKind, NodePattern, Pattern, Properties, RelPattern, Shortest,
};

use super::expressions::{Scope, one_of};
use super::values::{definite, equal};
use super::{Oracle, Outcome, Row, Stop, Val, wrong};

/// An assignment in the making.
#[derive(Clone)]
struct Found<'p> {
    row: Row,
    /// The relationships that this MATCH uses already.
    used: Vec<usize>,
    /// Properties asked of things, looked at when everything is assigned.
    asked: Vec<(&'p Properties, Val)>,
}

/// The conditions that a WHERE joins by AND.
fn conjuncts(filter: &Expr) -> Vec<&Expr> {
    match &filter.kind {
        ExprKind::And(all) => all.iter().flat_map(conjuncts).collect(),
        _ => vec![filter],
    }
}

/// Whether an expression speaks of a variable, by its words.
fn speaks_of(expr: &Expr, name: &str) -> bool {
    expr.to_string().split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

impl Oracle<'_> {
    /// The rows that `row` becomes by every way in which `patterns` are found and `filter` holds.
    pub(super) fn matches(
        &self,
        patterns: &[Pattern],
        filter: Option<&Expr>,
        row: &Row,
    ) -> Outcome<Vec<Row>> {
        let conditions: Vec<&Expr> = filter.into_iter().flat_map(conjuncts).collect();
        let mut found = vec![Found { row: row.clone(), used: Vec::new(), asked: Vec::new() }];
        // A shortest path is the shortest of those that the rest of the clause leaves.
        let (plain, shortest): (Vec<_>, Vec<_>) = patterns.iter().partition(|p| p.shortest == Shortest::No);
        for pattern in plain {
            let mut next = Vec::new();
            for one in found {
                self.chain(pattern, one, &mut next)?;
            }
            found = next;
        }
        let mut done: Vec<&Expr> = Vec::new();
        for pattern in shortest {
            let names =
                [pattern.path.as_ref(), pattern.chain.rest.first().and_then(|(rel, _)| rel.var.as_ref())];
            let names: Vec<&str> = names.into_iter().flatten().map(|name| name.text.as_str()).collect();
            let mine: Vec<&Expr> =
                conditions.iter().copied().filter(|e| names.iter().any(|name| speaks_of(e, name))).collect();
            let mut next = Vec::new();
            for one in found {
                self.shortest(pattern, &mine, one, &mut next)?;
            }
            found = next;
            done.extend(mine);
        }
        let mut rows = Vec::new();
        for Found { row, asked, .. } in found {
            if self.has_all(&asked, &row)? && self.meets(&conditions, &done, &row)? {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn meets(&self, conditions: &[&Expr], done: &[&Expr], row: &Row) -> Outcome<bool> {
        for condition in conditions.iter().filter(|e| !done.contains(e)) {
            if self.holds(condition, Scope::plain(row))? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether things have the properties asked of them; of a list, every element.
    fn has_all(&self, asked: &[(&Properties, Val)], row: &Row) -> Outcome<bool> {
        for (properties, of) in asked {
            let Properties::Map(entries, _) = properties else { return wrong("a parameter as a whole") };
            let of = match of {
                Val::List(all) => all.as_slice(),
                one => std::slice::from_ref(one),
            };
            for (key, wanted) in entries {
                let wanted = self.value(wanted, Scope::plain(row))?;
                for one in of {
                    if equal(&definite(self.property(one, &key.text)?)?, &wanted) != Some(true) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Every node that may stand for a node pattern, each with the assignment that makes it so.
    fn nodes<'p>(&self, pattern: &'p NodePattern, found: &Found<'p>) -> Outcome<Vec<(usize, Found<'p>)>> {
        let bound = pattern.var.as_ref().and_then(|var| found.row.get(&var.text));
        let candidates = match bound {
            None => (0..self.graph.nodes.len()).collect(),
            Some(Val::Node(at)) => vec![*at],
            Some(Val::Null) => Vec::new(),
            Some(Val::OneOf(_)) => return Err(Stop::Open("which node it is")),
            Some(other) => return wrong(format!("{other:?} is no node")),
        };
        let mut all = Vec::new();
        for at in candidates {
            self.tries()?;
            let labels = &self.graph.nodes[at].labels;
            if pattern.labels.iter().all(|label| labels.contains(&label.text)) {
                let mut found = found.clone();
                if let Some(var) = &pattern.var {
                    found.row.insert(var.text.clone(), Val::Node(at));
                }
                found.asked.extend(pattern.properties.as_ref().map(|asked| (asked, Val::Node(at))));
                all.push((at, found));
            }
        }
        Ok(all)
    }

    fn chain<'p>(&self, pattern: &'p Pattern, found: Found<'p>, all: &mut Vec<Found<'p>>) -> Outcome<()> {
        for (start, found) in self.nodes(&pattern.chain.first, &found)? {
            let mut ends = Vec::new();
            self.onward(&pattern.chain, 0, vec![start], Vec::new(), found, &mut ends)?;
            for (nodes, rels, mut found) in ends {
                if let Some(path) = &pattern.path {
                    found.row.insert(path.text.clone(), Val::Path(nodes, rels));
                }
                all.push(found);
            }
        }
        Ok(())
    }

    /// Follows the chain from its relationship at `place` on.
    #[allow(clippy::type_complexity)]
    fn onward<'p>(
        &self,
        chain: &'p Chain,
        place: usize,
        nodes: Vec<usize>,
        rels: Vec<usize>,
        found: Found<'p>,
        all: &mut Vec<(Vec<usize>, Vec<usize>, Found<'p>)>,
    ) -> Outcome<()> {
        let Some((rel, node)) = chain.rest.get(place) else {
            all.push((nodes, rels, found));
            return Ok(());
        };
        let from = *nodes.last().expect("a chain starts at a node");
        let (least, most) = match rel.range {
            None => (1, 1),
            Some(range) => {
                (range.min.unwrap_or(1) as usize, range.max.map_or(usize::MAX, |most| most as usize))
            }
        };
        let bound = rel.var.as_ref().and_then(|var| found.row.get(&var.text)).cloned();
        for (over, along) in self.trails(rel, from, least, most, &found.used)? {
            let value = as_bound(rel, &along);
            match &bound {
                None => {}
                Some(Val::Null) => continue,
                Some(known) => match (&value, definite(known.clone())?) {
                    (Val::Rel(a), Val::Rel(b)) if *a == b => {}
                    (Val::Rel(_), Val::Rel(_)) => continue,
                    (value @ Val::List(_), known @ Val::List(_)) if equal(value, &known) == Some(true) => {}
                    (Val::List(_), Val::List(_)) => continue,
                    (_, known) => return wrong(format!("{known:?} is no relationship")),
                },
            }
            let mut found = found.clone();
            found.used.extend(&along);
            if let Some(var) = &rel.var {
                found.row.insert(var.text.clone(), value.clone());
            }
            found.asked.extend(rel.properties.as_ref().map(|asked| (asked, value)));
            let end = over.last().copied().unwrap_or(from);
            for (at, found) in self.nodes(node, &found)? {
                if at == end {
                    let nodes = nodes.iter().chain(&over).copied().collect();
                    let rels = rels.iter().chain(&along).copied().collect();
                    self.onward(chain, place + 1, nodes, rels, found, all)?;
                }
            }
        }
        Ok(())
    }

    /// Every way of `least` to `most` relationships from a node on, none of them
    /// twice and none of those used: the nodes after each, and the relationships.
    #[allow(clippy::type_complexity)]
    fn trails(
        &self,
        pattern: &RelPattern,
        from: usize,
        least: usize,
        most: usize,
        used: &[usize],
    ) -> Outcome<Vec<(Vec<usize>, Vec<usize>)>> {
        let mut all = Vec::new();
        let mut open = vec![(Vec::new(), Vec::new())];
        while let Some((nodes, rels)) = open.pop() {
            self.tries()?;
            if rels.len() < most {
                let here = nodes.last().copied().unwrap_or(from);
                for at in 0..self.graph.rels.len() {
                    if used.contains(&at) || rels.contains(&at) {
                        continue;
                    }
                    for (_, to) in self.ways(pattern, at).into_iter().filter(|(from, _)| *from == here) {
                        let with = |all: &[usize], one: usize| all.iter().copied().chain([one]).collect();
                        open.push((with(&nodes, to), with(&rels, at)));
                    }
                }
            }
            if rels.len() >= least {
                all.push((nodes, rels));
            }
        }
        Ok(all)
    }

    /// From where to where a relationship of the graph leads as one of the pattern.
    fn ways(&self, pattern: &RelPattern, at: usize) -> Vec<(usize, usize)> {
        let rel = &self.graph.rels[at];
        if !pattern.types.is_empty() && !pattern.types.iter().any(|name| name.text == rel.kind) {
            return Vec::new();
        }
        let (there, back) = ((rel.start, rel.end), (rel.end, rel.start));
        match pattern.direction {
            _ if rel.start == rel.end => vec![there],
            _ if rel.undirected => vec![there, back],
            Direction::Both => vec![there, back],
            Direction::Out => vec![there],
            Direction::In => vec![back],
        }
    }

    /// The shortest of all trails between the two ends that `conditions` hold for.
    fn shortest<'p>(
        &self,
        pattern: &'p Pattern,
        conditions: &[&Expr],
        found: Found<'p>,
        all: &mut Vec<Found<'p>>,
    ) -> Outcome<()> {
        let [(rel, last)] = pattern.chain.rest.as_slice() else { return wrong("a shortest path of many") };
        let (least, most) = match rel.range {
            None => (1, 1),
            Some(range) => {
                (range.min.unwrap_or(1) as usize, range.max.map_or(usize::MAX, |most| most as usize))
            }
        };
        for (from, found) in self.nodes(&pattern.chain.first, &found)? {
            for (to, found) in self.nodes(last, &found)? {
                let mut candidates = Vec::new();
                for (over, along) in self.trails(rel, from, least, most, &found.used)? {
                    if over.last().copied().unwrap_or(from) != to {
                        continue;
                    }
                    let length = along.len();
                    let rels = Val::List(along.iter().map(|at| Val::Rel(*at)).collect());
                    let path = Val::Path([from].into_iter().chain(over).collect(), along);
                    let row = named(pattern, rel, &found.row, &path, &rels);
                    let asked: Vec<_> = rel.properties.iter().map(|asked| (asked, rels.clone())).collect();
                    if self.has_all(&asked, &row)? && self.meets(conditions, &[], &row)? {
                        candidates.push((length, path, rels));
                    }
                }
                let Some(length) = candidates.iter().map(|(length, ..)| *length).min() else { continue };
                candidates.retain(|(other, ..)| *other == length);
                if pattern.shortest == Shortest::One {
                    let path = one_of(candidates.iter().map(|(_, path, _)| path.clone()).collect());
                    let rels = one_of(candidates.iter().map(|(.., rels)| rels.clone()).collect());
                    candidates = vec![(length, path, rels)];
                }
                for (_, path, rels) in &candidates {
                    all.push(Found { row: named(pattern, rel, &found.row, path, rels), ..found.clone() });
                }
            }
        }
        Ok(())
    }
}

/// The row with the names of a shortest path.
fn named(pattern: &Pattern, rel: &RelPattern, row: &Row, path: &Val, rels: &Val) -> Row {
    let mut row = row.clone();
    row.extend(pattern.path.iter().map(|name| (name.text.clone(), path.clone())));
    row.extend(rel.var.iter().map(|name| (name.text.clone(), rels.clone())));
    row
}

/// What the variable of a relationship pattern is: a relationship, or a list of them.
fn as_bound(rel: &RelPattern, along: &[usize]) -> Val {
    match (rel.range, along) {
        (None, [at]) => Val::Rel(*at),
        _ => Val::List(along.iter().map(|at| Val::Rel(*at)).collect()),
    }
}
