//! Queries and clauses.

use std::sync::Arc;

use super::{Around, Binder, Frame, Type};
use crate::ast::{self, Call, Clause, Name, Query, Single, Span, Subquery, Yield};
use crate::error::{Fault, Outcome};
use crate::graph::LabelId;
use crate::plan::{CallStep, Expr, Gives, Kind, Nested, Part, QueryPlan, Step, Unwind, simplify};

impl<'r> Binder<'_, 'r> {
    /// Binds a query that starts in `frame`. Inside EXISTS and COUNT it need not return anything.
    pub(super) fn query(
        &mut self,
        query: &Query,
        frame: Frame,
        inside: bool,
    ) -> Outcome<(QueryPlan, Vec<String>)> {
        let outer = std::mem::replace(&mut self.frame, frame.clone());
        let around = std::mem::replace(&mut self.around, Around::Plain);
        let condition = std::mem::replace(&mut self.condition, false);
        let mut parts = Vec::new();
        let mut columns: Option<Vec<String>> = None;
        for part in &query.parts {
            self.frame = frame.clone();
            let (steps, names) = self.single(part, inside)?;
            match &columns {
                Some(first) if *first != names => {
                    let message = format!(
                        "the parts of a UNION must have the same columns: `{}` there, `{}` here",
                        first.join("`, `"),
                        names.join("`, `")
                    );
                    return Err(Fault::binding("union-columns", part.span, message));
                }
                Some(_) => {}
                None => columns = Some(names),
            }
            parts.push(Part { steps });
        }
        if query.all.windows(2).any(|pair| pair.first() != pair.last()) {
            let message = "UNION and UNION ALL cannot be mixed in one query";
            return Err(Fault::syntax("mixed-union", query.span, message));
        }
        self.frame = outer;
        self.around = around;
        self.condition = condition;
        let columns = columns.unwrap_or_default();
        let distinct = query.all.first().is_some_and(|all| !all);
        let parts = self.simplified(parts, distinct);
        let plan = QueryPlan { parts, distinct, base: frame.base, columns: columns.len(), span: query.span };
        Ok((plan, columns))
    }

    /// The parts with less work where the result is the same; see [`simplify`].
    pub(super) fn simplified(&self, parts: Vec<Part>, once: bool) -> Vec<Part> {
        let counts = |labels: &[LabelId]| self.graph.counts_exactly(labels);
        parts.into_iter().map(|part| Part { steps: simplify(part.steps, once, counts) }).collect()
    }

    fn single(&mut self, single: &Single, inside: bool) -> Outcome<(Vec<Step>, Vec<String>)> {
        let mut steps = Vec::new();
        let alone = single.clauses.len() == 1 && !inside;
        for (at, clause) in single.clauses.iter().enumerate() {
            match clause {
                Clause::Match { optional, patterns, filter, .. } => {
                    let found = self.matching(patterns, filter.as_ref())?;
                    if *optional {
                        steps.push(Step::Optional(Arc::new(found)));
                    } else {
                        steps.extend(found);
                    }
                }
                Clause::Unwind { list, var, .. } => steps.push(self.unwind(list, var)?),
                Clause::With { projection, filter, .. } => {
                    self.project(projection, filter.as_ref(), true, inside, &mut steps)?;
                }
                Clause::Call(call) => {
                    let columns = self.call(call, alone, &mut steps)?;
                    if alone {
                        return Ok((steps, columns));
                    }
                }
                Clause::Return { projection, .. } => {
                    if at + 1 != single.clauses.len() {
                        let span = single.clauses.get(at + 1).map_or(clause.span(), Clause::span);
                        return Err(Fault::syntax("syntax", span, "RETURN is the last clause of a query"));
                    }
                    let columns = self.project(projection, None, false, inside, &mut steps)?;
                    return Ok((steps, columns));
                }
            }
        }
        if inside {
            return Ok((steps, Vec::new()));
        }
        let end = single.span.end;
        let message = "expected RETURN: a query ends with what it returns";
        Err(Fault::syntax("missing-return", Span::new(end, end), message))
    }

    fn unwind(&mut self, list: &ast::Expr, var: &Name) -> Outcome<Step> {
        let (expr, ty) = self.expr(list)?;
        let element = match &ty {
            Type::List(_) | Type::Any | Type::Null => ty.element(),
            other => other.clone(),
        };
        self.fresh(var)?;
        let slot = self.frame.declare(&var.text, element);
        Ok(Step::Unwind(Arc::new(Unwind { list: expr, slot })))
    }

    /// Fails if a name that is to be new is taken.
    pub(super) fn fresh(&self, name: &Name) -> Outcome<()> {
        match self.frame.find(&name.text) {
            Some(_) => {
                let message = format!("`{}` is bound already", name.text);
                Err(Fault::binding("already-bound", name.span, message).hint("give it another name"))
            }
            None => Ok(()),
        }
    }

    fn call(&mut self, call: &Call, alone: bool, steps: &mut Vec<Step>) -> Outcome<Vec<String>> {
        let Some(signature) = self.graph.procedure(&call.name.text) else {
            let known = self.vocabulary().procedures.iter().map(String::as_str);
            let message = format!("no procedure `{}`", call.name.text);
            return Err(Fault::binding("unknown-procedure", call.name.span, message)
                .did_you_mean(&call.name.text, known));
        };
        let mut args = Vec::new();
        match &call.args {
            Some(given) => {
                if given.len() != signature.parameters.len() {
                    let wanted: Vec<&str> =
                        signature.parameters.iter().map(|(name, _)| name.as_str()).collect();
                    let message = format!(
                        "`{}` takes {} arguments ({}), not {}",
                        signature.name,
                        wanted.len(),
                        wanted.join(", "),
                        given.len()
                    );
                    return Err(Fault::binding("argument-count", call.span, message));
                }
                for (arg, (name, kind)) in given.iter().zip(&signature.parameters) {
                    let (expr, ty) = self.expr(arg)?;
                    if !accepts(kind, &ty) {
                        let message = format!("the argument `{name}` takes {kind}, not {}", ty.describe());
                        return Err(Fault::typed("wrong-type", arg.span, message));
                    }
                    args.push(expr);
                }
            }
            None if alone && call.yields == Yield::Nothing => {
                for (name, _) in &signature.parameters {
                    let Some(value) = self.params.get(name) else {
                        let message =
                            format!("no parameter `${name}` is given, and `{}` takes it", signature.name);
                        return Err(Fault::binding("unknown-parameter", call.span, message));
                    };
                    args.push(Expr { kind: Kind::Const(value.clone()), span: call.span });
                }
            }
            None => {
                let message = "a call inside a query needs its arguments in parentheses";
                return Err(Fault::syntax("missing-arguments", call.name.span, message));
            }
        }
        let mut wanted: Vec<(usize, Name)> = Vec::new();
        match &call.yields {
            Yield::All(span) if !alone => {
                let message = "`YIELD *` is only for a call that stands alone";
                return Err(Fault::syntax("syntax", *span, message).hint("name the columns"));
            }
            Yield::Items(items) => {
                for (column, alias) in items {
                    let Some(at) = signature.columns.iter().position(|name| *name == column.text) else {
                        let known = signature.columns.iter().map(String::as_str);
                        let message = format!("`{}` has no column `{}`", signature.name, column.text);
                        return Err(Fault::binding("unknown-column", column.span, message)
                            .did_you_mean(&column.text, known));
                    };
                    wanted.push((at, alias.as_ref().unwrap_or(column).clone()));
                }
            }
            Yield::Nothing if !alone => {}
            _ => {
                let named =
                    |(at, text): (usize, &String)| (at, Name { text: text.clone(), span: call.name.span });
                wanted.extend(signature.columns.iter().enumerate().map(named));
            }
        }
        let mut yields = Vec::new();
        for (at, name) in &wanted {
            self.fresh(name)?;
            yields.push((*at, self.frame.declare(&name.text, Type::Any)));
        }
        let step = CallStep {
            name: signature.name,
            args,
            yields,
            passes: signature.columns.is_empty() && !alone,
            span: call.span,
        };
        steps.push(Step::Call(Arc::new(step)));
        if let Some(filter) = &call.filter {
            let (expr, _) = self.predicate(filter)?;
            steps.push(Step::Filter(Arc::new(expr)));
        }
        Ok(wanted.into_iter().map(|(_, name)| name.text).collect())
    }

    /// EXISTS { … } or COUNT { … }.
    pub(super) fn subquery(&mut self, body: &Subquery, gives: Gives, span: Span) -> Outcome<Kind> {
        let inner = self.frame.inner();
        let mut plan = match body {
            Subquery::Query(query) => self.query(query, inner, true)?.0,
            Subquery::Pattern { patterns, filter } => {
                let base = inner.base;
                let steps = self.within(inner, |binder| binder.matching(patterns, filter.as_ref()))?;
                QueryPlan { parts: vec![Part { steps }], distinct: false, base, columns: 0, span }
            }
        };
        if matches!(gives, Gives::Exists) {
            plan.parts = self.simplified(plan.parts, true);
        }
        Ok(Kind::Subquery(Arc::new(Nested { plan: Arc::new(plan), gives })))
    }

    /// Binds in another frame, as nothing but a query of its own.
    pub(super) fn within<T>(
        &mut self,
        frame: Frame,
        bind: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let outer = std::mem::replace(&mut self.frame, frame);
        let around = std::mem::replace(&mut self.around, Around::Plain);
        let condition = std::mem::replace(&mut self.condition, false);
        let result = bind(self);
        self.frame = outer;
        self.around = around;
        self.condition = condition;
        result
    }
}

/// Whether a procedure's parameter of a type takes what is known of an argument.
fn accepts(kind: &str, given: &Type) -> bool {
    let kind = kind.trim_end_matches('?').trim();
    match given {
        Type::Any | Type::Null => true,
        Type::Int => matches!(kind, "INTEGER" | "FLOAT" | "NUMBER" | "ANY"),
        Type::Float | Type::Number => matches!(kind, "FLOAT" | "NUMBER" | "ANY"),
        Type::String => matches!(kind, "STRING" | "ANY"),
        Type::Bool => matches!(kind, "BOOLEAN" | "ANY"),
        _ => !matches!(kind, "INTEGER" | "FLOAT" | "NUMBER" | "STRING" | "BOOLEAN"),
    }
}
