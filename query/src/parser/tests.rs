//! Known-bad texts with the errors they get, word for word.

use super::*;

fn error(text: &str) -> String {
    match parse(text, &Limits::default()) {
        Ok(tree) => format!("parsed: {tree}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn bad_texts_get_exact_errors() {
    for (text, expected) in [
        (
            "MATCH (i) RETRUN i",
            "error[syntax] at 1:11: unexpected `RETRUN`\n  \
             MATCH (i) RETRUN i\n            \
             ^^^^^^ did you mean `RETURN`?",
        ),
        (
            "MATCH (i) LIMT 1",
            "error[syntax] at 1:11: expected a relationship, `,`, `WHERE` or a clause, found `LIMT`\n  \
             MATCH (i) LIMT 1\n            \
             ^^^^",
        ),
        (
            "MATCH (i",
            "error[syntax] at 1:9: expected `:`, `{` or `)`, found the end of the text\n  \
             MATCH (i\n          \
             ^",
        ),
        (
            "MATCH (i) WHERE i.id == 'x' RETURN i",
            "error[syntax] at 1:23: expected an expression, found `=`\n  \
             MATCH (i) WHERE i.id == 'x' RETURN i\n                        \
             ^ equality is one `=`",
        ),
        (
            "MATCH (i) WHERE i.id != 'x' RETURN i",
            "error[syntax] at 1:22: `!=` is no operator of the language\n  \
             MATCH (i) WHERE i.id != 'x' RETURN i\n                       \
             ^^ write `<>`",
        ),
        (
            "MATCH (i)",
            "error[missing-return] at 1:10: expected RETURN: a query ends with what it returns\n  \
             MATCH (i)\n           \
             ^",
        ),
        (
            "MACTH (i) RETURN i",
            "error[syntax] at 1:1: a statement does not start with `MACTH`\n  \
             MACTH (i) RETURN i\n  \
             ^^^^^ did you mean `MATCH`?",
        ),
        (
            "CREATE (:email {value: 'x'})",
            "error[read-only] at 1:1: `CREATE` writes, and the query language is read-only\n  \
             CREATE (:email {value: 'x'})\n  \
             ^^^^^^ to write, use the API's `Observe` call or `kinfold import`",
        ),
        (
            "MATCH (i) DETACH DELETE i",
            "error[read-only] at 1:11: `DETACH` writes, and the query language is read-only\n  \
             MATCH (i) DETACH DELETE i\n            \
             ^^^^^^ to withdraw what a source said, use the API's `Retract` call; to erase, `Forget`",
        ),
        (
            "AS OF '2026-01-05'",
            "error[syntax] at 1:19: expected a clause or a verb, found the end of the text\n  \
             AS OF '2026-01-05'\n                    \
             ^",
        ),
        (
            "AS OFF 5 PERSON 'p1'",
            "error[syntax] at 1:4: unexpected `OFF`\n  \
             AS OFF 5 PERSON 'p1'\n     \
             ^^^ did you mean `OF`?",
        ),
        (
            "AS OF 2026-01-05 PERSON 'p1'",
            "error[syntax] at 1:11: a time stands in quotes\n  \
             AS OF 2026-01-05 PERSON 'p1'\n            \
             ^ as in AS OF '2026-01-05'",
        ),
        (
            "AS OF 2026-01-05T00:00:00Z PERSON 'p1'",
            "error[invalid-number] at 1:15: `05T00` is no number\n  \
             AS OF 2026-01-05T00:00:00Z PERSON 'p1'\n                \
             ^^^^^ a time stands in quotes, as in '2026-01-05T00:00:00Z'",
        ),
        (
            "TRESHOLD 0.8 PERSON 'p1'",
            "error[syntax] at 1:1: a statement does not start with `TRESHOLD`\n  \
             TRESHOLD 0.8 PERSON 'p1'\n  \
             ^^^^^^^^ did you mean `THRESHOLD`?",
        ),
        (
            "THRESHOLD 0.8 PRSON 'p1'",
            "error[syntax] at 1:15: a statement does not start with `PRSON`\n  \
             THRESHOLD 0.8 PRSON 'p1'\n                \
             ^^^^^ did you mean `PERSON`?",
        ),
        (
            "THRESHOLD 0.8 AS OF 5 threshold 0.9 RETURN 1",
            "error[duplicate-option] at 1:23: `THRESHOLD` stands here a second time\n  \
             THRESHOLD 0.8 AS OF 5 threshold 0.9 RETURN 1\n                        \
             ^^^^^^^^^^^^^ leave one of them out",
        ),
        (
            "WITHOUT SORCE 'web' RETURN 1",
            "error[syntax] at 1:9: unexpected `SORCE`\n  \
             WITHOUT SORCE 'web' RETURN 1\n          \
             ^^^^^ did you mean `SOURCE`?",
        ),
        (
            "WITHOUT LINK 'a:b', 'c:d' RETURN 1",
            "error[syntax] at 1:19: expected `-`, found `,`\n  \
             WITHOUT LINK 'a:b', 'c:d' RETURN 1\n                    \
             ^",
        ),
        (
            "FOR purpose PERSON 'p1'",
            "error[syntax] at 1:13: expected a quoted purpose or a parameter, found `PERSON`\n  \
             FOR purpose PERSON 'p1'\n              \
             ^^^^^^",
        ),
        (
            "EXPLAIN AS OF 5 RETURN 1",
            "error[syntax] at 1:9: options stand before `EXPLAIN`\n  \
             EXPLAIN AS OF 5 RETURN 1\n          \
             ^^",
        ),
        (
            "ANALYZE WHY NOT 'a:b', 'c:d'",
            "error[syntax] at 1:1: `ANALYZE` is for graph queries, and `WHY NOT` is a verb\n  \
             ANALYZE WHY NOT 'a:b', 'c:d'\n  \
             ^^^^^^^ leave it out",
        ),
        (
            "WHY 'a:b'",
            "error[syntax] at 1:10: expected `,`, found the end of the text\n  \
             WHY 'a:b'\n           \
             ^",
        ),
        (
            "WHY 5",
            "error[syntax] at 1:5: expected `NOT` or an identifier, as in email:'ann@example.com', found a number\n  \
             WHY 5\n      \
             ^",
        ),
        (
            "NEAR MERGE",
            "error[syntax] at 1:6: unexpected `MERGE`\n  \
             NEAR MERGE\n       \
             ^^^^^ did you mean `MERGES`?",
        ),
        (
            "NETWORK 'a:b' DEPHT 3",
            "error[syntax] at 1:15: unexpected `DEPHT`\n  \
             NETWORK 'a:b' DEPHT 3\n                \
             ^^^^^ did you mean `DEPTH`?",
        ),
        (
            "NEAR MERGES LIMIT x",
            "error[syntax] at 1:19: expected a whole number or a parameter, found `x`\n  \
             NEAR MERGES LIMIT x\n                    \
             ^",
        ),
        (
            "PERSON email:ann@example.com",
            "error[syntax] at 1:17: unexpected character `@`\n  \
             PERSON email:ann@example.com\n                  \
             ^ quote the value, as in email:'ann@example.com'",
        ),
        (
            "PERSON account:a1",
            "error[syntax] at 1:16: expected a quoted value, as in email:'ann@example.com', found `a1`\n  \
             PERSON account:a1\n                 \
             ^^",
        ),
        (
            "PROFILE MATCH (i) RETURN i",
            "error[syntax] at 1:1: `PROFILE` asks for a person's profile\n  \
             PROFILE MATCH (i) RETURN i\n  \
             ^^^^^^^ to measure a query, write ANALYZE",
        ),
        (
            "RETURN 'open",
            "error[open-string] at 1:8: this string is never closed\n  \
             RETURN 'open\n         \
             ^ expected a closing '",
        ),
        (
            "MATCH (match) RETURN 1",
            "error[syntax] at 1:8: expected a name, `:`, `{` or `)`, found `match`\n  \
             MATCH (match) RETURN 1\n         \
             ^^^^^ to use a keyword as a name, quote it: `` `match` ``",
        ),
        (
            "",
            "error[empty] at 1:1: there is no statement here\n  \n  ^ start with MATCH, or with a verb as PERSON",
        ),
        (
            "RETURN 1; RETURN 2",
            "error[syntax] at 1:11: expected the end of the statement, found `RETURN`\n  \
             RETURN 1; RETURN 2\n            \
             ^^^^^^",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn depth_is_limited_without_recursing_past_it() {
    let deep = |open: &str, close: &str, n: usize| format!("RETURN {}1{}", open.repeat(n), close.repeat(n));
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{a: ", "}"), ("-", ""), ("NOT ", ""), ("abs(", ")"), ("x[", "]")]
    {
        assert!(parse(&deep(open, close, 120), &Limits::default()).is_ok(), "{open}");
        let error = parse(&deep(open, close, 10_000), &Limits::default()).expect_err("too deep");
        assert_eq!(error.code(), "limit-depth", "{error}");
    }
    let nested = format!(
        "MATCH (a) WHERE {}true{} RETURN a",
        "EXISTS { (a)-->() WHERE ".repeat(500),
        " }".repeat(500)
    );
    assert_eq!(
        parse(&nested, &Limits::default()).map_err(|e| e.code().to_owned()).err().as_deref(),
        Some("limit-depth")
    );
}

#[test]
fn long_flat_chains_parse() {
    for link in
        [" + 1", " AND 1", " OR 1", " XOR 1", " * 1", " ^ 1", " = 1", " IN 1", " IS NULL", "[0]", ".a", ", 1"]
    {
        let text = format!("RETURN 1{}", link.repeat(8_000));
        assert!(parse(&text, &Limits::default()).is_ok(), "{link}");
    }
    let hops = format!("MATCH (){} RETURN 1", "--()".repeat(10_000));
    assert!(parse(&hops, &Limits::default()).is_ok());
    let clauses = format!("{} RETURN 1", "WITH 1 AS x ".repeat(5_000));
    assert!(parse(&clauses, &Limits::default()).is_ok());
}

#[test]
fn long_texts_are_refused() {
    let error = parse(&" ".repeat(70_000), &Limits::default()).expect_err("too long");
    assert_eq!(error.kind(), crate::ErrorKind::Limit { name: "max_text_bytes" });
}

#[test]
fn parentheses_and_patterns_are_told_apart() {
    for (text, printed) in [
        ("RETURN (a)-(b)", "RETURN a - b"),
        ("RETURN (a) - [1]", "RETURN a - [1]"),
        ("RETURN (1)--(2)", "RETURN 1 - -(2)"),
        ("RETURN (a)-[q * 2]-size(b)", "RETURN a - [(q * 2)] - size(b)"),
        ("RETURN (a)-[]- size (b), (a)-[1]-b", "RETURN a - [] - size(b), a - [1] - b"),
        ("RETURN (a)-[1]-(b), (a)<-[]-(0)", "RETURN a - [1] - b, a < -[] - 0"),
        ("MATCH (a) WHERE (a)-->() RETURN a", "MATCH (a) WHERE (a)-[]->() RETURN a"),
        (
            "MATCH (a) WHERE NOT (a {x: (1)})--(:B) RETURN a",
            "MATCH (a) WHERE NOT ((a {x: 1})-[]-(:B)) RETURN a",
        ),
        ("MATCH (a) WHERE (a $p)-->() RETURN a", "MATCH (a) WHERE (a $p)-[]->() RETURN a"),
        ("RETURN [($p)-->(b) | b], ($p)-1", "RETURN [( $p)-[]->(b) | b], $p - 1"),
        ("RETURN `a.`(1), `a`.`b c`(1)", "RETURN `a.`(1), a.`b c`(1)"),
        ("RETURN (a)<-1", "RETURN a < -1"),
        ("RETURN [x IN xs]", "RETURN [x IN xs]"),
        ("RETURN [(x IN xs)]", "RETURN [(x IN xs)]"),
        ("RETURN [(a)-->(b) | b]", "RETURN [(a)-[]->(b) | b]"),
        ("RETURN -2 ^ 2, 2 ^ 3 ^ 2", "RETURN -2 ^ 2, 2 ^ 3 ^ 2"),
        ("RETURN NOT a = b AND c", "RETURN NOT a = b AND c"),
        ("RETURN (a OR b) AND c", "RETURN (a OR b) AND c"),
        ("RETURN count(*), COUNT { (a)--() }", "RETURN count(*), COUNT { (a)-[]-() }"),
        ("return a.b:C order by a desc", "RETURN a.b:C ORDER BY a DESC"),
        ("profile Email:'x'", "PROFILE Email:'x'"),
        ("PROFILE match:'x'", "PROFILE match:'x'"),
        ("why not:'x', near:'y'", "WHY not:'x', near:'y'"),
        ("why not not:'x', 'not:y';", "WHY NOT not:'x', 'not:y'"),
        ("why $a, $b", "WHY $a, $b"),
        ("network depth:'x' depth $n", "NETWORK depth:'x' DEPTH $n"),
        ("near merges limit 20", "NEAR MERGES LIMIT 20"),
        ("as of -1 threshold 1 return 1", "AS OF -1 THRESHOLD 1 RETURN 1"),
        (
            "without link a:'x'-'b:y' Without Source $s as of $t for purpose 'p' explain match (n) return n",
            "WITHOUT LINK a:'x' - 'b:y' WITHOUT SOURCE $s AS OF $t FOR PURPOSE 'p' EXPLAIN MATCH (n) RETURN n",
        ),
        (
            "MATCH (of:purpose)-[near:why]->(threshold) RETURN without.source, link AS network, history, how",
            "MATCH (of:purpose)-[near:why]->(threshold) RETURN without.source, link AS network, history, how",
        ),
    ] {
        let shown = parse(text, &Limits::default()).map(|tree| tree.to_string()).map_err(|e| e.to_string());
        assert_eq!(shown.as_deref(), Ok(printed), "{text}");
    }
}
