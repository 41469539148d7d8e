//! Statements from the grammar, with names that mostly exist.

use super::Random;

/// A whole statement.
pub(super) fn statement(random: &mut Random) -> String {
    let mut text = String::new();
    while random.once_in(6) {
        text.push_str(&option(random));
        text.push(' ');
    }
    match random.below(10) {
        0 | 1 => text.push_str(&verb(random)),
        2 => {
            text.push_str(random.pick(&["EXPLAIN ", "ANALYZE "]));
            text.push_str(&query(random, 3));
        }
        _ => text.push_str(&query(random, 4)),
    }
    text
}

fn option(random: &mut Random) -> String {
    match random.below(5) {
        0 => format!("AS OF {}", random.pick(&["3", "0", "'2026-01-05'", "$time", "99"])),
        1 => format!("THRESHOLD {}", random.pick(&["0.8", "$x", "1", "0", "0.46"])),
        2 => format!("WITHOUT SOURCE {}", random.pick(&["'web'", "'crm'", "'nobody'"])),
        3 => format!("WITHOUT LINK {} - {}", who(random), who(random)),
        _ => "FOR PURPOSE 'marketing'".to_owned(),
    }
}

fn who(random: &mut Random) -> &'static str {
    random.pick(&[
        "email:'ann@example.com'",
        "'account:a2'",
        "device:'d1'",
        "'p0'",
        "'h6'",
        "$who",
        "address:'1 high street'",
        "email:'nobody@example.com'",
        "account:'a1'",
    ])
}

fn verb(random: &mut Random) -> String {
    let first = who(random);
    let verb = random.pick(&[
        "PROFILE",
        "PERSON",
        "HOUSEHOLD",
        "NEIGHBOURS",
        "WHY",
        "WHY NOT",
        "HOW",
        "HISTORY",
        "NETWORK",
        "DIFF",
        "NEAR MERGES",
    ]);
    match verb {
        "WHY" | "WHY NOT" => format!("{verb} {first}, {}", who(random)),
        "NETWORK" => format!("{verb} {first} DEPTH {}", random.pick(&["0", "1", "2", "3", "$depth"])),
        "NEAR MERGES" => format!("{verb} LIMIT {}", random.below(4)),
        _ => format!("{verb} {first}"),
    }
}

fn query(random: &mut Random, depth: usize) -> String {
    let mut text = single(random, depth);
    while random.once_in(12) {
        text.push_str(random.pick(&[" UNION ", " UNION ALL "]));
        text.push_str(&single(random, depth));
    }
    text
}

fn single(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..random.below(3) + 1 {
        text.push_str(&clause(random, depth));
        text.push(' ');
    }
    text.push_str("RETURN ");
    text.push_str(&projection(random, depth));
    text
}

fn clause(random: &mut Random, depth: usize) -> String {
    match random.below(8) {
        0..=3 => {
            let optional = if random.once_in(4) { "OPTIONAL " } else { "" };
            let mut text = format!("{optional}MATCH {}", pattern(random, depth));
            if random.once_in(5) {
                text.push_str(&format!(", {}", pattern(random, depth)));
            }
            text + &condition(random, depth)
        }
        4 => format!("UNWIND {} AS {}", expression(random, depth), variable(random)),
        5 | 6 => format!("WITH {}{}", projection(random, depth), condition(random, depth)),
        _ => random
            .pick(&[
                "CALL identity.person($who) YIELD person, size",
                "UNWIND $ids AS z CALL identity.neighbours(z) YIELD id, weight WHERE weight > 0.5",
                "CALL identity.network('email:ann@example.com', 2) YIELD id AS x",
            ])
            .to_owned(),
    }
}

fn condition(random: &mut Random, depth: usize) -> String {
    if random.once_in(3) { format!(" WHERE {}", expression(random, depth)) } else { String::new() }
}

fn projection(random: &mut Random, depth: usize) -> String {
    let mut text = if random.once_in(6) { "DISTINCT ".to_owned() } else { String::new() };
    if random.once_in(6) {
        text.push('*');
    } else {
        let items: Vec<String> = (0..random.below(3) + 1)
            .map(|_| format!("{} AS {}", expression(random, depth), variable(random)))
            .collect();
        text.push_str(&items.join(", "));
    }
    if random.once_in(5) {
        text.push_str(&format!(" ORDER BY {}", expression(random, 2)));
        text.push_str(random.pick(&["", " DESC", " ASC"]));
    }
    if random.once_in(8) {
        text.push_str(&format!(" SKIP {}", random.below(3)));
    }
    if random.once_in(5) {
        text.push_str(&format!(" LIMIT {}", random.pick(&["0", "1", "5", "$p", "1 + 1"])));
    }
    text
}

fn variable(random: &mut Random) -> &'static str {
    random.pick(&["a", "b", "c", "x", "y", "r", "p", "`a b`"])
}

fn label(random: &mut Random) -> &'static str {
    random.pick(&["A", "B", "Person", "Identifier", "Household", "email", "device", "account", "Nope"])
}

fn kind(random: &mut Random) -> &'static str {
    random.pick(&["T", "R", "KNOWS", "LINKED", "IDENTIFIES", "MEMBER_OF", "NOPE"])
}

fn key(random: &mut Random) -> &'static str {
    random.pick(&["name", "num", "id", "list", "value", "weight", "size", "evidence", "nope"])
}

fn properties(random: &mut Random, depth: usize) -> String {
    if random.once_in(4) {
        format!(" {{{}: {}}}", key(random), expression(random, depth.min(2)))
    } else {
        String::new()
    }
}

fn node(random: &mut Random, depth: usize) -> String {
    let name = if random.once_in(3) { "" } else { variable(random) };
    let label = if random.once_in(2) { format!(":{}", label(random)) } else { String::new() };
    format!("({name}{label}{})", properties(random, depth))
}

fn hop(random: &mut Random, depth: usize) -> String {
    if random.once_in(3) {
        return random.pick(&["-->", "<--", "--", "<-->"]).to_owned();
    }
    let name = if random.once_in(2) { "" } else { variable(random) };
    let mut kinds = if random.once_in(3) { String::new() } else { format!(":{}", kind(random)) };
    if !kinds.is_empty() && random.once_in(4) {
        kinds.push_str(&format!("|{}", kind(random)));
    }
    let range = if random.once_in(3) {
        random.pick(&["*", "*1", "*..2", "*0..", "*2..3", "*0..1", "*3..1"])
    } else {
        ""
    };
    let (left, right) = [("-", "->"), ("<-", "-"), ("-", "-")][random.below(3)];
    format!("{left}[{name}{kinds}{range}{}]{right}", properties(random, depth))
}

fn chain(random: &mut Random, depth: usize, least: usize) -> String {
    let mut text = node(random, depth);
    for _ in 0..random.below(3).max(least) {
        text.push_str(&hop(random, depth));
        text.push_str(&node(random, depth));
    }
    text
}

fn pattern(random: &mut Random, depth: usize) -> String {
    let name = if random.once_in(4) { format!("{} = ", variable(random)) } else { String::new() };
    if random.once_in(12) {
        let which = random.pick(&["shortestPath", "allShortestPaths"]);
        return format!(
            "{name}{which}({}{}{})",
            node(random, depth),
            hop(random, depth),
            node(random, depth)
        );
    }
    format!("{name}{}", chain(random, depth, 0))
}

fn literal(random: &mut Random) -> &'static str {
    random.pick(&[
        "0",
        "1",
        "-1",
        "2",
        "9223372036854775807",
        "-9223372036854775808",
        "0.5",
        "1e308",
        "-0.0",
        "null",
        "true",
        "false",
        "'a'",
        "''",
        "'né😀'",
        "'email:ann@example.com'",
        "[]",
        "[1, null, 'a']",
        "{}",
        "{a: 1}",
        "$p",
        "$list",
        "$who",
        "0x1F",
    ])
}

/// An expression, nested at most so deep.
fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.once_in(4) {
        return match random.below(3) {
            0 => literal(random).to_owned(),
            1 => variable(random).to_owned(),
            _ => format!("{}.{}", variable(random), key(random)),
        };
    }
    let inner = depth - 1;
    let one = expression(random, inner);
    match random.below(16) {
        0..=2 => {
            let operator = random.pick(&[
                "+",
                "-",
                "*",
                "/",
                "%",
                "^",
                "=",
                "<>",
                "<",
                ">=",
                "AND",
                "OR",
                "XOR",
                "IN",
                "STARTS WITH",
                "ENDS WITH",
                "CONTAINS",
                "=~",
            ]);
            format!("({one} {operator} {})", expression(random, inner))
        }
        3 => format!("{}{one}", random.pick(&["NOT ", "-", "+"])),
        4 => format!("{one} {}", random.pick(&["IS NULL", "IS NOT NULL"])),
        5 => format!("[{one}, {}]", expression(random, inner)),
        6 => format!("{{a: {one}, b: {}}}", expression(random, inner)),
        7 => format!("({one})[{}]", expression(random, inner)),
        8 => format!("({one})[{}..{}]", expression(random, inner), expression(random, inner)),
        9 => {
            let function = random.pick(&[
                "size",
                "head",
                "last",
                "tail",
                "reverse",
                "labels",
                "type",
                "id",
                "keys",
                "properties",
                "startNode",
                "nodes",
                "relationships",
                "length",
                "toString",
                "toInteger",
                "toFloat",
                "toBoolean",
                "abs",
                "round",
                "sqrt",
                "log",
                "datetime",
                "duration",
                "toUpper",
                "trim",
            ]);
            format!("{function}({one})")
        }
        10 => {
            let two = expression(random, inner);
            match random.below(5) {
                0 => format!("range({one}, {two})"),
                1 => format!("coalesce({one}, {two})"),
                2 => format!("split({one}, {two})"),
                3 => format!("replace({one}, {two}, 'xy')"),
                _ => format!("substring({one}, {two})"),
            }
        }
        11 => {
            let aggregate = random.pick(&["count", "sum", "avg", "min", "max", "collect", "stDev", "count"]);
            format!("{aggregate}({}{one})", random.pick(&["", "DISTINCT "]))
        }
        12 => format!(
            "CASE WHEN {one} THEN {} ELSE {} END",
            expression(random, inner),
            expression(random, inner)
        ),
        13 => format!("[y IN {one} WHERE {} | {}]", expression(random, inner), expression(random, inner)),
        14 => {
            let quantifier = random.pick(&["all", "any", "none", "single"]);
            format!("{quantifier}(y IN {one} WHERE {})", expression(random, inner))
        }
        _ => match random.below(4) {
            0 => format!("[{} | {one}]", chain(random, inner, 1)),
            1 => format!("EXISTS {{ {} }}", chain(random, inner, 1)),
            2 => format!("COUNT {{ MATCH {} RETURN 1 AS one }}", pattern(random, inner)),
            _ => chain(random, inner, 1),
        },
    }
}
