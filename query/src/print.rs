//! Trees to text. What is printed parses back to the same tree.

use std::fmt::{self, Display, Write};

use crate::ast::{
    Body, Call, Chain, Clause, Direction, Expr, ExprKind, Literal, LiteralKind, Mode, Name, NodePattern,
    OptionKind, Pattern, Postfix, Predicate, Projection, Properties, Query, RelPattern, Shortest, Single,
    Statement, Subquery, Verb, ViewOption, Who, Yield,
};
use crate::parser::is_reserved;
use crate::value::{write_name, write_string};

impl Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.iter().try_for_each(|option| write!(f, "{option} "))?;
        match &self.body {
            Body::Verb(verb) => verb.fmt(f),
            Body::Query { mode, query } => {
                match mode {
                    Mode::Run => {}
                    Mode::Explain => f.write_str("EXPLAIN ")?,
                    Mode::Analyze => f.write_str("ANALYZE ")?,
                }
                query.fmt(f)
            }
        }
    }
}

impl Display for ViewOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.words())?;
        match &self.kind {
            OptionKind::WithoutLink(a, b) => write!(f, "{a} - {b}"),
            OptionKind::AsOf(value)
            | OptionKind::Threshold(value)
            | OptionKind::WithoutSource(value)
            | OptionKind::ForPurpose(value) => value.fmt(f),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LiteralKind::Str(text) => write_string(f, text),
            LiteralKind::Int(value) => value.fmt(f),
            LiteralKind::Float(value) => write!(f, "{value:?}"),
            LiteralKind::Param(name) => param(f, name),
        }
    }
}

impl Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.words())?;
        if !self.who.is_empty() {
            f.write_char(' ')?;
            joined(f, &self.who, ", ", |f, who| who.fmt(f))?;
        }
        match (self.kind.number(), &self.number) {
            (Some(word), Some(number)) => write!(f, " {word} {number}"),
            _ => Ok(()),
        }
    }
}

impl Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { namespace, value, .. } => {
                write_name(f, &namespace.text)?;
                f.write_char(':')?;
                write_string(f, value)
            }
            Self::Text { text, .. } => write_string(f, text),
            Self::Param(name) => param(f, &name.text),
        }
    }
}

impl Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                let all = self.all.get(at - 1).copied().unwrap_or_default();
                f.write_str(if all { " UNION ALL " } else { " UNION " })?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.clauses, " ", |f, clause| clause.fmt(f))
    }
}

impl Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { optional, patterns, filter, .. } => {
                f.write_str(if *optional { "OPTIONAL MATCH " } else { "MATCH " })?;
                matched(f, patterns, filter.as_ref())
            }
            Self::Unwind { list, var, .. } => {
                write!(f, "UNWIND {list} AS ")?;
                variable(f, &var.text)
            }
            Self::With { projection, filter, .. } => {
                write!(f, "WITH {projection}")?;
                condition(f, filter.as_ref())
            }
            Self::Return { projection, .. } => write!(f, "RETURN {projection}"),
            Self::Call(call) => call.fmt(f),
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CALL ")?;
        dotted(f, &self.name)?;
        if let Some(args) = &self.args {
            f.write_char('(')?;
            joined(f, args, ", ", |f, arg| arg.fmt(f))?;
            f.write_char(')')?;
        }
        match &self.yields {
            Yield::Nothing => {}
            Yield::All(_) => f.write_str(" YIELD *")?,
            Yield::Items(items) => {
                f.write_str(" YIELD ")?;
                joined(f, items, ", ", |f, (column, name)| {
                    write_name(f, &column.text)?;
                    alias(f, name.as_ref())
                })?;
            }
        }
        condition(f, self.filter.as_ref())
    }
}

impl Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.distinct {
            f.write_str("DISTINCT ")?;
        }
        if self.star {
            f.write_str(if self.items.is_empty() { "*" } else { "*, " })?;
        }
        joined(f, &self.items, ", ", |f, item| {
            item.expr.fmt(f)?;
            alias(f, item.alias.as_ref())
        })?;
        if !self.order.is_empty() {
            f.write_str(" ORDER BY ")?;
            joined(f, &self.order, ", ", |f, key| {
                key.expr.fmt(f)?;
                f.write_str(if key.descending { " DESC" } else { "" })
            })?;
        }
        for (word, count) in [("SKIP", &self.skip), ("LIMIT", &self.limit)] {
            if let Some(count) = count {
                write!(f, " {word} {count}")?;
            }
        }
        Ok(())
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            variable(f, &path.text)?;
            f.write_str(" = ")?;
        }
        match self.shortest {
            Shortest::No => self.chain.fmt(f),
            Shortest::One => write!(f, "shortestPath({})", self.chain),
            Shortest::All => write!(f, "allShortestPaths({})", self.chain),
        }
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.rest.iter().try_for_each(|(rel, node)| write!(f, "{rel}{node}"))
    }
}

impl Display for NodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        if let Some(var) = &self.var {
            variable(f, &var.text)?;
        }
        for label in &self.labels {
            f.write_char(':')?;
            write_name(f, &label.text)?;
        }
        properties(f, self.properties.as_ref())?;
        f.write_char(')')
    }
}

impl Display for RelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.direction == Direction::In { "<-[" } else { "-[" })?;
        if let Some(var) = &self.var {
            variable(f, &var.text)?;
        }
        if !self.types.is_empty() {
            f.write_char(':')?;
            joined(f, &self.types, "|", |f, name| write_name(f, &name.text))?;
        }
        if let Some(range) = self.range {
            f.write_char('*')?;
            if let Some(min) = range.min {
                write!(f, "{min}")?;
            }
            if range.min.is_some() || range.max.is_some() {
                f.write_str("..")?;
            }
            if let Some(max) = range.max {
                write!(f, "{max}")?;
            }
        }
        properties(f, self.properties.as_ref())?;
        f.write_str(if self.direction == Direction::Out { "]->" } else { "]-" })
    }
}

impl Display for Subquery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { patterns, filter } => matched(f, patterns, filter.as_ref()),
            Self::Query(query) => query.fmt(f),
        }
    }
}

/// How tightly an expression holds together, as the parser's levels; 11 for what needs no parentheses anywhere.
fn level(kind: &ExprKind) -> u8 {
    match kind {
        // As an operand a pattern could swallow the operator after it.
        ExprKind::Pattern(_) | ExprKind::Or(_) => 0,
        ExprKind::Xor(_) => 1,
        ExprKind::And(_) => 2,
        ExprKind::Not(_) => 3,
        ExprKind::Compare(..) => 4,
        ExprKind::Predicates(..) => 5,
        ExprKind::Sum(..) => 6,
        ExprKind::Product(..) => 7,
        ExprKind::Power(_) => 8,
        ExprKind::Negate(_) | ExprKind::Plus(_) => 9,
        ExprKind::Int(value) if *value < 0 => 9,
        ExprKind::Float(value) if value.is_sign_negative() => 9,
        ExprKind::Postfix(..) => 10,
        _ => 11,
    }
}

/// An operand that must hold together at least as tightly as `least`.
fn operand(f: &mut fmt::Formatter<'_>, expr: &Expr, least: u8) -> fmt::Result {
    if level(&expr.kind) >= least { expr.fmt(f) } else { write!(f, "({expr})") }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Null => f.write_str("null"),
            ExprKind::Bool(value) => value.fmt(f),
            ExprKind::Int(value) => value.fmt(f),
            ExprKind::Float(value) => write!(f, "{value:?}"),
            ExprKind::Str(text) => write_string(f, text),
            ExprKind::Param(name) => param(f, name),
            ExprKind::Var(name) => variable(f, name),
            ExprKind::List(items) => list(f, items),
            ExprKind::Map(entries) => map(f, entries),
            ExprKind::Or(all) => joined(f, all, " OR ", |f, e| operand(f, e, 1)),
            ExprKind::Xor(all) => joined(f, all, " XOR ", |f, e| operand(f, e, 2)),
            ExprKind::And(all) => joined(f, all, " AND ", |f, e| operand(f, e, 3)),
            ExprKind::Power(all) => joined(f, all, " ^ ", |f, e| operand(f, e, 9)),
            ExprKind::Not(inner) => {
                f.write_str("NOT ")?;
                operand(f, inner, 3)
            }
            ExprKind::Negate(inner) => sign(f, '-', inner),
            ExprKind::Plus(inner) => sign(f, '+', inner),
            ExprKind::Compare(first, rest) => {
                operand(f, first, 5)?;
                rest.iter().try_for_each(|(op, e)| {
                    write!(f, " {} ", op.symbol())?;
                    operand(f, e, 5)
                })
            }
            ExprKind::Sum(first, rest) | ExprKind::Product(first, rest) => {
                let least = level(&self.kind) + 1;
                operand(f, first, least)?;
                rest.iter().try_for_each(|(op, e)| {
                    write!(f, " {} ", op.symbol())?;
                    operand(f, e, least)
                })
            }
            ExprKind::Predicates(base, predicates) => {
                operand(f, base, 6)?;
                predicates.iter().try_for_each(|p| predicate(f, p))
            }
            ExprKind::Postfix(base, ops) => {
                operand(f, base, 11)?;
                ops.iter().try_for_each(|op| postfix(f, op))
            }
            _ => composite(f, &self.kind),
        }
    }
}

fn composite(f: &mut fmt::Formatter<'_>, kind: &ExprKind) -> fmt::Result {
    match kind {
        ExprKind::Case { subject, whens, otherwise } => {
            f.write_str("CASE")?;
            if let Some(subject) = subject {
                write!(f, " {subject}")?;
            }
            for (when, then) in whens {
                write!(f, " WHEN {when} THEN {then}")?;
            }
            if let Some(otherwise) = otherwise {
                write!(f, " ELSE {otherwise}")?;
            }
            f.write_str(" END")
        }
        ExprKind::Function { name, distinct, args } => {
            dotted(f, name)?;
            f.write_str(if *distinct { "(DISTINCT " } else { "(" })?;
            joined(f, args, ", ", |f, arg| arg.fmt(f))?;
            f.write_char(')')
        }
        ExprKind::CountStar => f.write_str("count(*)"),
        ExprKind::ListComprehension { var, list, filter, map } => {
            f.write_char('[')?;
            variable(f, &var.text)?;
            write!(f, " IN {list}")?;
            condition(f, filter.as_deref())?;
            if let Some(map) = map {
                write!(f, " | {map}")?;
            }
            f.write_char(']')
        }
        ExprKind::Quantifier { quantifier, var, list, filter } => {
            write!(f, "{}(", quantifier.word())?;
            variable(f, &var.text)?;
            write!(f, " IN {list} WHERE {filter})")
        }
        ExprKind::PatternComprehension { path, chain, filter, map } => {
            f.write_char('[')?;
            if let Some(path) = path {
                variable(f, &path.text)?;
                f.write_str(" = ")?;
            }
            chain.fmt(f)?;
            condition(f, filter.as_deref())?;
            write!(f, " | {map}]")
        }
        ExprKind::Pattern(chain) => chain.fmt(f),
        ExprKind::Exists(body) => write!(f, "EXISTS {{ {body} }}"),
        ExprKind::Count(body) => write!(f, "COUNT {{ {body} }}"),
        _ => Ok(()),
    }
}

/// A sign before a literal would become part of it.
fn sign(f: &mut fmt::Formatter<'_>, sign: char, inner: &Expr) -> fmt::Result {
    f.write_char(sign)?;
    match &inner.kind {
        ExprKind::Int(0..) | ExprKind::Float(_) if level(&inner.kind) > 9 => write!(f, "({inner})"),
        _ => operand(f, inner, 9),
    }
}

/// `x IN y` or a pattern at the start of a list would read as a comprehension.
fn list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    f.write_char('[')?;
    if let Some((first, rest)) = items.split_first() {
        operand(f, first, 9)?;
        rest.iter().try_for_each(|item| write!(f, ", {item}"))?;
    }
    f.write_char(']')
}

fn map(f: &mut fmt::Formatter<'_>, entries: &[(Name, Expr)]) -> fmt::Result {
    f.write_char('{')?;
    joined(f, entries, ", ", |f, (key, value)| {
        write_name(f, &key.text)?;
        write!(f, ": {value}")
    })?;
    f.write_char('}')
}

fn predicate(f: &mut fmt::Formatter<'_>, predicate: &Predicate) -> fmt::Result {
    let (word, right) = match predicate {
        Predicate::In(e) => ("IN", e),
        Predicate::StartsWith(e) => ("STARTS WITH", e),
        Predicate::EndsWith(e) => ("ENDS WITH", e),
        Predicate::Contains(e) => ("CONTAINS", e),
        Predicate::Matches(e) => ("=~", e),
        Predicate::IsNull(_) => return f.write_str(" IS NULL"),
        Predicate::IsNotNull(_) => return f.write_str(" IS NOT NULL"),
    };
    write!(f, " {word} ")?;
    operand(f, right, 6)
}

fn postfix(f: &mut fmt::Formatter<'_>, op: &Postfix) -> fmt::Result {
    match op {
        Postfix::Property(name) => {
            f.write_char('.')?;
            write_name(f, &name.text)
        }
        Postfix::Index(at) => write!(f, "[{at}]"),
        Postfix::Slice(from, to, _) => {
            f.write_char('[')?;
            from.iter().try_for_each(|from| from.fmt(f))?;
            f.write_str("..")?;
            to.iter().try_for_each(|to| to.fmt(f))?;
            f.write_char(']')
        }
        Postfix::Labels(labels) => labels.iter().try_for_each(|label| {
            f.write_char(':')?;
            write_name(f, &label.text)
        }),
    }
}

fn matched(f: &mut fmt::Formatter<'_>, patterns: &[Pattern], filter: Option<&Expr>) -> fmt::Result {
    joined(f, patterns, ", ", |f, pattern| pattern.fmt(f))?;
    condition(f, filter)
}

fn condition(f: &mut fmt::Formatter<'_>, filter: Option<&Expr>) -> fmt::Result {
    filter.map_or(Ok(()), |filter| write!(f, " WHERE {filter}"))
}

fn alias(f: &mut fmt::Formatter<'_>, name: Option<&Name>) -> fmt::Result {
    match name {
        Some(name) => {
            f.write_str(" AS ")?;
            variable(f, &name.text)
        }
        None => Ok(()),
    }
}

fn properties(f: &mut fmt::Formatter<'_>, properties: Option<&Properties>) -> fmt::Result {
    match properties {
        None => Ok(()),
        Some(Properties::Map(entries, _)) => {
            f.write_char(' ')?;
            map(f, entries)
        }
        Some(Properties::Param(name)) => {
            f.write_char(' ')?;
            param(f, &name.text)
        }
    }
}

fn param(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.write_char('$')?;
    let plain = !name.is_empty() && name.chars().all(crate::parser::is_name_part);
    if plain { f.write_str(name) } else { write!(f, "`{}`", name.replace('`', "``")) }
}

fn variable(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if is_reserved(name) { write!(f, "`{name}`") } else { write_name(f, name) }
}

/// A function's or procedure's name. The quantifiers' words are functions only in quotes.
fn dotted(f: &mut fmt::Formatter<'_>, name: &Name) -> fmt::Result {
    let quantifier = ["any", "none", "single"].iter().any(|word| word.eq_ignore_ascii_case(&name.text));
    let parts: Vec<&str> = name.text.split('.').collect();
    // A dot at an end, or two in a row, can only have stood in quotes.
    if quantifier || parts.iter().any(|part| part.is_empty()) {
        return write!(f, "`{}`", name.text.replace('`', "``"));
    }
    joined(f, &parts, ".", |f, part| variable(f, part))
}

fn joined<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
    mut each: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        each(f, item)?;
    }
    Ok(())
}
