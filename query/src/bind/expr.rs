//! Expressions.

use super::{Around, Binder, Type, walk};
use crate::ast::{self, Arithmetic, ExprKind, Name, Span};
use crate::error::{Fault, Outcome};
use crate::functions::{self, Accept, Aggregate};
use crate::plan::{AggregateCall, Expr, Gives, Kind, Postfix, Predicate};
use crate::prepare::param;
use crate::value::Value;

type Bound = Outcome<(Expr, Type)>;

impl<'r> Binder<'_, 'r> {
    /// Binds an expression; gives what is known of its type.
    pub(super) fn expr(&mut self, tree: &ast::Expr) -> Bound {
        if let Some(done) = self.substitute(tree)? {
            return Ok(done);
        }
        let transparent = matches!(
            tree.kind,
            ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Xor(_) | ExprKind::Not(_) | ExprKind::Pattern(_)
        );
        let condition = self.condition;
        self.condition = condition && transparent;
        let bound = self.kind(tree);
        self.condition = condition;
        let (kind, ty) = bound?;
        Ok((Expr { kind, span: tree.span }, ty))
    }

    /// After a projection, what was an item of it is that item's value.
    fn substitute(&mut self, tree: &ast::Expr) -> Outcome<Option<(Expr, Type)>> {
        let slot = |slot: usize, ty: &Type| (Expr { kind: Kind::Slot(slot), span: tree.span }, ty.clone());
        match &self.around {
            Around::Grouped(grouped) if walk::is_simple(tree) => {
                let key = grouped.keys.iter().find(|(key, ..)| key == tree);
                Ok(key.map(|(_, at, ty)| slot(*at, ty)))
            }
            Around::Ordered(ordered) => {
                // The item's own name comes first: ORDER BY x after `y AS x` is the new x.
                if let ExprKind::Var(name) = &tree.kind
                    && self.frame.find(name).is_some()
                {
                    return Ok(None);
                }
                let stands = |item: &ast::Expr| {
                    item == tree && (!ordered.beside || walk::is_simple(item) || walk::aggregates(item) > 0)
                };
                if let Some((_, at, ty)) = ordered.items.iter().find(|(item, ..)| stands(item)) {
                    return Ok(Some(slot(*at, ty)));
                }
                Ok(self.prefix(tree)?.map(|(kind, ty)| (Expr { kind, span: tree.span }, ty)))
            }
            _ => Ok(None),
        }
    }

    /// In a chain as `a + b + c`, an item `a + b` stands at the start.
    fn prefix(&mut self, tree: &ast::Expr) -> Outcome<Option<(Kind, Type)>> {
        let Around::Ordered(ordered) = &self.around else { return Ok(None) };
        if ordered.beside {
            return Ok(None);
        }
        let (ExprKind::Sum(first, rest) | ExprKind::Product(first, rest)) = &tree.kind else {
            return Ok(None);
        };
        let sums = matches!(tree.kind, ExprKind::Sum(..));
        let found = ordered.items.iter().find_map(|(item, slot, ty)| match (&item.kind, sums) {
            (ExprKind::Sum(f, r), true) | (ExprKind::Product(f, r), false) => {
                (f == first && r.len() < rest.len() && rest.starts_with(r))
                    .then(|| (*slot, r.len(), ty.clone()))
            }
            _ => None,
        });
        let Some((slot, taken, ty)) = found else { return Ok(None) };
        let start = Expr { kind: Kind::Slot(slot), span: first.span };
        let rest: Vec<(Arithmetic, ast::Expr)> = rest.iter().skip(taken).cloned().collect();
        self.arithmetic((start, ty), rest.iter().map(|(op, e)| (*op, e)), tree.span).map(Some)
    }

    fn kind(&mut self, tree: &ast::Expr) -> Outcome<(Kind, Type)> {
        let constant = |value: Value| {
            let ty = Type::of(&value);
            Ok((Kind::Const(value), ty))
        };
        match &tree.kind {
            ExprKind::Null => constant(Value::Null),
            ExprKind::Bool(value) => constant((*value).into()),
            ExprKind::Int(value) => constant((*value).into()),
            ExprKind::Float(value) => constant((*value).into()),
            ExprKind::Str(text) => constant(text.as_str().into()),
            ExprKind::Param(name) => self.parameter(name, tree.span),
            ExprKind::Var(name) => self.variable(name, tree.span).map(|(slot, ty)| (Kind::Slot(slot), ty)),
            ExprKind::List(items) => self.list(items),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Or(all) => self.connective(all, "OR", Kind::Or),
            ExprKind::Xor(all) => self.connective(all, "XOR", Kind::Xor),
            ExprKind::And(all) => self.connective(all, "AND", Kind::And),
            ExprKind::Not(inner) => {
                let inner = self.boolean(inner, "NOT")?;
                Ok((Kind::Not(Box::new(inner)), Type::Bool))
            }
            ExprKind::Compare(first, rest) => {
                let first = self.expr(first)?.0;
                let rest: Outcome<_> = rest.iter().map(|(op, e)| Ok((*op, self.expr(e)?.0))).collect();
                Ok((Kind::Compare(Box::new(first), rest?), Type::Bool))
            }
            ExprKind::Predicates(base, ops) => {
                let base = self.expr(base)?.0;
                let ops: Outcome<_> = ops.iter().map(|op| self.predicate_op(op)).collect();
                Ok((Kind::Predicates(Box::new(base), ops?), Type::Bool))
            }
            ExprKind::Sum(first, rest) | ExprKind::Product(first, rest) => {
                let first = self.expr(first)?;
                self.arithmetic(first, rest.iter().map(|(op, e)| (*op, e)), tree.span)
            }
            ExprKind::Power(all) => match all.split_first() {
                Some((first, rest)) => {
                    let first = self.expr(first)?;
                    self.arithmetic(first, rest.iter().map(|e| (Arithmetic::Power, e)), tree.span)
                }
                None => constant(Value::Null),
            },
            ExprKind::Negate(inner) => self.sign(inner, Kind::Negate),
            ExprKind::Plus(inner) => self.sign(inner, Kind::Plus),
            ExprKind::Postfix(base, ops) => self.postfix(base, ops),
            _ => self.composite(tree),
        }
    }

    fn composite(&mut self, tree: &ast::Expr) -> Outcome<(Kind, Type)> {
        match &tree.kind {
            ExprKind::Case { subject, whens, otherwise } => {
                self.case(subject.as_deref(), whens, otherwise.as_deref())
            }
            ExprKind::Function { name, distinct, args } => self.function(tree, name, *distinct, args),
            ExprKind::CountStar => self.aggregate(tree, Aggregate::CountStar, false, &[]),
            ExprKind::ListComprehension { var, list, filter, map } => {
                let (list, ty) = self.list_operand(list)?;
                self.local(var, ty.element(), |binder, slot| {
                    let filter = match filter.as_deref() {
                        Some(filter) => Some(Box::new(binder.predicate(filter)?.0)),
                        None => None,
                    };
                    let (map, element) = match map.as_deref() {
                        Some(map) => {
                            binder.no_aggregates(map)?;
                            let (map, ty) = binder.expr(map)?;
                            (Some(Box::new(map)), ty)
                        }
                        None => (None, ty.element()),
                    };
                    let kind = Kind::Comprehension { slot, list: Box::new(list), filter, map };
                    Ok((kind, Type::list(element)))
                })
            }
            ExprKind::Quantifier { quantifier, var, list, filter } => {
                let (list, ty) = self.list_operand(list)?;
                self.local(var, ty.element(), |binder, slot| {
                    binder.no_aggregates(filter)?;
                    let filter = Box::new(binder.predicate(filter)?.0);
                    let kind =
                        Kind::Quantifier { quantifier: *quantifier, slot, list: Box::new(list), filter };
                    Ok((kind, Type::Bool))
                })
            }
            ExprKind::PatternComprehension { path, chain, filter, map } => {
                self.pattern_comprehension(path.as_ref(), chain, filter.as_deref(), map, tree.span)
            }
            ExprKind::Pattern(chain) => Ok((self.pattern_condition(chain, tree.span)?, Type::Bool)),
            ExprKind::Exists(body) => Ok((self.subquery(body, Gives::Exists, tree.span)?, Type::Bool)),
            ExprKind::Count(body) => Ok((self.subquery(body, Gives::Count, tree.span)?, Type::Int)),
            _ => Err(Fault::unsupported(tree.span, "this expression")),
        }
    }

    fn parameter(&mut self, name: &str, span: Span) -> Outcome<(Kind, Type)> {
        // What it is today says nothing about the text: no type is taken from it.
        Ok((Kind::Const(param(name, span, self.params)?.clone()), Type::Any))
    }

    fn list(&mut self, items: &[ast::Expr]) -> Outcome<(Kind, Type)> {
        let bound: Outcome<Vec<(Expr, Type)>> = items.iter().map(|item| self.expr(item)).collect();
        let (items, types): (Vec<Expr>, Vec<Type>) = bound?.into_iter().unzip();
        let element = types.into_iter().reduce(Type::join).unwrap_or(Type::Any);
        let constants: Option<Vec<Value>> = items
            .iter()
            .map(|item| match &item.kind {
                Kind::Const(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        let kind = match constants {
            Some(values) => Kind::Const(values.into()),
            None => Kind::List(items),
        };
        Ok((kind, Type::list(element)))
    }

    fn map(&mut self, entries: &[(Name, ast::Expr)]) -> Outcome<(Kind, Type)> {
        let mut bound = Vec::new();
        for (key, value) in entries {
            bound.push((key.text.as_str().into(), self.expr(value)?.0));
        }
        Ok((Kind::Map(bound), Type::Map))
    }

    fn connective(
        &mut self,
        all: &[ast::Expr],
        word: &str,
        make: fn(Vec<Expr>) -> Kind,
    ) -> Outcome<(Kind, Type)> {
        let all: Outcome<Vec<Expr>> = all.iter().map(|e| self.boolean(e, word)).collect();
        Ok((make(all?), Type::Bool))
    }

    fn boolean(&mut self, tree: &ast::Expr, word: &str) -> Outcome<Expr> {
        let (expr, ty) = self.expr(tree)?;
        if ty.may_be_bool() {
            return Ok(expr);
        }
        let message = format!("{word} takes booleans, and this is {}", ty.describe());
        Err(Fault::typed("wrong-type", tree.span, message))
    }

    fn list_operand(&mut self, tree: &ast::Expr) -> Bound {
        let (expr, ty) = self.expr(tree)?;
        if matches!(ty, Type::Any | Type::Null | Type::List(_)) {
            return Ok((expr, ty));
        }
        let message = format!("a list must stand here, and this is {}", ty.describe());
        Err(Fault::typed("wrong-type", tree.span, message))
    }

    fn predicate_op(&mut self, op: &ast::Predicate) -> Outcome<Predicate> {
        Ok(match op {
            ast::Predicate::In(list) => Predicate::In(self.list_operand(list)?.0),
            ast::Predicate::StartsWith(e) => Predicate::StartsWith(self.expr(e)?.0),
            ast::Predicate::EndsWith(e) => Predicate::EndsWith(self.expr(e)?.0),
            ast::Predicate::Contains(e) => Predicate::Contains(self.expr(e)?.0),
            ast::Predicate::Matches(e) => Predicate::Matches(self.expr(e)?.0),
            ast::Predicate::IsNull(_) => Predicate::IsNull,
            ast::Predicate::IsNotNull(_) => Predicate::IsNotNull,
        })
    }

    fn arithmetic<'t>(
        &mut self,
        first: (Expr, Type),
        rest: impl Iterator<Item = (Arithmetic, &'t ast::Expr)>,
        span: Span,
    ) -> Outcome<(Kind, Type)> {
        let (first, mut ty) = first;
        let mut bound = Vec::new();
        for (op, tree) in rest {
            let (right, right_ty) = self.expr(tree)?;
            ty = arithmetic_type(op, &ty, &right_ty).ok_or_else(|| {
                let (left, right) = (ty.describe(), right_ty.describe());
                let message = format!("`{}` cannot be applied to {left} and {right}", op.symbol());
                Fault::typed("wrong-type", span, message)
            })?;
            bound.push((op, right));
        }
        Ok((Kind::Arithmetic(Box::new(first), bound), ty))
    }

    fn sign(&mut self, inner: &ast::Expr, make: fn(Box<Expr>) -> Kind) -> Outcome<(Kind, Type)> {
        let (expr, ty) = self.expr(inner)?;
        if ty.is_number() || matches!(ty, Type::Any | Type::Null | Type::Duration) {
            return Ok((make(Box::new(expr)), ty));
        }
        let message = format!("a sign goes before a number, and this is {}", ty.describe());
        Err(Fault::typed("wrong-type", inner.span, message))
    }

    fn postfix(&mut self, base: &ast::Expr, ops: &[ast::Postfix]) -> Outcome<(Kind, Type)> {
        // `n.name` may be what is grouped by even where `n.name.more` stands.
        let (base, mut ty) = self.expr(base)?;
        let mut bound = Vec::new();
        for op in ops {
            let (op, next) = match op {
                ast::Postfix::Property(name) => {
                    self.property(&ty, name)?;
                    if ty.is_number() || matches!(ty, Type::Bool | Type::String | Type::List(_) | Type::Path)
                    {
                        let message = format!("{} has no properties, so no `{}`", ty.describe(), name.text);
                        return Err(Fault::typed("no-properties", name.span, message));
                    }
                    (Postfix::Property(name.text.as_str().into(), name.span), Type::Any)
                }
                ast::Postfix::Index(at) => {
                    let (at, _) = self.expr(at)?;
                    let element = ty.element();
                    (Postfix::Index(at), if element == Type::Null { Type::Any } else { element })
                }
                ast::Postfix::Slice(from, to, span) => {
                    let mut bound = |e: &Option<ast::Expr>| e.as_ref().map(|e| self.expr(e)).transpose();
                    let (from, to) = (bound(from)?, bound(to)?);
                    (Postfix::Slice(from.map(|e| e.0), to.map(|e| e.0), *span), ty.clone())
                }
                ast::Postfix::Labels(names) => {
                    let span = names.first().zip(names.last()).map_or(base.span, |(a, b)| a.span.to(b.span));
                    (Postfix::Labels(self.tested(&ty, names)?, span), Type::Bool)
                }
            };
            bound.push(op);
            ty = next;
        }
        Ok((Kind::Postfix(Box::new(base), bound), ty))
    }

    /// The labels, or types, that a test asks for.
    #[allow(clippy::type_complexity)]
    fn tested(
        &self,
        ty: &Type,
        names: &[Name],
    ) -> Outcome<Vec<(Option<crate::graph::LabelId>, Option<crate::graph::TypeId>)>> {
        let mut tested = Vec::new();
        for name in names {
            let kind = self.graph.rel_type(&name.text);
            tested.push(match ty {
                Type::Rel => (None, self.rel_type(name)?),
                Type::Node | Type::Null => (self.label(name)?, None),
                Type::Any if kind.is_some() => (self.graph.label(&name.text), kind),
                Type::Any => (self.label(name)?, None),
                _ => {
                    let message = format!("{} has no labels", ty.describe());
                    return Err(Fault::typed("wrong-type", name.span, message));
                }
            });
        }
        Ok(tested)
    }

    fn case(
        &mut self,
        subject: Option<&ast::Expr>,
        whens: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Outcome<(Kind, Type)> {
        let searched = subject.is_none();
        let subject = subject.map(|e| self.expr(e)).transpose()?.map(|(e, _)| Box::new(e));
        let mut ty = Type::Null;
        let mut bound = Vec::new();
        for (when, then) in whens {
            let when = if searched { self.predicate(when)?.0 } else { self.expr(when)?.0 };
            let (then, then_ty) = self.expr(then)?;
            ty = ty.join(then_ty);
            bound.push((when, then));
        }
        let otherwise = match otherwise.map(|e| self.expr(e)).transpose()? {
            Some((e, otherwise_ty)) => {
                ty = ty.join(otherwise_ty);
                Some(Box::new(e))
            }
            None => None,
        };
        Ok((Kind::Case { subject, whens: bound, otherwise }, ty))
    }

    /// Binds with one more variable, which ends with the expression.
    fn local<T>(
        &mut self,
        var: &Name,
        ty: Type,
        bind: impl FnOnce(&mut Self, usize) -> Outcome<T>,
    ) -> Outcome<T> {
        let slot = self.frame.declare(&var.text, ty);
        let result = bind(self, slot);
        self.frame.vars.pop();
        result
    }

    pub(super) fn no_aggregates(&self, tree: &ast::Expr) -> Outcome<()> {
        match walk::find(tree, &|e| walk::aggregate(e).is_some()) {
            Some(inner) => Err(misplaced(inner.span)),
            None => Ok(()),
        }
    }

    fn function(
        &mut self,
        tree: &ast::Expr,
        name: &Name,
        distinct: bool,
        args: &[ast::Expr],
    ) -> Outcome<(Kind, Type)> {
        if let Some(aggregate) = Aggregate::find(&name.text) {
            return self.aggregate(tree, aggregate, distinct, args);
        }
        let Some(function) = functions::find(&name.text) else {
            let message = format!("no function `{}`", name.text);
            if name.text.eq_ignore_ascii_case("exists") {
                return Err(Fault::binding("unknown-function", name.span, message)
                    .hint("write `… IS NOT NULL` of a property, EXISTS { … } of a pattern"));
            }
            return Err(Fault::binding("unknown-function", name.span, message)
                .did_you_mean(&name.text, functions::names()));
        };
        if distinct {
            let message = format!("DISTINCT is for aggregates, and `{}` is none", function.name);
            return Err(Fault::syntax("syntax", name.span, message));
        }
        let (least, most) = (function.least, function.takes.len());
        if args.len() < least || (args.len() > most && !function.variadic) {
            let range = match (least, most) {
                (least, _) if function.variadic => format!("{least} or more arguments"),
                (least, most) if least == most => {
                    format!("{least} argument{}", if least == 1 { "" } else { "s" })
                }
                (least, most) => format!("{least} to {most} arguments"),
            };
            let message = format!("{}() takes {range}, not {}", function.name, args.len());
            return Err(Fault::binding("argument-count", tree.span, message));
        }
        let mut bound = Vec::new();
        let mut types = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let (expr, ty) = self.expr(arg)?;
            let accepts = function.takes.get(at).or(function.takes.last()).copied().unwrap_or(Accept::Any);
            if !accepts.allows(&ty) {
                let message = format!("{}() takes {}, not {}", function.name, accepts.wants(), ty.describe());
                return Err(Fault::typed("wrong-argument", arg.span, message));
            }
            bound.push(expr);
            types.push(ty);
        }
        let ty = (function.gives)(&types);
        Ok((Kind::Call(function, bound), ty))
    }

    fn aggregate(
        &mut self,
        tree: &ast::Expr,
        function: Aggregate,
        distinct: bool,
        args: &[ast::Expr],
    ) -> Outcome<(Kind, Type)> {
        let nested = matches!(self.around, Around::Aggregate);
        if !self.may_aggregate() {
            // An unknown name in it is the plainer mistake.
            if matches!(self.around, Around::Ordered(_)) {
                self.around = Around::Aggregate;
                for arg in args {
                    self.expr(arg)?;
                }
            }
            return Err(if nested { nested_aggregate(tree.span) } else { misplaced(tree.span) });
        }
        if args.len() != function.arguments() {
            let message = format!(
                "{}() takes {} argument(s), not {}",
                function.name(),
                function.arguments(),
                args.len()
            );
            return Err(Fault::binding("argument-count", tree.span, message));
        }
        let around = std::mem::replace(&mut self.around, Around::Aggregate);
        let Around::Grouped(mut grouped) = around else { return Err(misplaced(tree.span)) };
        std::mem::swap(&mut self.frame, &mut grouped.input);
        let result = self.aggregate_args(function, args);
        std::mem::swap(&mut self.frame, &mut grouped.input);
        let slot = grouped.first + grouped.aggregates.len();
        let (args, ty) = match result {
            Ok(bound) => bound,
            Err(fault) => {
                self.around = Around::Grouped(grouped);
                return Err(fault);
            }
        };
        grouped.aggregates.push(AggregateCall { function, args, distinct, span: tree.span });
        self.around = Around::Grouped(grouped);
        Ok((Kind::Slot(slot), function.gives(ty)))
    }

    fn aggregate_args(&mut self, function: Aggregate, args: &[ast::Expr]) -> Outcome<(Vec<Expr>, Type)> {
        let mut bound = Vec::new();
        let mut first = Type::Any;
        for (at, arg) in args.iter().enumerate() {
            let random = walk::find(
                arg,
                &|e| matches!(&e.kind, ExprKind::Function { name, .. } if name.text.eq_ignore_ascii_case("rand")),
            );
            if let Some(random) = random {
                let message = "a random number inside an aggregate has no defined meaning";
                return Err(Fault::binding("not-constant", random.span, message)
                    .hint("compute it in a WITH before this"));
            }
            let (expr, ty) = self.expr(arg)?;
            let number = ty.is_number() || matches!(ty, Type::Any | Type::Null);
            if !number && (function.numeric() || at > 0) {
                let message = format!("{}() takes numbers, not {}", function.name(), ty.describe());
                return Err(Fault::typed("wrong-argument", arg.span, message));
            }
            if at == 0 {
                first = ty;
            }
            bound.push(expr);
        }
        Ok((bound, first))
    }
}

fn misplaced(span: Span) -> Fault {
    let message = "an aggregate can stand only in an item of RETURN or WITH";
    Fault::binding("misplaced-aggregate", span, message).hint("compute it in a WITH before this")
}

fn nested_aggregate(span: Span) -> Fault {
    let message = "an aggregate cannot stand in another aggregate";
    Fault::binding("nested-aggregate", span, message).hint("compute it in a WITH before this")
}

/// The type of `left op right`, or `None` if there is no such operation.
fn arithmetic_type(op: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    use Type::{Any, DateTime, Duration, Float, Int, List, Null, Number, String};
    // Null with anything is null, as it is when it comes from the data.
    if *left == Null || *right == Null {
        return Some(Null);
    }
    if op == Arithmetic::Add {
        match (left, right) {
            (List(a), List(b)) => return Some(Type::list((**a).clone().join((**b).clone()))),
            (List(_), Any) | (Any, List(_)) => return Some(Type::list(Any)),
            (List(a), b) | (b, List(a)) => return Some(Type::list((**a).clone().join(b.clone()))),
            (String, String) => return Some(String),
            (String, other) | (other, String) if other.is_number() => return Some(String),
            (Any, _) | (_, Any) => return Some(Any),
            _ => {}
        }
    }
    let number = |ty: &Type| ty.is_number() || *ty == Any;
    match (left, right) {
        (Any, Any) | (DateTime, Duration | Any) => Some(Any),
        (Duration | Any, DateTime) if op == Arithmetic::Add => Some(Any),
        (Duration, Duration | Any) | (Any, Duration) => {
            (matches!(op, Arithmetic::Add | Arithmetic::Subtract)).then_some(Any)
        }
        (a, b) if number(a) && number(b) => Some(match (op, a, b) {
            (Arithmetic::Power, ..) => Float,
            (_, Float, _) | (_, _, Float) => Float,
            (_, Int, Int) => Int,
            (_, Any, _) | (_, _, Any) => Any,
            _ => Number,
        }),
        _ => None,
    }
}
