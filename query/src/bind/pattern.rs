//! Patterns of MATCH, and patterns inside expressions.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Around, Binder, Type};
use crate::ast::{
    self, Chain, Comparison, Name, NodePattern, Pattern, Properties, Quantifier, RelPattern, Shortest, Span,
};
use crate::error::{Fault, Outcome};
use crate::plan::{
    Conjunct, Expr, Gives, Kind, Matching, Nested, Part, PlannedNode, PlannedPath, PlannedRel, Postfix,
    QueryPlan, Step, plan,
};

/// How many relationships one MATCH clause may speak of.
const MAX_RELATIONSHIPS: usize = 256;

/// A property map that is bound once every variable of the clause is known.
struct Later<'t> {
    slot: usize,
    owner: Type,
    properties: &'t Properties,
    /// The place of the relationship of variable length that it belongs to.
    walk: Option<usize>,
}

impl<'r> Binder<'_, 'r> {
    /// The steps that find `patterns` where `filter` holds.
    pub(super) fn matching(
        &mut self,
        patterns: &[Pattern],
        filter: Option<&ast::Expr>,
    ) -> Outcome<Vec<Step>> {
        let mut matching = Matching::default();
        let first_new = self.frame.width;
        let mut later = Vec::new();
        for pattern in patterns {
            self.pattern(pattern, first_new, &mut matching, &mut later)?;
        }
        for map in later {
            self.properties(map, first_new, &mut matching)?;
        }
        if let Some(filter) = filter {
            self.conditions(filter, &mut matching)?;
        }
        let span = patterns.first().map_or(Span::default(), |p| p.span);
        plan(self.graph, matching, self.planning).map_err(|error| Fault::from(error).or_at(span))
    }

    fn pattern<'t>(
        &mut self,
        pattern: &'t Pattern,
        first_new: usize,
        matching: &mut Matching,
        later: &mut Vec<Later<'t>>,
    ) -> Outcome<()> {
        let chain = &pattern.chain;
        if matching.rels.len() + chain.rest.len() > MAX_RELATIONSHIPS {
            let message = format!("one MATCH speaks of at most {MAX_RELATIONSHIPS} relationships");
            let limit = Fault::limit("pattern", "limit-pattern", Some(pattern.span), message);
            return Err(limit.hint("split it into several, or use a variable length"));
        }
        if pattern.shortest != Shortest::No && chain.rest.len() != 1 {
            let message =
                "a shortest path has exactly one relationship, of variable length, between two nodes";
            return Err(Fault::syntax("syntax", pattern.span, message)
                .hint("as in shortestPath((a)-[:LINKED*..6]-(b))"));
        }
        let start = self.node(&chain.first, first_new, matching, later)?;
        let (mut left, mut rels) = (start, Vec::new());
        for (rel, node) in &chain.rest {
            // The relationship's name is taken before the far node's, as it is read.
            let at = self.relationship(rel, left, pattern.shortest, matching, later)?;
            let right = self.node(node, first_new, matching, later)?;
            if let Some(planned) = matching.rels.get_mut(at) {
                planned.right = right;
                rels.push(planned.slot);
            }
            left = right;
        }
        if let Some(path) = &pattern.path {
            self.fresh(path)?;
            let slot = self.frame.declare(&path.text, Type::Path);
            if pattern.shortest == Shortest::No {
                let start = matching.nodes.get(start).map_or(slot, |node| node.slot);
                matching.paths.push(PlannedPath { slot, start, rels, span: pattern.span });
            } else if let Some(planned) = matching.rels.last_mut() {
                planned.path = Some(slot);
            }
        }
        Ok(())
    }

    /// The place in `matching` of a node.
    fn node<'t>(
        &mut self,
        node: &'t NodePattern,
        first_new: usize,
        matching: &mut Matching,
        later: &mut Vec<Later<'t>>,
    ) -> Outcome<usize> {
        let slot = match &node.var {
            Some(var) => match self.frame.find(&var.text) {
                Some(known) => {
                    if !matches!(known.ty, Type::Node | Type::Any | Type::Null) {
                        return Err(conflict(var, &known.ty, "a node"));
                    }
                    let slot = known.slot;
                    self.uses.push(slot);
                    slot
                }
                None => self.frame.declare(&var.text, Type::Node),
            },
            None => self.frame.slot(),
        };
        let mut labels = Some(Vec::new());
        for name in &node.labels {
            match (self.label(name)?, &mut labels) {
                (Some(label), Some(labels)) if !labels.contains(&label) => labels.push(label),
                (Some(_), _) => {}
                (None, _) => labels = None,
            }
        }
        if let Some(properties) = &node.properties {
            later.push(Later { slot, owner: Type::Node, properties, walk: None });
        }
        if let Some(at) = matching.nodes.iter().position(|known| known.slot == slot) {
            let known = &mut matching.nodes[at];
            known.labels = match (known.labels.take(), labels) {
                (Some(mut all), Some(more)) => {
                    all.extend(more.into_iter().filter(|label| !all.contains(label)).collect::<Vec<_>>());
                    Some(all)
                }
                _ => None,
            };
            return Ok(at);
        }
        matching.nodes.push(PlannedNode { slot, bound: slot < first_new, labels, span: node.span });
        Ok(matching.nodes.len() - 1)
    }

    /// The place in `matching` of a relationship, its right end still open.
    fn relationship<'t>(
        &mut self,
        rel: &'t RelPattern,
        left: usize,
        shortest: Shortest,
        matching: &mut Matching,
        later: &mut Vec<Later<'t>>,
    ) -> Outcome<usize> {
        let (ty, what) = match rel.range {
            Some(_) => (Type::list(Type::Rel), "a list of relationships"),
            None if shortest != Shortest::No => (Type::list(Type::Rel), "a list of relationships"),
            None => (Type::Rel, "a relationship"),
        };
        let mut bound = false;
        let slot = match &rel.var {
            Some(var) => match self.frame.find(&var.text) {
                Some(known) => {
                    if matching.rels.iter().any(|other| other.slot == known.slot) {
                        let message = format!("the relationship `{}` stands twice in one MATCH", var.text);
                        return Err(Fault::binding("relationship-reused", var.span, message)
                            .hint("relationships of one MATCH are all different"));
                    }
                    let fits = match (&known.ty, &ty) {
                        (Type::Any | Type::Null, _) => true,
                        (Type::List(element), Type::List(_)) => {
                            matches!(**element, Type::Rel | Type::Any | Type::Null)
                        }
                        (known, ty) => known == ty,
                    };
                    if !fits {
                        return Err(conflict(var, &known.ty, what));
                    }
                    if shortest != Shortest::No {
                        return Err(Fault::unsupported(
                            var.span,
                            "a shortest path along relationships that are bound",
                        ));
                    }
                    bound = true;
                    let slot = known.slot;
                    self.uses.push(slot);
                    slot
                }
                None => self.frame.declare(&var.text, ty),
            },
            None => self.frame.slot(),
        };
        let mut types = Vec::new();
        for name in &rel.types {
            types.extend(self.rel_type(name)?);
        }
        let types = (rel.types.is_empty() || !types.is_empty()).then_some(types);
        let range = rel.range.map(|range| (range.min.unwrap_or(1), range.max.unwrap_or(u32::MAX)));
        let at = matching.rels.len();
        if let Some(properties) = &rel.properties {
            let walk = (range.is_some() || shortest != Shortest::No).then_some(at);
            later.push(Later { slot, owner: Type::Rel, properties, walk });
        }
        matching.rels.push(PlannedRel {
            slot,
            bound,
            left,
            right: left,
            direction: rel.direction,
            types,
            range,
            properties: Vec::new(),
            shortest,
            path: None,
            span: rel.span,
        });
        Ok(at)
    }

    fn properties(&mut self, map: Later<'_>, first_new: usize, matching: &mut Matching) -> Outcome<()> {
        let entries = match map.properties {
            Properties::Map(entries, _) => entries,
            Properties::Param(name) => {
                let message = "a pattern's properties cannot come from a parameter as a whole";
                let hint = format!("write them out, as in {{key: ${}.key}}", name.text);
                return Err(Fault::binding("parameter-map", name.span, message).hint(hint));
            }
        };
        for (key, value) in entries {
            self.property(&map.owner, key)?;
            let start = self.uses.len();
            let (wanted, _) = self.expr(value)?;
            let mut uses: HashSet<usize> = self.uses.iter().skip(start).copied().collect();
            let settled = uses.iter().all(|slot| *slot < first_new);
            if let Some(rel) = map.walk
                && settled
            {
                if let Some(rel) = matching.rels.get_mut(rel) {
                    rel.properties.push((key.text.as_str().into(), wanted));
                }
                continue;
            }
            let span = key.span.to(value.span);
            let equals = |slot: usize, wanted: Expr| {
                let owner = Expr { kind: Kind::Slot(slot), span };
                let property = Postfix::Property(key.text.as_str().into(), key.span);
                let property = Expr { kind: Kind::Postfix(Box::new(owner), vec![property]), span };
                Expr { kind: Kind::Compare(Box::new(property), vec![(Comparison::Equal, wanted)]), span }
            };
            uses.insert(map.slot);
            let expr = if map.walk.is_some() {
                let slot = self.frame.slot();
                let kind = Kind::Quantifier {
                    quantifier: Quantifier::All,
                    slot,
                    list: Box::new(Expr { kind: Kind::Slot(map.slot), span }),
                    filter: Box::new(equals(slot, wanted)),
                };
                Expr { kind, span }
            } else {
                equals(map.slot, wanted)
            };
            matching.conditions.push(Conjunct { expr, uses });
        }
        Ok(())
    }

    /// Splits a condition at its ANDs, so that each part can run as early as it can.
    fn conditions(&mut self, filter: &ast::Expr, matching: &mut Matching) -> Outcome<()> {
        let parts = match &filter.kind {
            ast::ExprKind::And(all) => all.as_slice(),
            _ => std::slice::from_ref(filter),
        };
        for part in parts {
            if let ast::ExprKind::And(_) = part.kind {
                self.conditions(part, matching)?;
                continue;
            }
            let start = self.uses.len();
            let (expr, _) = self.predicate(part)?;
            let uses = self.uses.iter().skip(start).copied().collect();
            matching.conditions.push(Conjunct { expr, uses });
        }
        Ok(())
    }

    /// A pattern as a condition: whether it is anywhere.
    pub(super) fn pattern_condition(&mut self, chain: &Chain, span: Span) -> Outcome<Kind> {
        if !self.condition {
            let message = "a pattern can stand here only as a condition, in WHERE";
            return Err(Fault::syntax("misplaced-pattern", span, message)
                .hint("write EXISTS { … }, COUNT { … } or a comprehension [… | …]"));
        }
        let nodes = std::iter::once(&chain.first).chain(chain.rest.iter().map(|(_, node)| node));
        let names =
            nodes.filter_map(|n| n.var.as_ref()).chain(chain.rest.iter().filter_map(|(r, _)| r.var.as_ref()));
        for name in names {
            self.variable(&name.text, name.span)?;
        }
        let pattern = Pattern { path: None, shortest: Shortest::No, chain: chain.clone(), span };
        let inner = self.frame.inner();
        let base = inner.base;
        let steps = self.within(inner, |binder| binder.matching(&[pattern], None))?;
        let parts = self.simplified(vec![Part { steps }], true);
        let plan = QueryPlan { parts, distinct: false, base, columns: 0, span };
        Ok(Kind::Subquery(Arc::new(Nested { plan: Arc::new(plan), gives: Gives::Exists })))
    }

    /// `[p = (a)-->(b) WHERE c | e]`.
    pub(super) fn pattern_comprehension(
        &mut self,
        path: Option<&Name>,
        chain: &Chain,
        filter: Option<&ast::Expr>,
        map: &ast::Expr,
        span: Span,
    ) -> Outcome<(Kind, Type)> {
        let pattern = Pattern { path: path.cloned(), shortest: Shortest::No, chain: chain.clone(), span };
        let inner = self.frame.inner();
        let base = inner.base;
        let (steps, map, ty) = self.within(inner, |binder| {
            let steps = binder.matching(&[pattern], filter)?;
            let (map, ty) = binder.expr(map)?;
            Ok((steps, map, ty))
        })?;
        let plan = QueryPlan { parts: vec![Part { steps }], distinct: false, base, columns: 0, span };
        Ok((
            Kind::Subquery(Arc::new(Nested { plan: Arc::new(plan), gives: Gives::List(map) })),
            Type::list(ty),
        ))
    }

    /// An expression that must be true, false or null.
    pub(super) fn predicate(&mut self, expr: &ast::Expr) -> Outcome<(Expr, Type)> {
        let condition = std::mem::replace(&mut self.condition, true);
        let bound = self.expr(expr);
        self.condition = condition;
        let (bound, ty) = bound?;
        if !ty.may_be_bool() {
            let message = format!("a condition must be true or false, and this is {}", ty.describe());
            return Err(Fault::typed("wrong-type", expr.span, message));
        }
        Ok((bound, ty))
    }

    /// Whether aggregates make sense here.
    pub(super) fn may_aggregate(&self) -> bool {
        matches!(self.around, Around::Grouped(_))
    }
}

fn conflict(var: &Name, known: &Type, wanted: &str) -> Fault {
    let message = format!("`{}` is {}, and {wanted} must stand here", var.text, known.describe());
    Fault::binding("type-conflict", var.span, message)
}
