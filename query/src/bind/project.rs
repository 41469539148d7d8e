//! WITH and RETURN: projection, aggregation, DISTINCT, ORDER BY, SKIP, LIMIT.

use std::sync::Arc;

use super::{Around, Binder, Frame, Grouped, Ordered, Type, Variable, walk};
use crate::ast::{self, ExprKind, Name, Projection, Span};
use crate::error::{Fault, Outcome};
use crate::plan::{Distinct, Expr, Grouping, Kind, Project, Sort, Step};
use crate::value::Value;

/// An item with the name it gets.
struct Named {
    name: String,
    expr: ast::Expr,
    span: Span,
}

impl<'r> Binder<'_, 'r> {
    /// Adds the steps of a projection and makes its names the only ones; gives
    /// the names. `filter` is the WHERE of a WITH.
    pub(super) fn project(
        &mut self,
        projection: &Projection,
        filter: Option<&ast::Expr>,
        with: bool,
        inside: bool,
        steps: &mut Vec<Step>,
    ) -> Outcome<Vec<String>> {
        let (items, unnamed) = self.items(projection, with, inside)?;
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let aggregated = items.iter().any(|item| walk::aggregates(&item.expr) > 0);
        let input = self.frame.clone();
        let (exprs, types) = if aggregated {
            self.group(&items, projection.span, steps)?
        } else {
            let bound: Outcome<Vec<(Expr, Type)>> = items.iter().map(|item| self.expr(&item.expr)).collect();
            bound?.into_iter().unzip()
        };
        let mut after = None;
        if !aggregated && !projection.distinct && (!projection.order.is_empty() || filter.is_some()) {
            after = self.project_and_sort(projection, filter, &items, exprs, types, steps)?;
        } else {
            let base = self.frame.base;
            let mut next = input.next();
            let count = exprs.len();
            for (item, ty) in items.iter().zip(types.iter()) {
                next.declare(&item.name, ty.clone());
            }
            self.frame = next;
            steps.push(Step::Project(Arc::new(Project { base, items: exprs, span: projection.span })));
            if projection.distinct {
                let distinct = Distinct { from: base, count, span: projection.span };
                steps.push(Step::Distinct(Arc::new(distinct)));
            }
            if !projection.order.is_empty() || filter.is_some() {
                let trees = items.iter().zip(types).enumerate();
                let items = trees.map(|(at, (item, ty))| (item.expr.clone(), base + at, ty)).collect();
                let mut ordered = Ordered { input, items, aggregated, beside: false };
                let mut keys = Vec::new();
                for key in &projection.order {
                    ordered.beside = walk::aggregates(&key.expr) > 0;
                    let (expr, back) = self.ordered(ordered, |binder| binder.expr(&key.expr))?;
                    ordered = back;
                    keys.push((expr, key.descending));
                }
                if let Some(filter) = filter {
                    self.no_aggregates(filter)?;
                    ordered.beside = false;
                    after = Some(self.ordered(ordered, |binder| binder.predicate(filter))?.0);
                }
                if !keys.is_empty() {
                    self.sort(projection, keys, steps)?;
                }
            }
        }
        for (count, make) in [
            (&projection.skip, Step::Skip as fn(Arc<Expr>) -> Step),
            (&projection.limit, Step::Limit as fn(Arc<Expr>) -> Step),
        ] {
            if let Some(count) = count {
                steps.push(make(Arc::new(self.count(count)?)));
            }
        }
        steps.extend(after.map(|filter| Step::Filter(Arc::new(filter))));
        unnamed.map_or(Ok(names), Err)
    }

    /// The items with their names, `*` written out, and the error for one that
    /// WITH cannot name: what is wrong with the items themselves comes before it.
    fn items(
        &self,
        projection: &Projection,
        with: bool,
        inside: bool,
    ) -> Outcome<(Vec<Named>, Option<Fault>)> {
        let mut items: Vec<Named> = Vec::new();
        let mut unnamed = None;
        if projection.star {
            for var in self.frame.own() {
                let span = projection.span;
                let expr = ast::Expr { kind: ExprKind::Var(var.name.clone()), span };
                items.push(Named { name: var.name.clone(), expr, span });
            }
            items.sort_by(|a, b| a.name.cmp(&b.name));
            if items.is_empty() && projection.items.is_empty() && !with && !inside {
                let message = "`RETURN *` has no variable to return here";
                return Err(Fault::binding("nothing-to-return", projection.span, message)
                    .hint("name a node or a relationship of the pattern"));
            }
        }
        for item in &projection.items {
            let name = match (&item.alias, &item.expr.kind) {
                (Some(alias), _) => alias.clone(),
                (None, ExprKind::Var(name)) => Name { text: name.clone(), span: item.expr.span },
                (None, _) => {
                    if with && unnamed.is_none() {
                        let message = "this needs a name to be spoken of after WITH";
                        let fault = Fault::binding("unnamed-item", item.expr.span, message);
                        unnamed = Some(fault.hint("add AS and a name"));
                    }
                    Name { text: self.text_of(item.span).to_owned(), span: item.span }
                }
            };
            items.push(Named { name: name.text, expr: item.expr.clone(), span: name.span });
        }
        for (at, item) in items.iter().enumerate() {
            if items.iter().take(at).any(|other| other.name == item.name) {
                let message = format!("two columns are called `{}`", item.name);
                return Err(Fault::binding("duplicate-column", item.span, message).hint("rename one with AS"));
            }
        }
        Ok((items, unnamed))
    }

    /// Binds what may speak of the items of a projection by their own words.
    fn ordered(
        &mut self,
        ordered: Ordered,
        bind: impl FnOnce(&mut Self) -> Outcome<(Expr, Type)>,
    ) -> Outcome<(Expr, Ordered)> {
        let outer = std::mem::replace(&mut self.around, Around::Ordered(Box::new(ordered)));
        let bound = bind(self);
        let around = std::mem::replace(&mut self.around, outer);
        // What is wrong comes first: on an error the surroundings may be another's.
        let (bound, _) = bound?;
        match around {
            Around::Ordered(ordered) => Ok((bound, *ordered)),
            _ => Err(Fault::unsupported(Span::default(), "this order")),
        }
    }

    /// Without DISTINCT and aggregates, ORDER BY and WHERE see the rows before
    /// and after the projection at once: the items are computed beside what they
    /// are made of, the sort keys and the condition from both, and only then the
    /// old row goes. Gives the condition, if it is to run after the sort.
    fn project_and_sort(
        &mut self,
        projection: &Projection,
        filter: Option<&ast::Expr>,
        items: &[Named],
        exprs: Vec<Expr>,
        types: Vec<Type>,
        steps: &mut Vec<Step>,
    ) -> Outcome<Option<Expr>> {
        let base = self.frame.base;
        let mut next = self.frame.next();
        let mut extend = Vec::new();
        let mut kept = Vec::new();
        for ((item, expr), ty) in items.iter().zip(exprs).zip(types) {
            next.declare(&item.name, ty.clone());
            let span = expr.span;
            let slot = match expr.kind {
                Kind::Slot(slot) => slot,
                _ => {
                    let slot = self.frame.slot();
                    extend.push((slot, expr));
                    slot
                }
            };
            self.frame.vars.push(Variable { name: item.name.clone(), slot, ty });
            kept.push(Expr { kind: Kind::Slot(slot), span });
        }
        if !extend.is_empty() {
            steps.push(Step::Extend(Arc::new(extend)));
        }
        let mut keys = Vec::new();
        for key in &projection.order {
            let (expr, _) = self.expr(&key.expr)?;
            let span = expr.span;
            kept.push(expr);
            keys.push((Expr { kind: Kind::Slot(next.slot()), span }, key.descending));
        }
        let mut after = None;
        if let Some(filter) = filter {
            let (expr, _) = self.predicate(filter)?;
            if keys.is_empty() && projection.skip.is_none() && projection.limit.is_none() {
                steps.push(Step::Filter(Arc::new(expr)));
            } else {
                // It counts after SKIP and LIMIT, so its outcome travels with the row.
                let span = expr.span;
                kept.push(expr);
                after = Some(Expr { kind: Kind::Slot(next.slot()), span });
            }
        }
        steps.push(Step::Project(Arc::new(Project { base, items: kept, span: projection.span })));
        self.frame = next;
        if !keys.is_empty() {
            self.sort(projection, keys, steps)?;
        }
        Ok(after)
    }

    fn sort(
        &mut self,
        projection: &Projection,
        keys: Vec<(Expr, bool)>,
        steps: &mut Vec<Step>,
    ) -> Outcome<()> {
        let skip = projection.skip.as_ref().map(|count| self.count(count)).transpose()?;
        let limit = projection.limit.as_ref().map(|count| self.count(count)).transpose()?;
        steps.push(Step::Sort(Arc::new(Sort { keys, skip, limit, span: projection.span })));
        Ok(())
    }

    /// The number of SKIP or LIMIT: the same for every row.
    fn count(&mut self, expr: &ast::Expr) -> Outcome<Expr> {
        self.constant = true;
        let bound = self.expr(expr);
        self.constant = false;
        let (bound, ty) = bound?;
        match (&ty, &bound.kind) {
            // What a parameter holds is no fault of the text: it is found when the query runs.
            (_, Kind::Const(_)) if matches!(expr.kind, ExprKind::Param(_)) => Ok(bound),
            (_, Kind::Const(Value::Int(..0))) => {
                let message = "the number of rows must not be negative";
                Err(Fault::binding("negative-count", expr.span, message))
            }
            (Type::Any | Type::Int | Type::Number, _) => Ok(bound),
            _ => {
                let message = format!("the number of rows must be an integer, not {}", ty.describe());
                Err(Fault::typed("invalid-count", expr.span, message))
            }
        }
    }

    /// Groups the rows by the items that hold no aggregate; gives the items as
    /// expressions over the groups.
    fn group(
        &mut self,
        items: &[Named],
        span: Span,
        steps: &mut Vec<Step>,
    ) -> Outcome<(Vec<Expr>, Vec<Type>)> {
        let base = self.frame.base;
        let input = self.frame.clone();
        let mut groups: Frame = input.next();
        let (mut keys, mut trees) = (Vec::new(), Vec::new());
        for item in items.iter().filter(|item| walk::aggregates(&item.expr) == 0) {
            let (expr, ty) = self.expr(&item.expr)?;
            keys.push(expr);
            let slot = match &item.expr.kind {
                ExprKind::Var(name) => groups.declare(name, ty.clone()),
                _ => groups.slot(),
            };
            trees.push((item.expr.clone(), slot, ty));
        }
        let count: usize = items.iter().map(|item| walk::aggregates(&item.expr)).sum();
        let first = groups.width;
        groups.width += count;
        // Binding a key may have widened the input frame.
        let input = std::mem::replace(&mut self.frame, groups);
        let grouped = Grouped { input, keys: trees.clone(), aggregates: Vec::new(), first };
        let around = std::mem::replace(&mut self.around, Around::Grouped(Box::new(grouped)));
        let mut groups_of = trees.into_iter();
        let bound: Outcome<Vec<(Expr, Type)>> = items
            .iter()
            .map(|item| {
                if walk::aggregates(&item.expr) > 0 {
                    return self.expr(&item.expr);
                }
                match groups_of.next() {
                    Some((tree, slot, ty)) => Ok((Expr { kind: Kind::Slot(slot), span: tree.span }, ty)),
                    None => self.expr(&item.expr),
                }
            })
            .collect();
        let around = std::mem::replace(&mut self.around, around);
        let aggregates = match around {
            Around::Grouped(grouped) => grouped.aggregates,
            _ => Vec::new(),
        };
        let (exprs, types) = bound?.into_iter().unzip();
        steps.push(Step::Aggregate(Arc::new(Grouping { base, keys, aggregates, span })));
        Ok((exprs, types))
    }
}
