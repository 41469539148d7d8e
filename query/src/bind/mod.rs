//! Gives every name its meaning, or says that it has none.
//!
//! Takes the tree and the graph's names, gives a plan over slots. What is wrong
//! with a query whatever the data (an unknown name, a number where a node must
//! stand, an aggregate where there is nothing to aggregate) is found here.

mod expr;
mod pattern;
mod project;
mod query;
mod types;
mod walk;

use std::cell::OnceCell;

use crate::ast::{self, Name, Span};
use crate::error::{Fault, Outcome};
use crate::graph::{Graph, LabelId, TypeId, Vocabulary};
use crate::plan::{AggregateCall, QueryPlan};
use crate::prepare::{Params, Planning};

pub(crate) use types::Type;

/// A variable that can be spoken of.
#[derive(Clone, Debug)]
struct Variable {
    name: String,
    slot: usize,
    ty: Type,
}

/// The variables of a stretch of a query between two projections, and how many
/// slots its rows have so far.
#[derive(Clone, Debug, Default)]
struct Frame {
    /// The slots below belong to what encloses the query.
    base: usize,
    width: usize,
    vars: Vec<Variable>,
}

impl Frame {
    fn find(&self, name: &str) -> Option<&Variable> {
        self.vars.iter().rev().find(|var| var.name == name)
    }

    fn slot(&mut self) -> usize {
        self.width += 1;
        self.width - 1
    }

    fn declare(&mut self, name: &str, ty: Type) -> usize {
        let slot = self.slot();
        self.vars.push(Variable { name: name.to_owned(), slot, ty });
        slot
    }

    /// The frame of a query inside an expression of this one.
    fn inner(&self) -> Self {
        Self { base: self.width, width: self.width, vars: self.vars.clone() }
    }

    /// The variables that are the query's own, not those of what encloses it.
    fn own(&self) -> impl Iterator<Item = &Variable> {
        self.vars.iter().filter(|var| var.slot >= self.base)
    }

    /// The frame after a projection, with none of its variables yet.
    fn next(&self) -> Self {
        let vars = self.vars.iter().filter(|var| var.slot < self.base).cloned().collect();
        Self { base: self.base, width: self.base, vars }
    }
}

/// What stands around the expression that is being bound.
#[derive(Debug)]
enum Around {
    /// Nothing in particular: no aggregates here.
    Plain,
    /// An item of a projection that aggregates; the frame is that of the groups.
    Grouped(Box<Grouped>),
    /// ORDER BY after DISTINCT or aggregation; the frame is that of the result.
    Ordered(Box<Ordered>),
    /// The arguments of an aggregate.
    Aggregate,
}

#[derive(Debug)]
struct Grouped {
    /// The frame of the rows that are grouped.
    input: Frame,
    /// What is grouped by: the tree, the slot in the group's row, the type.
    keys: Vec<(ast::Expr, usize, Type)>,
    aggregates: Vec<AggregateCall>,
    /// The slot of the first aggregate.
    first: usize,
}

#[derive(Debug)]
struct Ordered {
    /// The frame before the projection, to tell a variable that is gone from one that never was.
    input: Frame,
    /// The items: the tree, the slot, the type.
    items: Vec<(ast::Expr, usize, Type)>,
    aggregated: bool,
    /// Whether what is bound holds an aggregate: beside one, only a variable, a
    /// property or an aggregate can stand for an item.
    beside: bool,
}

/// A bound query.
pub(crate) struct Bound {
    pub(crate) plan: QueryPlan,
    pub(crate) columns: Vec<String>,
}

/// Binds a query.
pub(crate) fn bind<'r>(
    query: &ast::Query,
    text: &str,
    graph: &dyn Graph<'r>,
    params: &Params,
    strict: bool,
    planning: Planning,
) -> Outcome<Bound> {
    let mut binder = Binder {
        graph,
        params,
        strict,
        planning,
        text,
        vocabulary: OnceCell::new(),
        frame: Frame::default(),
        uses: Vec::new(),
        around: Around::Plain,
        condition: false,
        constant: false,
    };
    let (plan, columns) = binder.query(query, Frame::default(), false)?;
    Ok(Bound { plan, columns })
}

struct Binder<'a, 'r> {
    graph: &'a dyn Graph<'r>,
    params: &'a Params,
    strict: bool,
    planning: Planning,
    text: &'a str,
    vocabulary: OnceCell<Vocabulary>,
    frame: Frame,
    /// Every slot that a name was resolved to, in order: who binds a condition
    /// looks here for what it reads.
    uses: Vec<usize>,
    around: Around,
    /// Whether a pattern may stand here as a condition.
    condition: bool,
    /// Whether variables are out of place here (SKIP and LIMIT).
    constant: bool,
}

impl<'r> Binder<'_, 'r> {
    fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary.get_or_init(|| self.graph.vocabulary())
    }

    fn text_of(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The number of a label; `None` for an unknown one where that is allowed.
    fn label(&self, name: &Name) -> Outcome<Option<LabelId>> {
        let found = self.graph.label(&name.text);
        if found.is_some() || !self.strict {
            return Ok(found);
        }
        let known = self.vocabulary().labels.iter().map(String::as_str);
        let message = format!("no label `{}` in this store", name.text);
        Err(Fault::binding("unknown-label", name.span, message).did_you_mean(&name.text, known))
    }

    /// The number of a relationship type; `None` for an unknown one where that is allowed.
    fn rel_type(&self, name: &Name) -> Outcome<Option<TypeId>> {
        let found = self.graph.rel_type(&name.text);
        if found.is_some() || !self.strict {
            return Ok(found);
        }
        let known: Vec<&str> = self.vocabulary().types.iter().map(String::as_str).collect();
        let message = format!("no relationship type `{}` in this store", name.text);
        let fault = Fault::binding("unknown-type", name.span, message);
        match crate::error::nearest(&name.text, known.iter().copied()) {
            Some(near) => Err(fault.hint(format!("did you mean `{near}`?"))),
            None => Err(fault.hint(format!("the types are {}", known.join(", ")))),
        }
    }

    /// Fails if neither a node nor, respectively, a relationship can have a property.
    fn property(&self, owner: &Type, name: &Name) -> Outcome<()> {
        if !self.strict {
            return Ok(());
        }
        let (known, what) = match owner {
            Type::Node => (&self.vocabulary().node_properties, "node"),
            Type::Rel => (&self.vocabulary().relationship_properties, "relationship"),
            _ => return Ok(()),
        };
        if known.contains(&name.text) {
            return Ok(());
        }
        let message = format!("no {what} of this store has a property `{}`", name.text);
        let known = known.iter().map(String::as_str);
        Err(Fault::binding("unknown-property", name.span, message).did_you_mean(&name.text, known))
    }

    /// The variable of this name.
    fn variable(&mut self, name: &str, span: Span) -> Outcome<(usize, Type)> {
        if self.constant {
            let message = format!("`{name}` is a variable, and this must be the same for every row");
            return Err(Fault::binding("not-constant", span, message).hint("use a number or a parameter"));
        }
        if let Some(var) = self.frame.find(name) {
            self.uses.push(var.slot);
            return Ok((var.slot, var.ty.clone()));
        }
        let message = format!("no variable `{name}` here");
        let fault = Fault::binding("unknown-variable", span, message);
        let known = self.frame.vars.iter().map(|var| var.name.as_str());
        Err(match &self.around {
            Around::Grouped(grouped) if grouped.input.find(name).is_some() => {
                let message =
                    format!("`{name}` stands beside an aggregate, but is not grouped by as it stands here");
                Fault::binding("ambiguous-aggregation", span, message)
                    .hint("make it an item of its own, in a WITH before this")
            }
            Around::Ordered(ordered) if ordered.input.find(name).is_some() => {
                let composite = |(tree, ..): &&(ast::Expr, usize, Type)| {
                    walk::aggregates(tree) == 0 && !walk::is_simple(tree) && walk::speaks_of(tree, name)
                };
                if ordered.aggregated && ordered.items.iter().find(composite).is_some() {
                    let message = format!("`{name}` is not grouped by as it stands here");
                    Fault::binding("ambiguous-aggregation", span, message)
                        .hint("order by the item's own name")
                } else {
                    fault.hint("after DISTINCT or an aggregate, only what is returned can be ordered by")
                }
            }
            _ => fault.did_you_mean(name, known),
        })
    }
}
