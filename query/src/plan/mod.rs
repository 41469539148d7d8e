//! What a bound query becomes: expressions over slots, and flat lists of steps.
//!
//! A row is an array of values; every variable has a slot in it. A query is a
//! list of [`Step`]s, each of which takes rows and gives rows; the list is as
//! long as the query is, and nothing that runs it recurses along it.

mod explain;
mod order;
mod simplify;

use std::sync::Arc;

use crate::ast::{Arithmetic, Comparison, Direction, Quantifier, Shortest, Span};
use crate::functions::{Aggregate, Function};
use crate::graph::{LabelId, TypeId};
use crate::value::Value;

pub(crate) use explain::{COLUMNS as EXPLAIN_COLUMNS, MEASURED as ANALYZE_COLUMNS, describe};
pub(crate) use order::{Conjunct, Matching, PlannedNode, PlannedPath, PlannedRel, plan};
pub(crate) use simplify::simplify;

/// A bound expression.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Const(Value),
    Slot(usize),
    List(Vec<Expr>),
    Map(Vec<(Arc<str>, Expr)>),
    Or(Vec<Expr>),
    Xor(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Predicates(Box<Expr>, Vec<Predicate>),
    /// Sums, products and powers, from the left.
    Arithmetic(Box<Expr>, Vec<(Arithmetic, Expr)>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Postfix(Box<Expr>, Vec<Postfix>),
    Case {
        subject: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Call(&'static Function, Vec<Expr>),
    Comprehension {
        slot: usize,
        list: Box<Expr>,
        filter: Option<Box<Expr>>,
        map: Option<Box<Expr>>,
    },
    Quantifier {
        quantifier: Quantifier,
        slot: usize,
        list: Box<Expr>,
        filter: Box<Expr>,
    },
    Subquery(Arc<Nested>),
}

impl Expr {
    /// Whether it may read `slot`; a query inside it counts as reading every slot.
    pub(crate) fn mentions(&self, slot: usize) -> bool {
        match &self.kind {
            Kind::Slot(s) => *s == slot,
            Kind::Subquery(_) => true,
            _ => {
                let mut found = false;
                self.each_child(&mut |child| found = found || child.mentions(slot));
                found
            }
        }
    }

    /// The queries inside it, in the order of the text.
    pub(crate) fn nested<'e>(&'e self, found: &mut Vec<&'e Arc<Nested>>) {
        if let Kind::Subquery(nested) = &self.kind {
            found.push(nested);
        }
        self.each_child(&mut |child| child.nested(found));
    }

    /// The expressions directly inside it, without those of queries inside it.
    fn each_child<'e>(&'e self, see: &mut dyn FnMut(&'e Self)) {
        match &self.kind {
            Kind::Const(_) | Kind::Slot(_) | Kind::Subquery(_) => {}
            Kind::List(all) | Kind::Or(all) | Kind::Xor(all) | Kind::And(all) | Kind::Call(_, all) => {
                all.iter().for_each(see);
            }
            Kind::Map(entries) => entries.iter().for_each(|(_, value)| see(value)),
            Kind::Not(inner) | Kind::Negate(inner) | Kind::Plus(inner) => see(inner),
            Kind::Compare(first, rest) => {
                see(first);
                rest.iter().for_each(|(_, e)| see(e));
            }
            Kind::Arithmetic(first, rest) => {
                see(first);
                rest.iter().for_each(|(_, e)| see(e));
            }
            Kind::Predicates(base, ops) => {
                see(base);
                for op in ops {
                    match op {
                        Predicate::In(e)
                        | Predicate::StartsWith(e)
                        | Predicate::EndsWith(e)
                        | Predicate::Contains(e)
                        | Predicate::Matches(e) => see(e),
                        Predicate::IsNull | Predicate::IsNotNull => {}
                    }
                }
            }
            Kind::Postfix(base, ops) => {
                see(base);
                for op in ops {
                    match op {
                        Postfix::Property(..) | Postfix::Labels(..) => {}
                        Postfix::Index(at) => see(at),
                        Postfix::Slice(from, to, _) => from.iter().chain(to).for_each(&mut *see),
                    }
                }
            }
            Kind::Case { subject, whens, otherwise } => {
                subject.iter().for_each(|e| see(e));
                for (when, then) in whens {
                    see(when);
                    see(then);
                }
                otherwise.iter().for_each(|e| see(e));
            }
            Kind::Comprehension { list, filter, map, .. } => {
                see(list);
                filter.iter().chain(map).for_each(|e| see(e));
            }
            Kind::Quantifier { list, filter, .. } => {
                see(list);
                see(filter);
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Predicate {
    In(Expr),
    StartsWith(Expr),
    EndsWith(Expr),
    Contains(Expr),
    Matches(Expr),
    IsNull,
    IsNotNull,
}

#[derive(Clone, Debug)]
pub(crate) enum Postfix {
    Property(Arc<str>, Span),
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>, Span),
    /// Labels of a node, or types of a relationship, by number where the graph
    /// has them; `None` for one it does not have.
    Labels(Vec<(Option<LabelId>, Option<TypeId>)>, Span),
}

/// A query inside an expression.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(crate) plan: Arc<QueryPlan>,
    pub(crate) gives: Gives,
}

/// What an expression makes of the rows of a query inside it.
#[derive(Debug)]
pub(crate) enum Gives {
    Exists,
    Count,
    /// The list of what the expression gives for each row.
    List(Expr),
}

/// A query as the executor runs it.
#[derive(Clone, Debug)]
pub(crate) struct QueryPlan {
    pub(crate) parts: Vec<Part>,
    /// Whether rows that several parts give come once.
    pub(crate) distinct: bool,
    /// How many slots at the start of every row belong to what encloses the query.
    pub(crate) base: usize,
    /// How many columns follow them in the rows that come out.
    pub(crate) columns: usize,
    pub(crate) span: Span,
}

/// One of the queries that UNION joins.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) steps: Vec<Step>,
}

/// A step of a plan. Each variant holds its own data behind an [`Arc`], so that
/// what runs it can keep it.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Scan(Arc<Scan>),
    Seek(Arc<Seek>),
    Expand(Arc<Expand>),
    /// The same where what it finds would only be counted: a row has the number
    /// where the node would be, and there is none for nothing.
    Degree(Arc<Expand>),
    VarExpand(Arc<VarExpand>),
    /// The same where only the nodes that it ends at are asked for: each comes once.
    Reach(Arc<VarExpand>),
    /// A relationship that is bound already: its ends are bound or compared.
    Ends(Arc<Ends>),
    /// A list of relationships that is bound already: it is walked along.
    Trail(Arc<VarExpand>),
    Shortest(Arc<ShortestPath>),
    Path(Arc<PathStep>),
    Filter(Arc<Expr>),
    Optional(Arc<Vec<Step>>),
    Unwind(Arc<Unwind>),
    /// Computes values into further slots of the same row.
    Extend(Arc<Vec<(usize, Expr)>>),
    Project(Arc<Project>),
    Aggregate(Arc<Grouping>),
    /// A scan that would only be counted: the graph knows the number.
    Count(Arc<CountStep>),
    Distinct(Arc<Distinct>),
    Sort(Arc<Sort>),
    Skip(Arc<Expr>),
    Limit(Arc<Expr>),
    Call(Arc<CallStep>),
}

#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) slot: usize,
    /// `None` when a label does not exist: there is nothing to scan.
    pub(crate) labels: Option<Vec<LabelId>>,
    pub(crate) estimate: f64,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Seek {
    pub(crate) slot: usize,
    pub(crate) labels: Vec<LabelId>,
    pub(crate) properties: Vec<&'static str>,
    pub(crate) values: Vec<Wanted>,
    pub(crate) estimate: f64,
    pub(crate) span: Span,
}

/// What a property must equal.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    One(Expr),
    AnyOf(Expr),
    /// What it must start with.
    Prefix(Expr),
}

#[derive(Debug)]
pub(crate) struct Expand {
    pub(crate) from: usize,
    pub(crate) rel: usize,
    pub(crate) to: usize,
    /// Whether `to` is bound already and only compared.
    pub(crate) into: bool,
    pub(crate) hop: Hop,
    /// The labels of the far end, where it is not bound yet.
    pub(crate) labels: Option<Vec<LabelId>>,
    pub(crate) estimate: f64,
    pub(crate) span: Span,
}

/// Which relationships a step follows.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) direction: Direction,
    /// The types it may have, any if empty; `None` when none of those asked for exists.
    pub(crate) types: Option<Vec<TypeId>>,
    /// Slots of relationships, or of lists of them, that must differ.
    pub(crate) unique: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct VarExpand {
    pub(crate) step: Expand,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// What every relationship's properties must equal.
    pub(crate) properties: Vec<(Arc<str>, Expr)>,
    /// Whether the walk goes from the pattern's right to its left.
    pub(crate) reversed: bool,
    /// Whether the end it starts from is bound; only a [`Step::Trail`] may find it itself.
    pub(crate) from_bound: bool,
}

#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) from: usize,
    pub(crate) from_bound: bool,
    pub(crate) rel: usize,
    pub(crate) to: usize,
    pub(crate) to_bound: bool,
    pub(crate) hop: Hop,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct ShortestPath {
    pub(crate) walk: VarExpand,
    pub(crate) which: Shortest,
    /// Where the path goes, if it has a name.
    pub(crate) path: Option<usize>,
    /// Conditions on the path itself: the shortest that meets them is wanted.
    pub(crate) conditions: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct PathStep {
    pub(crate) slot: usize,
    pub(crate) start: usize,
    pub(crate) rels: Vec<usize>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Unwind {
    pub(crate) list: Expr,
    pub(crate) slot: usize,
}

#[derive(Debug)]
pub(crate) struct Project {
    /// How many slots go on as they are.
    pub(crate) base: usize,
    /// What follows them.
    pub(crate) items: Vec<Expr>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Grouping {
    pub(crate) base: usize,
    pub(crate) keys: Vec<Expr>,
    pub(crate) aggregates: Vec<AggregateCall>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct AggregateCall {
    pub(crate) function: Aggregate,
    pub(crate) args: Vec<Expr>,
    pub(crate) distinct: bool,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Distinct {
    /// The first of the slots compared.
    pub(crate) from: usize,
    /// How many.
    pub(crate) count: usize,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct Sort {
    /// Each key with whether it is descending.
    pub(crate) keys: Vec<(Expr, bool)>,
    /// SKIP and LIMIT after it: more rows than both together are not kept.
    pub(crate) skip: Option<Expr>,
    pub(crate) limit: Option<Expr>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct CountStep {
    /// The scan whose nodes are counted.
    pub(crate) scan: Arc<Scan>,
    /// How many slots go on as they are.
    pub(crate) base: usize,
    /// How often the number follows them.
    pub(crate) times: usize,
}

#[derive(Debug)]
pub(crate) struct CallStep {
    pub(crate) name: String,
    pub(crate) args: Vec<Expr>,
    /// Which columns go to which slots.
    pub(crate) yields: Vec<(usize, usize)>,
    /// Whether it has no columns and stands between other clauses: then it passes rows on.
    pub(crate) passes: bool,
    pub(crate) span: Span,
}
