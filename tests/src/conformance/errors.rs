//! What the suite calls the errors of the language: the one place where our
//! codes meet its names.

use std::fmt;

use kinfold_query::QueryError;

/// When an error is raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Before the first row is asked for.
    Compile,
    /// While rows are computed.
    Run,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compile => "compile time",
            Self::Run => "runtime",
        })
    }
}

/// The error that a scenario expects: `a TypeError should be raised at runtime: InvalidArgumentType`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    kind: String,
    /// `None` for any time.
    phase: Option<Phase>,
    /// `*` for any.
    detail: String,
}

impl Expected {
    /// Reads the words of a step; `None` if they are not of that form.
    pub fn parse(words: &str) -> Option<Self> {
        let words = words.trim();
        let rest = words.strip_prefix("an ").or_else(|| words.strip_prefix("a "))?;
        let (kind, rest) = rest.split_once(" should be raised at ")?;
        let (phase, detail) = rest.split_once(':')?;
        let phase = match phase.trim() {
            "compile time" => Some(Phase::Compile),
            "runtime" | "run time" => Some(Phase::Run),
            "any time" => None,
            _ => return None,
        };
        Some(Self { kind: kind.trim().to_owned(), phase, detail: detail.trim().to_owned() })
    }

    /// Whether an error is the one expected: its type, its phase and its detail.
    pub fn is_met_by(&self, raised: &Raised) -> bool {
        let named = |(kind, detail): &(&str, &str)| {
            *kind == self.kind && (self.detail == "*" || *detail == self.detail)
        };
        self.phase.is_none_or(|phase| phase == raised.phase) && raised.names.iter().any(named)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = self.phase.map_or_else(|| "any time".to_owned(), |phase| phase.to_string());
        write!(f, "{} at {phase}: {}", self.kind, self.detail)
    }
}

/// An error as the suite would call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raised {
    names: &'static [(&'static str, &'static str)],
    phase: Phase,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> =
            self.names.iter().map(|(kind, detail)| format!("{kind}: {detail}")).collect();
        write!(f, "{} at {}", names.join(" or "), self.phase)
    }
}

impl Raised {
    /// The type and the detail that the suite has for one of our errors.
    pub fn of(error: &QueryError, phase: Phase) -> Self {
        Self { names: names(error, phase), phase }
    }
}

/// What the suite calls an error of this code: its type and its detail. Where
/// the suite has two names for one mistake, both are there; each of our codes
/// stands here once. A code that the suite has no name for has none here, so
/// that no scenario can expect it.
fn names(error: &QueryError, phase: Phase) -> &'static [(&'static str, &'static str)] {
    use Phase::{Compile, Run};
    match (error.code(), phase) {
        ("already-bound", Compile) => &[("SyntaxError", "VariableAlreadyBound")],
        ("ambiguous-aggregation", Compile) => &[("SyntaxError", "AmbiguousAggregationExpression")],
        ("argument-count", Compile) => &[("SyntaxError", "InvalidNumberOfArguments")],
        ("duplicate-column", Compile) => &[("SyntaxError", "ColumnNameConflict")],
        ("integer-overflow", Compile) => &[("SyntaxError", "IntegerOverflow")],
        ("invalid-character", Compile) => &[("SyntaxError", "InvalidUnicodeCharacter")],
        ("invalid-count", _) => &[("SyntaxError", "InvalidArgumentType")],
        ("invalid-length", Compile) => &[("SyntaxError", "InvalidRelationshipPattern")],
        ("invalid-number", Compile) => &[("SyntaxError", "InvalidNumberLiteral")],
        ("invalid-unicode", Compile) => &[("SyntaxError", "InvalidUnicodeLiteral")],
        ("misplaced-aggregate", Compile) => &[("SyntaxError", "InvalidAggregation")],
        ("missing-arguments", Compile) => &[("SyntaxError", "InvalidArgumentPassingMode")],
        ("mixed-union", Compile) => &[("SyntaxError", "InvalidClauseComposition")],
        ("negative-count", _) => &[("SyntaxError", "NegativeIntegerArgument")],
        ("nested-aggregate", Compile) => &[("SyntaxError", "NestedAggregation")],
        ("no-properties", Compile) => {
            &[("TypeError", "InvalidArgumentType"), ("SyntaxError", "InvalidArgumentType")]
        }
        ("no-properties", Run) => &[("TypeError", "InvalidArgumentType")],
        ("not-an-integer", Run) => &[("ArgumentError", "InvalidArgumentType")],
        ("not-constant", Compile) => &[("SyntaxError", "NonConstantExpression")],
        ("nothing-to-return", Compile) => &[("SyntaxError", "NoVariablesInScope")],
        ("number-too-large", Compile) => &[("SyntaxError", "FloatingPointOverflow")],
        ("out-of-range", Run) => &[("ArgumentError", "NumberOutOfRange")],
        ("parameter-map", Compile) => &[("SyntaxError", "InvalidParameterUse")],
        ("read-only", Compile) => &[("SyntaxError", "InvalidClauseComposition")],
        ("relationship-reused", Compile) => &[("SyntaxError", "RelationshipUniquenessViolation")],
        (
            "syntax" | "invalid-name" | "misplaced-pattern" | "missing-return" | "open-string" | "open-name"
            | "open-comment" | "invalid-escape" | "empty-name",
            Compile,
        ) => &[("SyntaxError", "UnexpectedSyntax")],
        ("type-conflict", Compile) => &[("SyntaxError", "VariableTypeConflict")],
        ("union-columns", Compile) => &[("SyntaxError", "DifferentColumnsInUnion")],
        ("unknown-function", Compile) => &[("SyntaxError", "UnknownFunction")],
        ("unknown-parameter", Compile) => &[("ParameterMissing", "MissingParameter")],
        ("unknown-procedure", Compile) => &[("ProcedureError", "ProcedureNotFound")],
        ("unknown-variable", Compile) => &[("SyntaxError", "UndefinedVariable")],
        ("unnamed-item", Compile) => &[("SyntaxError", "NoExpressionAlias")],
        ("wrong-argument", Compile) => &[("SyntaxError", "InvalidArgumentType")],
        ("wrong-argument", Run) => &[("TypeError", "InvalidArgumentValue")],
        ("wrong-index", Run) => {
            &[("TypeError", "ListElementAccessByNonInteger"), ("TypeError", "InvalidArgumentType")]
        }
        ("wrong-key", Run) => {
            &[("TypeError", "MapElementAccessByNonString"), ("TypeError", "PropertyAccessByNonString")]
        }
        ("wrong-type", Compile) => &[("SyntaxError", "InvalidArgumentType")],
        ("wrong-type", Run) => &[("TypeError", "InvalidArgumentType")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(code: (&'static str, &'static str), phase: Phase) -> Raised {
        Raised { names: Box::leak(Box::new([code])), phase }
    }

    #[test]
    fn type_phase_and_detail_must_all_be_met() {
        let expected = Expected::parse("a SyntaxError should be raised at compile time: UndefinedVariable")
            .expect("the suite's form");
        assert!(expected.is_met_by(&raised(("SyntaxError", "UndefinedVariable"), Phase::Compile)));
        assert!(!expected.is_met_by(&raised(("SyntaxError", "UndefinedVariable"), Phase::Run)));
        assert!(!expected.is_met_by(&raised(("SyntaxError", "UnexpectedSyntax"), Phase::Compile)));
        assert!(!expected.is_met_by(&raised(("TypeError", "UndefinedVariable"), Phase::Compile)));
        assert!(!expected.is_met_by(&Raised { names: &[], phase: Phase::Compile }));
        let any = Expected::parse("an ArgumentError should be raised at any time: *").expect("the same");
        assert!(any.is_met_by(&raised(("ArgumentError", "NumberOutOfRange"), Phase::Run)));
        assert!(!any.is_met_by(&raised(("TypeError", "NumberOutOfRange"), Phase::Run)));
        assert_eq!(Expected::parse("a TypeError should be raised at noon: X"), None);
        assert_eq!(Expected::parse("no side effects"), None);
    }
}
