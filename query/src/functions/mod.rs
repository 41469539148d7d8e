//! The functions of the language: one table, a file a topic.

mod aggregate;
mod graph;
mod list;
mod math;
mod text;
mod time;

use crate::ast::Span;
use crate::bind::Type;
use crate::error::{Fault, Outcome};
use crate::exec::Context;
use crate::value::Value;

pub(crate) use aggregate::{Accumulator, Aggregate};

/// A function: what it is called, what it takes, what it gives, what it does.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// What each argument may be; the last repeats if `variadic`.
    pub(crate) takes: &'static [Accept],
    /// How many arguments it needs at least.
    pub(crate) least: usize,
    pub(crate) variadic: bool,
    /// Whether it is given nulls; else a null argument makes a null result.
    pub(crate) nulls: bool,
    pub(crate) gives: fn(&[Type]) -> Type,
    pub(crate) run: fn(&Call<'_, '_>, &[Value]) -> Outcome<Value>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What an argument may be, as far as the binder can tell beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accept {
    Any,
    Node,
    Rel,
    Entity,
    EntityOrMap,
    Path,
    String,
    Number,
    List,
    ListOrString,
}

impl Accept {
    /// What it asks for, as error messages say it.
    pub(crate) fn wants(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Node => "a node",
            Self::Rel => "a relationship",
            Self::Entity => "a node or a relationship",
            Self::EntityOrMap => "a node, a relationship or a map",
            Self::Path => "a path",
            Self::String => "a string",
            Self::Number => "a number",
            Self::List => "a list",
            Self::ListOrString => "a list or a string",
        }
    }

    pub(crate) fn allows(self, given: &Type) -> bool {
        match given {
            Type::Any | Type::Null => true,
            _ => match self {
                Self::Any => true,
                Self::Node => *given == Type::Node,
                Self::Rel => *given == Type::Rel,
                Self::Entity => matches!(given, Type::Node | Type::Rel),
                Self::EntityOrMap => matches!(given, Type::Node | Type::Rel | Type::Map),
                Self::Path => *given == Type::Path,
                Self::String => *given == Type::String,
                Self::Number => given.is_number(),
                Self::List => matches!(given, Type::List(_)),
                Self::ListOrString => matches!(given, Type::List(_) | Type::String),
            },
        }
    }
}

/// A call that is being evaluated.
pub(crate) struct Call<'a, 'r> {
    pub(crate) context: &'a Context<'r>,
    pub(crate) name: &'static str,
    pub(crate) span: Span,
}

impl Call<'_, '_> {
    /// The error for an argument of the wrong type.
    pub(crate) fn wrong(&self, given: &Value, wants: &str) -> Fault {
        let message = format!("{}() takes {wants}, not {}", self.name, given.type_name());
        Fault::typed("wrong-argument", self.span, message)
    }

    /// The error for an argument out of range.
    pub(crate) fn range(&self, message: impl std::fmt::Display) -> Fault {
        Fault::runtime("out-of-range", self.span, format!("{}(): {message}", self.name))
    }

    /// The error for a number that does not fit in 64 bits.
    pub(crate) fn overflow(&self) -> Fault {
        Fault::runtime(
            "integer-overflow",
            self.span,
            format!("{}(): the number does not fit in 64 bits", self.name),
        )
    }

    /// Fails if a result of so many bytes would be too large.
    pub(crate) fn fits(&self, bytes: usize) -> Outcome<()> {
        self.context.meter.fits(bytes, self.span)
    }
}

/// The function of this name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// Every function that is no aggregate.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    [graph::TABLE, list::TABLE, math::TABLE, text::TABLE, time::TABLE].into_iter().flatten()
}

/// The names of all functions, aggregates too.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name).chain(Aggregate::ALL.iter().map(|aggregate| aggregate.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_function_of_the_language_page_once() {
        let page = "count sum avg min max collect percentileCont percentileDisc stDev stDevP nodes relationships \
                    length labels type id keys properties startNode endNode size head last tail range reverse \
                    toUpper toLower trim lTrim rTrim left right substring split replace toString toInteger toFloat \
                    toBoolean coalesce abs ceil floor round sqrt sign rand exp log log10 sin cos tan datetime \
                    duration";
        for name in page.split_whitespace() {
            assert_eq!(names().filter(|known| *known == name).count(), 1, "{name}");
        }
        for function in all() {
            assert!(function.least <= function.takes.len(), "{}", function.name);
        }
    }
}
