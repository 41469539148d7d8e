//! The tree that the parser makes of a text.
//!
//! Chains of one operator (`a + b + c`, `x AND y AND z`, `n.a.b[0]`) are flat
//! lists, not nested pairs: a long one costs a long list and no stack.

/// A range of bytes of the text. Two spans always compare equal, so that trees
/// compare by what they say, wherever it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the start of this one to the end of `other`.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

/// A name with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The name, without quotes.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// A whole statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// Which view of the store it is asked of, in the order of the text.
    pub options: Vec<ViewOption>,
    /// What is asked.
    pub body: Body,
}

/// What a statement asks.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// A verb.
    Verb(Verb),
    /// A graph query.
    Query {
        /// Whether to run it, explain it or measure it.
        mode: Mode,
        /// The query.
        query: Query,
    },
}

/// An option in front of a statement, which says of what view of the store it is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct ViewOption {
    /// Which option, with what it takes.
    pub kind: OptionKind,
    /// The whole option.
    pub span: Span,
}

/// The options of a statement.
#[derive(Clone, PartialEq, Debug)]
pub enum OptionKind {
    /// `AS OF time`.
    AsOf(Literal),
    /// `THRESHOLD number`.
    Threshold(Literal),
    /// `WITHOUT SOURCE string`.
    WithoutSource(Literal),
    /// `WITHOUT LINK ident - ident`.
    WithoutLink(Who, Who),
    /// `FOR PURPOSE string`.
    ForPurpose(Literal),
}

impl OptionKind {
    /// The words of the language.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::AsOf(_) => "AS OF",
            Self::Threshold(_) => "THRESHOLD",
            Self::WithoutSource(_) => "WITHOUT SOURCE",
            Self::WithoutLink(..) => "WITHOUT LINK",
            Self::ForPurpose(_) => "FOR PURPOSE",
        }
    }

    /// Whether it can stand before a statement more than once.
    pub const fn repeats(&self) -> bool {
        matches!(self, Self::WithoutSource(_) | Self::WithoutLink(..))
    }
}

/// A text, a number or a parameter, where nothing else makes sense. Whether it
/// is of the right type is asked when the statement is bound, of a parameter
/// as of what stands in the text.
#[derive(Clone, PartialEq, Debug)]
pub struct Literal {
    /// What it is.
    pub kind: LiteralKind,
    /// Its place.
    pub span: Span,
}

/// What a literal is.
#[derive(Clone, PartialEq, Debug)]
pub enum LiteralKind {
    /// A text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `$name`.
    Param(String),
}

/// What is wanted of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Its rows.
    Run,
    /// Its plan, without running it.
    Explain,
    /// Its plan with what each step did.
    Analyze,
}

/// A verb with what it asks about.
#[derive(Clone, PartialEq, Debug)]
pub struct Verb {
    /// Which verb.
    pub kind: VerbKind,
    /// About whom; as many as [`VerbKind::asks_about`] says.
    pub who: Vec<Who>,
    /// The number behind [`VerbKind::number`], if it stood there.
    pub number: Option<Literal>,
    /// The whole verb.
    pub span: Span,
}

/// The verbs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerbKind {
    /// The identifiers, records and attributes of a person.
    Profile,
    /// The person of an identifier.
    Person,
    /// The household of an identifier, with its persons.
    Household,
    /// The links of an identifier.
    Neighbours,
    /// What makes two identifiers one person.
    Why,
    /// What keeps two identifiers apart.
    WhyNot,
    /// The merges and splits that a person came of.
    How,
    /// What became of an identifier, or of a person.
    History,
    /// What is within so many links of an identifier.
    Network,
    /// Who an identifier is in the store, and in the view that is asked.
    Diff,
    /// The pairs of persons that are nearly one.
    NearMerges,
}

impl VerbKind {
    /// Every verb.
    pub const ALL: [Self; 11] = [
        Self::Profile,
        Self::Person,
        Self::Household,
        Self::Neighbours,
        Self::Why,
        Self::WhyNot,
        Self::How,
        Self::History,
        Self::Network,
        Self::Diff,
        Self::NearMerges,
    ];

    /// The words of the language, parted by one blank.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Profile => "PROFILE",
            Self::Person => "PERSON",
            Self::Household => "HOUSEHOLD",
            Self::Neighbours => "NEIGHBOURS",
            Self::Why => "WHY",
            Self::WhyNot => "WHY NOT",
            Self::How => "HOW",
            Self::History => "HISTORY",
            Self::Network => "NETWORK",
            Self::Diff => "DIFF",
            Self::NearMerges => "NEAR MERGES",
        }
    }

    /// Its name as a procedure.
    pub const fn procedure(self) -> &'static str {
        match self {
            Self::Profile => "identity.profile",
            Self::Person => "identity.person",
            Self::Household => "identity.household",
            Self::Neighbours => "identity.neighbours",
            Self::Why => "identity.why",
            Self::WhyNot => "identity.why_not",
            Self::How => "identity.how",
            Self::History => "identity.history",
            Self::Network => "identity.network",
            Self::Diff => "identity.diff",
            Self::NearMerges => "identity.near_merges",
        }
    }

    /// How many it asks about: none, one or two.
    pub const fn asks_about(self) -> usize {
        match self {
            Self::NearMerges => 0,
            Self::Why | Self::WhyNot => 2,
            _ => 1,
        }
    }

    /// The word before the number that it may take.
    pub const fn number(self) -> Option<&'static str> {
        match self {
            Self::Network => Some("DEPTH"),
            Self::NearMerges => Some("LIMIT"),
            _ => None,
        }
    }
}

/// Whom a verb asks about.
#[derive(Clone, PartialEq, Debug)]
pub enum Who {
    /// `email:'ann@example.com'`.
    Named {
        /// The namespace.
        namespace: Name,
        /// The value.
        value: String,
        /// The whole.
        span: Span,
    },
    /// `'email:ann@example.com'` or `'p42'`.
    Text {
        /// The text.
        text: String,
        /// Its place.
        span: Span,
    },
    /// `$who`.
    Param(Name),
}

impl Who {
    /// Its place.
    pub fn span(&self) -> Span {
        match self {
            Self::Named { span, .. } | Self::Text { span, .. } => *span,
            Self::Param(name) => name.span,
        }
    }
}

/// One or more single queries joined by UNION.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// At least one.
    pub parts: Vec<Single>,
    /// For each part after the first, whether `ALL` stood there.
    pub all: Vec<bool>,
    /// The whole.
    pub span: Span,
}

/// A list of clauses.
#[derive(Clone, PartialEq, Debug)]
pub struct Single {
    /// At least one.
    pub clauses: Vec<Clause>,
    /// The whole.
    pub span: Span,
}

/// A clause.
#[derive(Clone, PartialEq, Debug)]
pub enum Clause {
    /// `[OPTIONAL] MATCH … [WHERE …]`.
    Match {
        /// Whether `OPTIONAL` stood there.
        optional: bool,
        /// The patterns.
        patterns: Vec<Pattern>,
        /// The condition.
        filter: Option<Expr>,
        /// The whole.
        span: Span,
    },
    /// `UNWIND … AS …`.
    Unwind {
        /// What gives the list.
        list: Expr,
        /// The name of an element.
        var: Name,
        /// The whole.
        span: Span,
    },
    /// `WITH … [WHERE …]`.
    With {
        /// What goes on.
        projection: Projection,
        /// The condition on it.
        filter: Option<Expr>,
        /// The whole.
        span: Span,
    },
    /// `CALL … [YIELD …]`.
    Call(Call),
    /// `RETURN …`.
    Return {
        /// What comes back.
        projection: Projection,
        /// The whole.
        span: Span,
    },
}

impl Clause {
    /// Its place.
    pub fn span(&self) -> Span {
        match self {
            Self::Match { span, .. }
            | Self::Unwind { span, .. }
            | Self::With { span, .. }
            | Self::Return { span, .. } => *span,
            Self::Call(call) => call.span,
        }
    }
}

/// A call of a procedure.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Its name with dots.
    pub name: Name,
    /// The arguments; `None` if there were no parentheses.
    pub args: Option<Vec<Expr>>,
    /// What is kept of its columns.
    pub yields: Yield,
    /// The condition on them.
    pub filter: Option<Expr>,
    /// The whole.
    pub span: Span,
}

/// What is kept of a procedure's columns.
#[derive(Clone, PartialEq, Debug)]
pub enum Yield {
    /// No `YIELD` stood there.
    Nothing,
    /// `YIELD *`.
    All(Span),
    /// Columns, each with the name it gets.
    Items(Vec<(Name, Option<Name>)>),
}

/// What `WITH` or `RETURN` lets through.
#[derive(Clone, PartialEq, Debug)]
pub struct Projection {
    /// Whether `DISTINCT` stood there.
    pub distinct: bool,
    /// Whether `*` stood first.
    pub star: bool,
    /// The items.
    pub items: Vec<Item>,
    /// The keys of ORDER BY.
    pub order: Vec<SortKey>,
    /// How many rows to leave out.
    pub skip: Option<Expr>,
    /// How many rows to keep.
    pub limit: Option<Expr>,
    /// From the first item to the last.
    pub span: Span,
}

/// One item of a projection.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// What it is.
    pub expr: Expr,
    /// What it is called.
    pub alias: Option<Name>,
    /// The expression with the parentheses around it: without a name it is called what stands there.
    pub span: Span,
}

/// One key of ORDER BY.
#[derive(Clone, PartialEq, Debug)]
pub struct SortKey {
    /// What to order by.
    pub expr: Expr,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// A pattern of MATCH.
#[derive(Clone, PartialEq, Debug)]
pub struct Pattern {
    /// The name of the path.
    pub path: Option<Name>,
    /// Whether every match is wanted, or the shortest.
    pub shortest: Shortest,
    /// The nodes and relationships.
    pub chain: Chain,
    /// The whole.
    pub span: Span,
}

/// Which paths of a pattern are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortest {
    /// Every path.
    No,
    /// `shortestPath(…)`.
    One,
    /// `allShortestPaths(…)`.
    All,
}

/// Nodes joined by relationships.
#[derive(Clone, PartialEq, Debug)]
pub struct Chain {
    /// The first node.
    pub first: NodePattern,
    /// The relationships, each with the node after it.
    pub rest: Vec<(RelPattern, NodePattern)>,
    /// The whole.
    pub span: Span,
}

/// `(var:Label {…})`.
#[derive(Clone, PartialEq, Debug)]
pub struct NodePattern {
    /// Its name.
    pub var: Option<Name>,
    /// The labels it must have.
    pub labels: Vec<Name>,
    /// The properties it must have.
    pub properties: Option<Properties>,
    /// The whole.
    pub span: Span,
}

/// The properties of a pattern.
#[derive(Clone, PartialEq, Debug)]
pub enum Properties {
    /// `{key: value, …}`.
    Map(Vec<(Name, Expr)>, Span),
    /// `$param`.
    Param(Name),
}

/// `-[var:TYPE*1..2 {…}]->`.
#[derive(Clone, PartialEq, Debug)]
pub struct RelPattern {
    /// Its name.
    pub var: Option<Name>,
    /// The types it may have; empty for any.
    pub types: Vec<Name>,
    /// How many of them in a row, if it is of variable length.
    pub range: Option<Range>,
    /// The properties it must have.
    pub properties: Option<Properties>,
    /// Which way it points.
    pub direction: Direction,
    /// The whole.
    pub span: Span,
}

/// Which way a relationship of a pattern points, read from left to right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// `-->`.
    Out,
    /// `<--`.
    In,
    /// `--` or `<-->`.
    Both,
}

impl Direction {
    /// The same, read from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Out => Self::In,
            Self::In => Self::Out,
            Self::Both => Self::Both,
        }
    }
}

/// `*`, `*2`, `*1..3`, `*..3`, `*2..`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The least.
    pub min: Option<u32>,
    /// The most.
    pub max: Option<u32>,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place, without parentheses around it.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A text.
    Str(String),
    /// `$name`.
    Param(String),
    /// A variable.
    Var(String),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{k: v}`.
    Map(Vec<(Name, Expr)>),
    /// `a OR b …`; two or more.
    Or(Vec<Expr>),
    /// `a XOR b …`; two or more.
    Xor(Vec<Expr>),
    /// `a AND b …`; two or more.
    And(Vec<Expr>),
    /// `NOT a`.
    Not(Box<Expr>),
    /// `a < b <= c …`; one or more after the first.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a IN b`, `a STARTS WITH b`, `a IS NULL` …; one or more in a row.
    Predicates(Box<Expr>, Vec<Predicate>),
    /// `a + b - c …`; one or more after the first.
    Sum(Box<Expr>, Vec<(Arithmetic, Expr)>),
    /// `a * b / c …`; one or more after the first.
    Product(Box<Expr>, Vec<(Arithmetic, Expr)>),
    /// `a ^ b ^ c …`, from the left; two or more.
    Power(Vec<Expr>),
    /// `-a`.
    Negate(Box<Expr>),
    /// `+a`.
    Plus(Box<Expr>),
    /// `a.b[0]:Label …`; one or more in a row.
    Postfix(Box<Expr>, Vec<Postfix>),
    /// `CASE …`.
    Case {
        /// What is compared, in the simple form.
        subject: Option<Box<Expr>>,
        /// `WHEN … THEN …`; one or more.
        whens: Vec<(Expr, Expr)>,
        /// `ELSE …`.
        otherwise: Option<Box<Expr>>,
    },
    /// `f(a, b)`.
    Function {
        /// Its name with dots.
        name: Name,
        /// Whether `DISTINCT` stood there.
        distinct: bool,
        /// The arguments.
        args: Vec<Expr>,
    },
    /// `count(*)`.
    CountStar,
    /// `[x IN list WHERE p | e]`.
    ListComprehension {
        /// The name of an element.
        var: Name,
        /// The list.
        list: Box<Expr>,
        /// Which elements are kept.
        filter: Option<Box<Expr>>,
        /// What becomes of each.
        map: Option<Box<Expr>>,
    },
    /// `all(x IN list WHERE p)` and the like.
    Quantifier {
        /// Which.
        quantifier: Quantifier,
        /// The name of an element.
        var: Name,
        /// The list.
        list: Box<Expr>,
        /// What is asked of each.
        filter: Box<Expr>,
    },
    /// `[p = (a)-->(b) WHERE c | e]`.
    PatternComprehension {
        /// The name of the path.
        path: Option<Name>,
        /// The pattern.
        chain: Box<Chain>,
        /// Which matches are kept.
        filter: Option<Box<Expr>>,
        /// What becomes of each.
        map: Box<Expr>,
    },
    /// `(a)-->(b)` as a condition.
    Pattern(Box<Chain>),
    /// `EXISTS { … }`.
    Exists(Box<Subquery>),
    /// `COUNT { … }`.
    Count(Box<Subquery>),
}

/// The inside of `EXISTS { }` and `COUNT { }`.
#[derive(Clone, PartialEq, Debug)]
pub enum Subquery {
    /// Patterns with a condition, `MATCH` left out or not.
    Pattern {
        /// The patterns.
        patterns: Vec<Pattern>,
        /// The condition.
        filter: Option<Expr>,
    },
    /// A whole query.
    Query(Query),
}

/// An operator of comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The symbol of the language.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// An arithmetic operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Arithmetic {
    /// The symbol of the language.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
        }
    }
}

/// A predicate written after its operand.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Predicate {
    In(Expr),
    StartsWith(Expr),
    EndsWith(Expr),
    Contains(Expr),
    Matches(Expr),
    IsNull(Span),
    IsNotNull(Span),
}

/// What may follow an operand directly.
#[derive(Clone, PartialEq, Debug)]
pub enum Postfix {
    /// `.name`.
    Property(Name),
    /// `[i]`.
    Index(Expr),
    /// `[a..b]`.
    Slice(Option<Expr>, Option<Expr>, Span),
    /// `:Label:Other`.
    Labels(Vec<Name>),
}

/// A quantifier over a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Quantifier {
    All,
    Any,
    None,
    Single,
}

impl Quantifier {
    /// The word of the language.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::None => "none",
            Self::Single => "single",
        }
    }
}
