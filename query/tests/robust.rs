//! Whatever the text, an answer or an error comes back; and what the printer
//! writes, the parser reads as the same tree.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kinfold_query::ast::*;
use kinfold_query::{Limits, MemoryGraph, Options, Params, Value, parse, prepare_on};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::{option, sample};

fn graph() -> MemoryGraph {
    let mut graph = MemoryGraph::new();
    let a = graph.add_node(&["A"], [("x", Value::Int(1))]);
    let b = graph.add_node(&["A", "B"], [("x", Value::Int(2))]);
    let c = graph.add_node(&["B"], []);
    for (from, to) in [(a, b), (b, c), (c, a), (a, a), (a, b)] {
        graph.add_relationship(from, "R", to, [("w", Value::Float(0.5))]);
    }
    graph.add_index("x");
    graph
}

/// Runs a text to its end, or to its error.
fn survive(text: &str) {
    let graph = graph();
    let limits = Limits {
        deadline: Some(Duration::from_millis(300)),
        max_expansions: 3_000,
        max_rows: 500,
        max_memory_bytes: 200_000,
        ..Limits::default()
    };
    let params = Params::from([("p".to_owned(), Value::Int(1))]);
    match prepare_on(text, Box::new(&graph), params, Options { limits, ..Options::default() }) {
        Ok(prepared) => {
            let width = prepared.columns().len();
            for row in prepared.run() {
                match row {
                    Ok(row) => assert_eq!(row.len(), width),
                    Err(error) => assert!(error.line() > 0 && !error.to_string().is_empty()),
                }
            }
        }
        Err(error) => assert!(error.column() > 0 && error.width() > 0 && !error.to_string().is_empty()),
    }
}

const SOUP: [&str; 115] = [
    "MATCH",
    "OPTIONAL",
    "WHERE",
    "RETURN",
    "WITH",
    "UNWIND",
    "AS",
    "CALL",
    "YIELD",
    "UNION",
    "ALL",
    "DISTINCT",
    "ORDER",
    "BY",
    "SKIP",
    "LIMIT",
    "DESC",
    "AND",
    "OR",
    "XOR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "STARTS",
    "ENDS",
    "CONTAINS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "EXISTS",
    "COUNT",
    "any",
    "all",
    "single",
    "none",
    "true",
    "null",
    "shortestPath",
    "EXPLAIN",
    "ANALYZE",
    "PERSON",
    "PROFILE",
    "WHY",
    "WHY NOT",
    "HOW",
    "HISTORY",
    "NETWORK",
    "DIFF",
    "NEAR",
    "MERGES",
    "DEPTH",
    "AS OF",
    "THRESHOLD",
    "WITHOUT",
    "SOURCE",
    "LINK",
    "FOR PURPOSE",
    "email:'x'",
    "'email:x'",
    "'p1'",
    "$who",
    "'2026-01-05'",
    "0.8",
    "-1",
    "n:",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "(a)",
    "(b:B)",
    "-[r:R]->",
    "-[*]-",
    "-->",
    "--",
    "<--",
    "-[*1..2]->",
    ",",
    ".",
    "..",
    ":",
    ";",
    "|",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    "=~",
    "1",
    "2.5",
    "'s'",
    "$p",
    "a",
    "b",
    "r",
    ".x",
    "x",
    "count(*)",
    "collect(a)",
    "range(1, 3)",
    "size(",
    "nodes(p)",
    "[x IN [1, 2] | x]",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,80}") {
        survive(&text);
    }

    #[test]
    fn any_bytes_of_the_language_are_survived(text in "[A-Za-z(){}\\[\\]<>=|:;,.*+/%^$'\"`0-9 \\n-]{0,60}") {
        survive(&text);
    }

    #[test]
    fn any_soup_of_tokens_is_survived(words in vec(sample::select(&SOUP[..]), 0..24)) {
        survive(&words.join(" "));
    }

    #[test]
    fn any_expression_over_a_match_is_survived(expr in expression()) {
        survive(&format!("MATCH (a)-[r]-(b) RETURN {expr} ORDER BY 1"));
        survive(&format!("MATCH (a)-[r]-(b) WHERE {expr} RETURN count(*), a.x"));
    }

    #[test]
    fn what_is_printed_parses_back(tree in statement()) {
        let text = tree.to_string();
        let again = parse(&text, &Limits::default());
        prop_assert_eq!(again.as_ref().map_err(ToString::to_string), Ok(&tree), "{}", text);
    }

    /// A pattern means the same read from its other end, with whatever anchors.
    #[test]
    fn patterns_read_both_ways(
        hops in vec((sample::select(&["-->", "<--", "--", "-[*1..2]->", "-[*0..2]-"][..]), any::<bool>()), 1..4),
        anchors in vec(sample::select(&["", ":A", ":B", " {x: 1}", ":A {x: 2}"][..]), 4),
    ) {
        let name = |at: usize| ["n0", "n1", "n2", "n3"][at];
        let node = |at: usize| format!("({}{})", name(at), anchors[at]);
        let (mut there, mut back) = (node(0), String::new());
        for (at, (hop, _)) in hops.iter().enumerate() {
            there = format!("{there}{hop}{}", node(at + 1));
        }
        for at in (0..=hops.len()).rev() {
            back.push_str(&node(at));
            if at > 0 {
                let hop = hops[at - 1].0;
                back.push_str(&match hop {
                    "-->" => "<--".to_owned(),
                    "<--" => "-->".to_owned(),
                    "-[*1..2]->" => "<-[*1..2]-".to_owned(),
                    other => other.to_owned(),
                });
            }
        }
        let ids: Vec<String> = (0..=hops.len()).map(|at| format!("id({})", name(at))).collect();
        let graph = graph();
        let rows = |pattern: &str| {
            let text = format!("MATCH {pattern} RETURN {}", ids.join(", "));
            let prepared = prepare_on(&text, Box::new(&graph), Params::new(), Options::default()).unwrap();
            let mut rows: Vec<String> = prepared.run().map(|row| format!("{:?}", row.unwrap())).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(rows(&there), rows(&back), "{} and {}", there, back);
    }
}

fn name() -> impl Strategy<Value = Name> {
    let texts = prop_oneof![
        4 => sample::select(vec!["a", "b", "x", "Größe", "count", "any", "end", "id"]).prop_map(str::to_owned),
        1 => sample::select(vec!["match", "a b", "1x", "tick`s", "NULL", "in", "not", "depth", "of", "link"]).prop_map(str::to_owned),
    ];
    texts.prop_map(|text| Name { text, span: Span::default() })
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn leaf() -> BoxedStrategy<Expr> {
    prop_oneof![
        Just(ExprKind::Null),
        any::<bool>().prop_map(ExprKind::Bool),
        prop_oneof![any::<i64>(), -5..5_i64, Just(i64::MIN)].prop_map(ExprKind::Int),
        prop_oneof![-2.0..2.0_f64, any::<f64>().prop_filter("finite", |f| f.is_finite())]
            .prop_map(ExprKind::Float),
        prop_oneof!["[a-z'\\\\\"\\n\\t\u{0}\u{7f}é😀]{0,6}", Just(String::new())].prop_map(ExprKind::Str),
        name().prop_map(|n| ExprKind::Param(n.text)),
        name().prop_map(|n| ExprKind::Var(n.text)),
        Just(ExprKind::CountStar),
    ]
    .prop_map(expr)
    .boxed()
}

fn expression() -> BoxedStrategy<Expr> {
    leaf()
        .prop_recursive(4, 40, 4, |inner| {
            let one = inner.clone().prop_map(Box::new);
            let pairs = |ops: Vec<Arithmetic>| vec((sample::select(ops), inner.clone()), 1..3);
            prop_oneof![
                vec(inner.clone(), 0..3).prop_map(ExprKind::List),
                vec((name(), inner.clone()), 0..3).prop_map(ExprKind::Map),
                vec(inner.clone(), 2..4).prop_map(ExprKind::Or),
                vec(inner.clone(), 2..4).prop_map(ExprKind::Xor),
                vec(inner.clone(), 2..4).prop_map(ExprKind::And),
                vec(inner.clone(), 2..4).prop_map(ExprKind::Power),
                one.clone().prop_map(ExprKind::Not),
                one.clone().prop_map(ExprKind::Negate),
                one.clone().prop_map(ExprKind::Plus),
                (one.clone(), vec((comparison(), inner.clone()), 1..3))
                    .prop_map(|(a, b)| ExprKind::Compare(a, b)),
                (one.clone(), pairs(vec![Arithmetic::Add, Arithmetic::Subtract]))
                    .prop_map(|(a, b)| ExprKind::Sum(a, b)),
                (one.clone(), pairs(vec![Arithmetic::Multiply, Arithmetic::Divide, Arithmetic::Modulo]))
                    .prop_map(|(a, b)| ExprKind::Product(a, b)),
                (one.clone(), vec(predicate(inner.clone()), 1..3))
                    .prop_map(|(a, b)| ExprKind::Predicates(a, b)),
                (one.clone(), postfixes(inner.clone())).prop_map(|(a, b)| ExprKind::Postfix(a, b)),
                function(inner.clone()),
                loops(inner.clone()),
                patterns_inside(inner),
            ]
            .prop_map(expr)
        })
        .boxed()
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
}

fn predicate(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Predicate> {
    prop_oneof![
        inner.clone().prop_map(Predicate::In),
        inner.clone().prop_map(Predicate::StartsWith),
        inner.clone().prop_map(Predicate::EndsWith),
        inner.clone().prop_map(Predicate::Contains),
        inner.prop_map(Predicate::Matches),
        Just(Predicate::IsNull(Span::default())),
        Just(Predicate::IsNotNull(Span::default())),
    ]
}

fn postfixes(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Vec<Postfix>> {
    let op = prop_oneof![
        name().prop_map(Postfix::Property),
        inner.clone().prop_map(Postfix::Index),
        (option::of(inner.clone()), option::of(inner)).prop_map(|(a, b)| Postfix::Slice(
            a,
            b,
            Span::default()
        )),
        vec(name(), 1..3).prop_map(Postfix::Labels),
    ];
    vec(op, 1..4).prop_filter("labels in a row are one test", |ops| {
        !ops.windows(2).any(|pair| matches!(pair, [Postfix::Labels(_), Postfix::Labels(_)]))
    })
}

/// The name of a function or a procedure.
fn dotted() -> impl Strategy<Value = Name> {
    let usual = vec![
        "size",
        "count",
        "duration.between",
        "any",
        "all",
        "exists",
        "coalesce",
        "single.any",
        "case.x",
        "range",
        "identity.person",
        "shortestPath",
        "a.",
        ".b",
        "c..d",
        ".",
        "tick`.",
        "not.match",
    ];
    let text = prop_oneof![
        4 => sample::select(usual).prop_map(str::to_owned),
        1 => vec(name(), 1..3).prop_map(|parts| {
            parts.into_iter().map(|part| part.text).collect::<Vec<_>>().join(".")
        }),
    ];
    text.prop_map(|text| Name { text, span: Span::default() })
}

fn function(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    (dotted(), any::<bool>(), vec(inner, 0..3)).prop_map(|(name, distinct, args)| ExprKind::Function {
        name,
        distinct,
        args,
    })
}

fn loops(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let one = inner.clone().prop_map(Box::new);
    let quantifiers = vec![Quantifier::All, Quantifier::Any, Quantifier::None, Quantifier::Single];
    let branches = vec((inner.clone(), inner), 1..3);
    prop_oneof![
        (name(), one.clone(), option::of(one.clone()), option::of(one.clone()))
            .prop_map(|(var, list, filter, map)| ExprKind::ListComprehension { var, list, filter, map }),
        (sample::select(quantifiers), name(), one.clone(), one.clone()).prop_map(
            |(quantifier, var, list, filter)| ExprKind::Quantifier { quantifier, var, list, filter }
        ),
        (option::of(one.clone()), branches, option::of(one))
            .prop_map(|(subject, whens, otherwise)| ExprKind::Case { subject, whens, otherwise }),
    ]
}

fn patterns_inside(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let one = inner.clone().prop_map(Box::new);
    let hops = chain(inner.clone(), false).prop_map(Box::new).boxed();
    let bare = (vec(pattern(inner.clone()), 1..3), option::of(inner.clone()))
        .prop_map(|(patterns, filter)| Subquery::Pattern { patterns, filter });
    let open = vec(clause(inner.clone()), 1..3).prop_map(|clauses| {
        let single = Single { clauses, span: Span::default() };
        Query { parts: vec![single], all: Vec::new(), span: Span::default() }
    });
    let queries = prop_oneof![3 => query(inner), 1 => open];
    let body = prop_oneof![bare, queries.prop_map(Subquery::Query)].prop_map(Box::new).boxed();
    prop_oneof![
        (option::of(name()), hops.clone(), option::of(one.clone()), one).prop_map(
            |(path, chain, filter, map)| ExprKind::PatternComprehension { path, chain, filter, map }
        ),
        hops.prop_map(ExprKind::Pattern),
        body.clone().prop_map(ExprKind::Exists),
        body.prop_map(ExprKind::Count),
    ]
}

fn properties(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Option<Properties>> {
    option::of(prop_oneof![
        4 => vec((name(), inner), 0..3).prop_map(|entries| Properties::Map(entries, Span::default())),
        1 => name().prop_map(Properties::Param),
    ])
}

fn node(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = NodePattern> {
    (option::of(name()), vec(name(), 0..3), properties(inner))
        .prop_map(|(var, labels, properties)| NodePattern { var, labels, properties, span: Span::default() })
}

fn relationship(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = RelPattern> {
    let range =
        option::of((option::of(0..9_u32), option::of(0..9_u32)).prop_map(|(min, max)| Range { min, max }));
    let direction = sample::select(vec![Direction::Out, Direction::In, Direction::Both]);
    (option::of(name()), vec(name(), 0..3), range, properties(inner), direction).prop_map(
        |(var, types, range, properties, direction)| RelPattern {
            var,
            types,
            range,
            properties,
            direction,
            span: Span::default(),
        },
    )
}

fn chain(inner: BoxedStrategy<Expr>, alone: bool) -> impl Strategy<Value = Chain> {
    let hops = vec((relationship(inner.clone()), node(inner.clone())), usize::from(!alone)..3);
    (node(inner), hops).prop_map(|(first, rest)| Chain { first, rest, span: Span::default() })
}

fn pattern(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Pattern> {
    let shortest = sample::select(vec![Shortest::No, Shortest::No, Shortest::One, Shortest::All]);
    (option::of(name()), shortest, chain(inner, true)).prop_map(|(path, shortest, chain)| Pattern {
        path,
        shortest,
        chain,
        span: Span::default(),
    })
}

fn projection(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Projection> {
    let item = (inner.clone(), option::of(name())).prop_map(|(expr, alias)| Item {
        expr,
        alias,
        span: Span::default(),
    });
    let key = (inner.clone(), any::<bool>()).prop_map(|(expr, descending)| SortKey { expr, descending });
    let count = option::of(inner);
    (any::<bool>(), any::<bool>(), vec(item, 1..3), vec(key, 0..3), count.clone(), count).prop_map(
        |(distinct, star, items, order, skip, limit)| Projection {
            distinct,
            star,
            items,
            order,
            skip,
            limit,
            span: Span::default(),
        },
    )
}

fn clause(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Clause> {
    let span = Span::default();
    let yields = prop_oneof![
        Just(Yield::Nothing),
        Just(Yield::All(span)),
        vec((name(), option::of(name())), 1..3).prop_map(Yield::Items),
    ];
    let call = (dotted(), option::of(vec(inner.clone(), 0..3)), yields, option::of(inner.clone()));
    prop_oneof![
        (any::<bool>(), vec(pattern(inner.clone()), 1..3), option::of(inner.clone()))
            .prop_map(move |(optional, patterns, filter)| Clause::Match { optional, patterns, filter, span }),
        (inner.clone(), name()).prop_map(move |(list, var)| Clause::Unwind { list, var, span }),
        (projection(inner.clone()), option::of(inner)).prop_map(move |(projection, filter)| Clause::With {
            projection,
            filter,
            span
        }),
        call.prop_map(move |(name, args, yields, filter)| {
            let filter = if yields == Yield::Nothing { None } else { filter };
            Clause::Call(Call { name, args, yields, filter, span })
        }),
    ]
}

fn query(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Query> {
    let span = Span::default();
    let single =
        (vec(clause(inner.clone()), 0..3), projection(inner)).prop_map(move |(mut clauses, projection)| {
            clauses.push(Clause::Return { projection, span });
            Single { clauses, span }
        });
    (vec(single, 1..4), vec(any::<bool>(), 2)).prop_map(move |(parts, mut all)| {
        all.truncate(parts.len() - 1);
        Query { parts, all, span }
    })
}

fn who() -> BoxedStrategy<Who> {
    let span = Span::default();
    prop_oneof![
        (name(), "[a-z@'.]{0,8}").prop_map(move |(namespace, value)| Who::Named { namespace, value, span }),
        "[a-z@':]{0,8}".prop_map(move |text| Who::Text { text, span }),
        name().prop_map(Who::Param),
    ]
    .boxed()
}

fn literal() -> BoxedStrategy<Literal> {
    let number = any::<f64>().prop_filter("finite", |f| f.is_finite());
    prop_oneof![
        "[a-z0-9'\\\\:T-]{0,8}".prop_map(LiteralKind::Str),
        prop_oneof![any::<i64>(), -5..5_i64, Just(i64::MIN)].prop_map(LiteralKind::Int),
        prop_oneof![-2.0..2.0_f64, number].prop_map(LiteralKind::Float),
        name().prop_map(|name| LiteralKind::Param(name.text)),
    ]
    .prop_map(|kind| Literal { kind, span: Span::default() })
    .boxed()
}

/// Options in any order; of those that cannot repeat, the first of each.
fn options() -> impl Strategy<Value = Vec<ViewOption>> {
    let kind = prop_oneof![
        literal().prop_map(OptionKind::AsOf),
        literal().prop_map(OptionKind::Threshold),
        literal().prop_map(OptionKind::WithoutSource),
        (who(), who()).prop_map(|(a, b)| OptionKind::WithoutLink(a, b)),
        literal().prop_map(OptionKind::ForPurpose),
    ];
    vec(kind, 0..5).prop_map(|kinds| {
        let mut options: Vec<ViewOption> = Vec::new();
        for kind in kinds {
            let again = options.iter().any(|known| known.kind.words() == kind.words());
            if kind.repeats() || !again {
                options.push(ViewOption { kind, span: Span::default() });
            }
        }
        options
    })
}

fn verb() -> impl Strategy<Value = Verb> {
    (sample::select(VerbKind::ALL.to_vec()), vec(who(), 2), option::of(literal())).prop_map(
        |(kind, mut who, number)| {
            who.truncate(kind.asks_about());
            let number = number.filter(|_| kind.number().is_some());
            Verb { kind, who, number, span: Span::default() }
        },
    )
}

fn statement() -> impl Strategy<Value = Statement> {
    let modes = sample::select(vec![Mode::Run, Mode::Explain, Mode::Analyze]);
    let called = clause(expression()).prop_filter("a call", |clause| matches!(clause, Clause::Call(_)));
    let alone = called.prop_map(|clause| {
        let single = Single { clauses: vec![clause], span: Span::default() };
        let query = Query { parts: vec![single], all: Vec::new(), span: Span::default() };
        Body::Query { mode: Mode::Run, query }
    });
    let body = prop_oneof![
        3 => verb().prop_map(Body::Verb),
        7 => (modes, query(expression())).prop_map(|(mode, query)| Body::Query { mode, query }),
        1 => alone,
    ];
    (options(), body).prop_map(|(options, body)| Statement { options, body })
}
