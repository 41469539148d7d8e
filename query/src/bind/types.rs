//! What is known of an expression's type before it runs.

use crate::value::Value;

/// A type, as far as it is known. [`Type::Any`] is no promise, [`Type::Null`] is only ever null.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    Any,
    Null,
    Bool,
    Int,
    Float,
    /// An integer or a float.
    Number,
    String,
    List(Box<Type>),
    Map,
    DateTime,
    Duration,
    Node,
    Rel,
    Path,
}

impl Type {
    /// A list of elements of a type. Lists in lists are told apart a few levels
    /// deep; a query can nest them further than a type should be copied.
    pub(crate) fn list(element: Self) -> Self {
        const DEEPEST: usize = 8;
        Self::List(Box::new(if element.depth() < DEEPEST { element } else { Self::Any }))
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(element) => 1 + element.depth(),
            _ => 0,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Number)
    }

    /// Whether a value of it may be a boolean or null.
    pub(crate) fn may_be_bool(&self) -> bool {
        matches!(self, Self::Any | Self::Null | Self::Bool)
    }

    /// The type of a list's elements.
    pub(crate) fn element(&self) -> Self {
        match self {
            Self::List(element) => (**element).clone(),
            Self::Null => Self::Null,
            _ => Self::Any,
        }
    }

    /// The type of what is one or the other.
    pub(crate) fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Null, other) | (other, Self::Null) => other,
            (a, b) if a.is_number() && b.is_number() => Self::Number,
            (Self::List(a), Self::List(b)) => Self::list(a.join(*b)),
            _ => Self::Any,
        }
    }

    /// The type of a value that is known; of a list no more than that it is one.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::List(_) => Self::list(Self::Any),
            Value::Map(_) => Self::Map,
            Value::DateTime(_) => Self::DateTime,
            Value::Duration(_) => Self::Duration,
            Value::Node(_) => Self::Node,
            Value::Relationship(_) => Self::Rel,
            Value::Path(_) => Self::Path,
        }
    }

    /// What it is, as error messages say it.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a float",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List(_) => "a list",
            Self::Map => "a map",
            Self::DateTime => "a datetime",
            Self::Duration => "a duration",
            Self::Node => "a node",
            Self::Rel => "a relationship",
            Self::Path => "a path",
        }
    }
}
