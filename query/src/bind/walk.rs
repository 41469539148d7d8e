//! Questions about trees that need no names resolved.

use crate::ast::{Expr, ExprKind, Postfix, Predicate};
use crate::functions::Aggregate;

/// The expressions directly inside one, without those inside queries of their own.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Str(_)
        | ExprKind::Param(_)
        | ExprKind::Var(_)
        | ExprKind::CountStar
        | ExprKind::PatternComprehension { .. }
        | ExprKind::Pattern(_)
        | ExprKind::Exists(_)
        | ExprKind::Count(_) => Vec::new(),
        ExprKind::List(all)
        | ExprKind::Or(all)
        | ExprKind::Xor(all)
        | ExprKind::And(all)
        | ExprKind::Power(all)
        | ExprKind::Function { args: all, .. } => all.iter().collect(),
        ExprKind::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        ExprKind::Not(inner) | ExprKind::Negate(inner) | ExprKind::Plus(inner) => vec![inner],
        ExprKind::Compare(first, rest) => {
            std::iter::once(&**first).chain(rest.iter().map(|(_, e)| e)).collect()
        }
        ExprKind::Sum(first, rest) | ExprKind::Product(first, rest) => {
            std::iter::once(&**first).chain(rest.iter().map(|(_, e)| e)).collect()
        }
        ExprKind::Predicates(base, ops) => {
            let operands = ops.iter().filter_map(|op| match op {
                Predicate::In(e)
                | Predicate::StartsWith(e)
                | Predicate::EndsWith(e)
                | Predicate::Contains(e)
                | Predicate::Matches(e) => Some(e),
                Predicate::IsNull(_) | Predicate::IsNotNull(_) => None,
            });
            std::iter::once(&**base).chain(operands).collect()
        }
        ExprKind::Postfix(base, ops) => {
            let operands = ops.iter().flat_map(|op| match op {
                Postfix::Property(_) | Postfix::Labels(_) => [None, None],
                Postfix::Index(at) => [Some(at), None],
                Postfix::Slice(from, to, _) => [from.as_ref(), to.as_ref()],
            });
            std::iter::once(&**base).chain(operands.flatten()).collect()
        }
        ExprKind::Case { subject, whens, otherwise } => {
            let branches = whens.iter().flat_map(|(when, then)| [when, then]);
            subject.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
        }
        ExprKind::ListComprehension { list, filter, map, .. } => {
            std::iter::once(&**list).chain(filter.as_deref()).chain(map.as_deref()).collect()
        }
        ExprKind::Quantifier { list, filter, .. } => vec![list, filter],
    }
}

/// The aggregate that an expression calls itself, if it calls one.
pub(super) fn aggregate(expr: &Expr) -> Option<Aggregate> {
    match &expr.kind {
        ExprKind::CountStar => Some(Aggregate::CountStar),
        ExprKind::Function { name, .. } => Aggregate::find(&name.text),
        _ => None,
    }
}

/// How many calls of aggregates there are in an expression.
pub(super) fn aggregates(expr: &Expr) -> usize {
    usize::from(aggregate(expr).is_some()) + children(expr).into_iter().map(aggregates).sum::<usize>()
}

/// The first expression in `expr`, itself included, that satisfies `wanted`.
pub(super) fn find<'a>(expr: &'a Expr, wanted: &dyn Fn(&Expr) -> bool) -> Option<&'a Expr> {
    if wanted(expr) {
        return Some(expr);
    }
    children(expr).into_iter().find_map(|child| find(child, wanted))
}

/// Whether an expression speaks of a variable.
pub(super) fn speaks_of(expr: &Expr, name: &str) -> bool {
    find(expr, &|e| matches!(&e.kind, ExprKind::Var(var) if var == name)).is_some()
}

/// Whether an expression is a variable or a property of one: what may stand
/// beside an aggregate when the same is grouped by.
pub(super) fn is_simple(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Var(_) => true,
        ExprKind::Postfix(base, ops) => {
            matches!(base.kind, ExprKind::Var(_)) && ops.iter().all(|op| matches!(op, Postfix::Property(_)))
        }
        _ => false,
    }
}
