//! Random queries: the whole grammar, over the names that a graph has.
//!
//! They are well typed, but for a few that are spoiled on purpose. A pattern
//! that must be the shortest stands last in its MATCH, and no other speaks of it.

use super::dice::Dice;

/// What an expression is, as far as the generator cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ty {
    /// A scalar of any type.
    Any,
    Int,
    Float,
    Str,
    Bool,
    Time,
    Ints,
    Strs,
    Anys,
    Map,
    Node,
    Rel,
    Path,
    Nodes,
    Rels,
    /// A path of which only the length is settled.
    Short,
}

impl Ty {
    fn element(self) -> Self {
        match self {
            Self::Ints => Self::Int,
            Self::Strs => Self::Str,
            Self::Nodes => Self::Node,
            Self::Rels => Self::Rel,
            _ => Self::Any,
        }
    }

    fn list_of(self) -> Self {
        match self {
            Self::Int => Self::Ints,
            Self::Str => Self::Strs,
            Self::Node => Self::Nodes,
            Self::Rel => Self::Rels,
            _ => Self::Anys,
        }
    }
}

/// The names of a graph, and values worth asking for.
pub(super) struct Words {
    pub(super) labels: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) of_nodes: Vec<(&'static str, Ty)>,
    pub(super) of_rels: Vec<(&'static str, Ty)>,
    /// Literals, as they are written.
    pub(super) texts: Vec<String>,
    pub(super) times: Vec<String>,
    pub(super) params: Vec<(&'static str, Ty)>,
}

const SCALARS: [Ty; 5] = [Ty::Any, Ty::Int, Ty::Float, Ty::Str, Ty::Bool];
const LISTS: [Ty; 3] = [Ty::Ints, Ty::Strs, Ty::Anys];

pub(super) struct Writer<'w> {
    dice: Dice,
    words: &'w Words,
    vars: Vec<(String, Ty)>,
    /// The relationships that the MATCH in the making speaks of already.
    spoken: Vec<String>,
    fresh: usize,
    /// Whether something was written that makes no sense, on purpose.
    pub(super) spoiled: bool,
}

impl<'w> Writer<'w> {
    pub(super) fn new(dice: Dice, words: &'w Words) -> Self {
        Self { dice, words, vars: Vec::new(), spoken: Vec::new(), fresh: 0, spoiled: false }
    }

    fn name(&mut self, start: &str) -> String {
        self.fresh += 1;
        format!("{start}{}", self.fresh)
    }

    fn var(&mut self, ty: Ty) -> Option<String> {
        let fits: Vec<String> =
            self.vars.iter().filter(|(_, known)| *known == ty).map(|(n, _)| n.clone()).collect();
        (!fits.is_empty()).then(|| self.dice.pick(&fits).clone())
    }

    fn either(&mut self, of: &[Ty]) -> Ty {
        *self.dice.pick(of)
    }

    pub(super) fn query(&mut self) -> String {
        if !self.dice.percent(7) {
            return self.single(None);
        }
        let columns = 1 + self.dice.below(2);
        let joint = if self.dice.percent(50) { " UNION " } else { " UNION ALL " };
        let mut parts = Vec::new();
        for _ in 0..2 + self.dice.below(2) {
            self.vars.clear();
            parts.push(self.single(Some(columns)));
        }
        parts.join(joint)
    }

    fn single(&mut self, columns: Option<usize>) -> String {
        let mut clauses = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            clauses.push(match self.dice.below(20) {
                0..=7 => self.matching("MATCH"),
                8..=10 => self.matching("OPTIONAL MATCH"),
                11..=14 => {
                    let ty = self.either(&LISTS);
                    let list = self.expr(ty, 2);
                    let name = self.name("u");
                    self.vars.push((name.clone(), ty.element()));
                    format!("UNWIND {list} AS {name}")
                }
                _ => self.projection(true, None),
            });
        }
        if columns.is_none() && self.vars.is_empty() {
            clauses.push(self.matching("MATCH"));
        }
        clauses.push(self.projection(false, columns));
        clauses.join(" ")
    }

    fn matching(&mut self, word: &str) -> String {
        let outer = std::mem::take(&mut self.spoken);
        let mut patterns = Vec::new();
        for _ in 0..[1, 1, 1, 1, 1, 2, 2, 3][self.dice.below(8)] {
            let chain = self.chain(true, 2);
            patterns.push(if self.dice.percent(20) {
                let path = self.name("p");
                self.vars.push((path.clone(), Ty::Path));
                format!("{path} = {chain}")
            } else {
                chain
            });
        }
        if self.dice.percent(8) {
            let (from, rel) = (self.node(true, 1), self.relationship(false, true));
            let to = self.node(true, 1);
            let path = self.name("p");
            let all = self.dice.percent(40);
            self.vars.push((path.clone(), if all { Ty::Path } else { Ty::Short }));
            let word = if all { "allShortestPaths" } else { "shortestPath" };
            patterns.push(format!("{path} = {word}({from}{rel}{to})"));
        }
        self.spoken = outer;
        let filter =
            if self.dice.percent(35) { format!(" WHERE {}", self.condition(2)) } else { String::new() };
        format!("{word} {}{filter}", patterns.join(", "))
    }

    /// Nodes with relationships between them; new names only where they may be `bound`.
    fn chain(&mut self, bind: bool, longest: usize) -> String {
        let mut text = self.node(bind, 1);
        for _ in 0..self.dice.below(longest + 1) {
            text += &self.relationship(bind, false);
            text += &self.node(bind, 1);
        }
        text
    }

    fn node(&mut self, bind: bool, depth: usize) -> String {
        let mut text = "(".to_owned();
        match self.dice.below(10) {
            0..=3 => text += &self.var(Ty::Node).unwrap_or_default(),
            4..=7 if bind => {
                let name = self.name("n");
                self.vars.push((name.clone(), Ty::Node));
                text += &name;
            }
            _ => {}
        }
        for chance in [22, 8] {
            if !self.words.labels.is_empty() && self.dice.percent(chance) {
                text += &format!(":{}", self.dice.pick(&self.words.labels));
            }
        }
        if self.dice.percent(8) {
            text += &self.asked(true, depth);
        }
        text + ")"
    }

    fn asked(&mut self, of_node: bool, depth: usize) -> String {
        let words = self.words;
        let (key, ty) = *self.dice.pick(if of_node { &words.of_nodes } else { &words.of_rels });
        let value = self.expr(ty, depth);
        format!(" {{{key}: {value}}}")
    }

    fn relationship(&mut self, bind: bool, shortest: bool) -> String {
        let mut text = String::new();
        let long = shortest || self.dice.percent(22);
        match self.dice.below(20) {
            0..=7 if bind => {
                let name = self.name("r");
                self.vars.push((name.clone(), if long { Ty::Rels } else { Ty::Rel }));
                self.spoken.push(name.clone());
                text += &name;
            }
            // One that an earlier clause found.
            8 if !shortest => {
                let known = self.var(if long { Ty::Rels } else { Ty::Rel });
                if let Some(name) = known.filter(|name| name.starts_with('r') && !self.spoken.contains(name))
                {
                    self.spoken.push(name.clone());
                    text += &name;
                }
            }
            _ => {}
        }
        if self.dice.percent(30) {
            text += &format!(":{}", self.dice.pick(&self.words.types));
            if self.dice.percent(20) {
                text += &format!("|{}", self.dice.pick(&self.words.types));
            }
        }
        if long {
            text +=
                self.dice.word(&["*", "*", "*1..2", "*..2", "*..3", "*0..1", "*0..2", "*2", "*2..", "*0"]);
        }
        if self.dice.percent(5) {
            text += &self.asked(false, 1);
        }
        let body = if text.is_empty() && self.dice.percent(50) { String::new() } else { format!("[{text}]") };
        match self.dice.below(5) {
            0 | 1 => format!("-{body}->"),
            2 => format!("<-{body}-"),
            3 => format!("-{body}-"),
            _ if self.dice.percent(20) => format!("<-{body}->"),
            _ => format!("-{body}-"),
        }
    }

    /// A condition of WHERE, where patterns may stand too.
    fn condition(&mut self, depth: usize) -> String {
        match self.dice.below(12) {
            0 => {
                let pattern = self.predicate();
                let more = self.expr(Ty::Bool, depth - 1);
                let word = self.dice.word(&["AND", "OR"]);
                format!("{pattern} {word} {more}")
            }
            1 => format!("NOT {}", self.predicate()),
            6 => format!("({}) IS NOT NULL", self.expr(Ty::Bool, depth - 1)),
            2 | 3 => {
                let (a, b) = (self.expr(Ty::Bool, depth - 1), self.expr(Ty::Bool, depth - 1));
                format!("{a} AND {b}")
            }
            // What an index can answer.
            4 | 5 => match self.var(Ty::Node) {
                Some(name) => {
                    let (key, ty) = *self.dice.pick(&self.words.of_nodes);
                    let wanted = self.expr(ty, 1);
                    match self.dice.below(3) {
                        0 => format!("{name}.{key} = {wanted}"),
                        1 => format!("{wanted} = {name}.{key}"),
                        _ => format!("{name}.{key} IN [{wanted}, {}]", self.expr(ty, 1)),
                    }
                }
                None => self.expr(Ty::Bool, depth),
            },
            _ => self.expr(Ty::Bool, depth),
        }
    }

    fn predicate(&mut self) -> String {
        let spoken = std::mem::take(&mut self.spoken);
        let from = self.var(Ty::Node).unwrap_or_default();
        let rel = self.relationship(false, false);
        let to = self.node(false, 0);
        self.spoken = spoken;
        format!("({from}){rel}{to}")
    }

    /// Writes what may bind names that end with it.
    fn local<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let (vars, spoken) = (self.vars.len(), std::mem::take(&mut self.spoken));
        let written = write(self);
        self.vars.truncate(vars);
        self.spoken = spoken;
        written
    }

    fn subquery(&mut self, word: &str) -> String {
        self.local(|w| {
            if w.dice.percent(30) {
                let body = w.matching("MATCH");
                let item = w.expr(Ty::Any, 1);
                let name = w.name("s");
                let how = w.dice.word(&["", "DISTINCT ", ""]);
                let limit = w.dice.word(&["", "", " LIMIT 2", " SKIP 1"]);
                return format!("{word} {{ {body} RETURN {how}{item} AS {name}{limit} }}");
            }
            let chain = w.chain(true, 2);
            let filter =
                if w.dice.percent(40) { format!(" WHERE {}", w.expr(Ty::Bool, 1)) } else { String::new() };
            format!("{word} {{ {chain}{filter} }}")
        })
    }

    fn gathered(&mut self, ty: Ty) -> String {
        self.local(|w| {
            let from = w.var(Ty::Node).unwrap_or_default();
            let (rel, to) = (w.relationship(true, false), w.node(true, 0));
            let path = if w.dice.percent(20) {
                let path = w.name("p");
                w.vars.push((path.clone(), Ty::Path));
                format!("{path} = ")
            } else {
                String::new()
            };
            let filter =
                if w.dice.percent(30) { format!(" WHERE {}", w.expr(Ty::Bool, 1)) } else { String::new() };
            format!("[{path}({from}){rel}{to}{filter} | {}]", w.expr(ty, 1))
        })
    }

    /// `item IN list` with what is written of the item.
    fn over(&mut self, ty: Ty, depth: usize, write: impl FnOnce(&mut Self, &str) -> String) -> String {
        let list = self.expr(ty, depth);
        let name = self.name("x");
        self.vars.push((name.clone(), ty.element()));
        let rest = write(self, &name);
        self.vars.pop();
        format!("{name} IN {list}{rest}")
    }

    fn projection(&mut self, with: bool, columns: Option<usize>) -> String {
        let word = if with { "WITH" } else { "RETURN" };
        let gathers = self.dice.percent(25);
        let distinct = self.dice.percent(15);
        let mut items: Vec<String> = Vec::new();
        let mut after: Vec<(String, Ty)> = Vec::new();
        if columns.is_none()
            && !gathers
            && !self.vars.is_empty()
            && self.dice.percent(if with { 25 } else { 10 })
        {
            items.push("*".to_owned());
            after = self.vars.clone();
        } else {
            let known = self.vars.clone();
            let keep = if columns.is_some() {
                0
            } else if with {
                60
            } else {
                20
            };
            for (name, ty) in known {
                if self.dice.percent(keep) && after.len() < 5 {
                    items.push(name.clone());
                    after.push((name, ty));
                }
            }
        }
        let wanted = match columns {
            Some(count) => count,
            None if items.is_empty() => 1 + self.dice.below(3),
            None => self.dice.below(2),
        };
        let mut keys: Vec<(String, Ty)> = after.clone();
        for place in 0..wanted {
            let name = match columns {
                Some(_) => format!("c{place}"),
                None => self.name(if with { "v" } else { "c" }),
            };
            let (text, ty) = if gathers && (place + 1 == wanted || self.dice.percent(40)) {
                self.aggregate(&keys)
            } else {
                let ty = self.item_type();
                (self.expr(ty, 2), ty)
            };
            if !gathers {
                keys.push((name.clone(), ty));
            }
            let unnamed = !with
                && columns.is_none()
                && !items.contains(&text)
                && text.contains(|c: char| !c.is_alphanumeric())
                && self.dice.percent(15);
            items.push(if unnamed { text } else { format!("{text} AS {name}") });
            if !unnamed {
                after.push((name, ty));
            }
        }
        if items.is_empty() {
            let name = self.name("c");
            items.push(format!("count(*) AS {name}"));
            after.push((name, Ty::Int));
        }
        let before = std::mem::replace(&mut self.vars, after);
        let mut tail = String::new();
        let ordered = self.dice.percent(40);
        if ordered {
            let mut sorts = Vec::new();
            for _ in 0..1 + self.dice.below(2) {
                let names: Vec<(String, Ty)> =
                    self.vars.iter().filter(|(_, ty)| *ty != Ty::Short).cloned().collect();
                let plain = !gathers && !distinct;
                let key = if plain && self.dice.percent(40) {
                    let own = self.vars.len();
                    self.vars.extend(
                        before.iter().filter(|(name, _)| !names.iter().any(|(n, _)| n == name)).cloned(),
                    );
                    let ty = self.either(&SCALARS);
                    let key = self.expr(ty, 1);
                    self.vars.truncate(own);
                    key
                } else if names.is_empty() {
                    "1".to_owned()
                } else {
                    self.dice.pick(&names).0.clone()
                };
                sorts.push(key + self.dice.word(&["", "", " DESC", " DESCENDING", " ASC"]));
            }
            tail += &format!(" ORDER BY {}", sorts.join(", "));
        }
        if (ordered || !with) && self.dice.percent(15) {
            tail += self.dice.word(&[" SKIP 1", " SKIP 2", " SKIP $i", " SKIP 0"]);
        }
        if (ordered || !with) && self.dice.percent(25) {
            tail += self.dice.word(&[" LIMIT 1", " LIMIT 3", " LIMIT $i", " LIMIT 0", " LIMIT 10"]);
        }
        if with && self.dice.percent(30) {
            tail += &format!(" WHERE {}", self.condition(2));
        }
        let how = if distinct { "DISTINCT " } else { "" };
        format!("{word} {how}{}{tail}", items.join(", "))
    }

    fn item_type(&mut self) -> Ty {
        match self.dice.below(12) {
            0..=6 => self.either(&SCALARS),
            7 | 8 => self.either(&LISTS),
            9 => Ty::Map,
            10 => Ty::Node,
            _ => self.either(&[Ty::Rel, Ty::Path, Ty::Rels, Ty::Nodes, Ty::Time]),
        }
    }

    /// An item with an aggregate; `keys` are what is grouped by.
    fn aggregate(&mut self, keys: &[(String, Ty)]) -> (String, Ty) {
        let some = |w: &mut Self, of: &[Ty]| {
            let ty = w.either(of);
            (w.expr(ty, 1), ty)
        };
        let how = self.dice.word(&["", "", "DISTINCT "]);
        match self.dice.below(20) {
            0 | 1 => ("count(*)".to_owned(), Ty::Int),
            2 | 3 => {
                let (of, _) = some(self, &[Ty::Any, Ty::Int, Ty::Node, Ty::Str, Ty::Anys]);
                (format!("count({how}{of})"), Ty::Int)
            }
            4 | 5 => {
                let (of, ty) = some(self, &[Ty::Int, Ty::Float]);
                (format!("sum({how}{of})"), ty)
            }
            6 => (format!("avg({how}{})", some(self, &[Ty::Int, Ty::Float]).0), Ty::Float),
            7 | 8 => {
                let (of, ty) = some(self, &[Ty::Any, Ty::Int, Ty::Str, Ty::Float, Ty::Bool, Ty::Ints]);
                (format!("{}({of})", self.dice.word(&["min", "max"])), ty)
            }
            9..=11 => {
                let (of, ty) = some(self, &[Ty::Any, Ty::Int, Ty::Str, Ty::Node, Ty::Rel]);
                (format!("collect({how}{of})"), ty.list_of())
            }
            12 => {
                let of = some(self, &[Ty::Int, Ty::Float]).0;
                (format!("round(1000 * {}({of}))", self.dice.word(&["stDev", "stDevP"])), Ty::Float)
            }
            13 | 16..=19 => {
                let (of, ty) = some(self, &[Ty::Int, Ty::Float]);
                let share = self.dice.word(&["0.0", "0.25", "0.5", "0.75", "1.0"]);
                let cont = self.dice.percent(50);
                let name = if cont { "percentileCont" } else { "percentileDisc" };
                (format!("{name}({how}{of}, {share})"), if cont { Ty::Float } else { ty })
            }
            14 => {
                let of = some(self, &[Ty::Any, Ty::Int]).0;
                (format!("[count({how}{of}), count(*)][{}]", self.dice.below(2)), Ty::Int)
            }
            _ => match keys.iter().find(|(_, ty)| *ty == Ty::Int) {
                Some((key, _)) if self.vars.iter().any(|(name, _)| name == key) => {
                    (format!("{key} + count(*)"), Ty::Int)
                }
                _ => ("1 + 2 * count(*)".to_owned(), Ty::Int),
            },
        }
    }

    fn literal(&mut self, ty: Ty) -> String {
        let d = &mut self.dice;
        match ty {
            _ if d.percent(6) => "null".to_owned(),
            Ty::Int => d.word(&["0", "1", "2", "3", "-1", "5", "7"]).to_string(),
            Ty::Float => d.word(&["0.5", "1.0", "-0.25", "2.0", "0.0", "1e3", "0.75"]).to_string(),
            Ty::Str => d.pick(&self.words.texts).clone(),
            Ty::Bool => d.word(&["true", "false"]).to_string(),
            Ty::Time if !self.words.times.is_empty() => format!("datetime({})", d.pick(&self.words.times)),
            Ty::Ints => d.word(&["[1, 2, 3]", "[]", "[0, 1]", "[3, 1, 2, 1]", "[1, null]"]).to_string(),
            Ty::Strs => d.word(&["['a', 'b']", "['b', 'a', 'ab']", "['a']"]).to_string(),
            Ty::Anys => d.word(&["[1, 'a', null]", "[1.0, 1, true]", "[[1], 2, 'b']", "[null]"]).to_string(),
            Ty::Map => d.word(&["{}", "{a: 1}", "{a: 1, b: 'x'}", "{a: null}"]).to_string(),
            Ty::Any => {
                let ty = *d.pick(&[Ty::Int, Ty::Float, Ty::Str, Ty::Bool]);
                self.literal(ty)
            }
            _ => "null".to_owned(),
        }
    }

    fn leaf(&mut self, ty: Ty) -> String {
        let mut found: Vec<String> = Vec::new();
        for (name, known) in &self.vars {
            if *known == ty {
                found.extend([name.clone(), name.clone()]);
            }
            let of = match known {
                Ty::Node => &self.words.of_nodes,
                Ty::Rel => &self.words.of_rels,
                _ => continue,
            };
            let fits = of.iter().filter(|(_, of)| *of == ty || ty == Ty::Any);
            found.extend(fits.map(|(key, _)| format!("{name}.{key}")));
        }
        found.extend(
            self.words.params.iter().filter(|(_, known)| *known == ty).map(|(name, _)| format!("${name}")),
        );
        if found.is_empty() || self.dice.percent(25) {
            self.literal(ty)
        } else {
            self.dice.pick(&found).clone()
        }
    }

    fn expr(&mut self, ty: Ty, depth: usize) -> String {
        if !self.spoiled && self.dice.below(400) == 0 {
            self.spoiled = true;
            let other = self.either(&[Ty::Int, Ty::Str, Ty::Bool, Ty::Ints, Ty::Map, Ty::Node]);
            return self.expr(other, depth);
        }
        if depth == 0 || self.dice.percent(20) {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        if self.dice.percent(6) {
            return self.chosen(ty, depth);
        }
        match ty {
            Ty::Int => self.int(depth),
            Ty::Float => self.float(depth),
            Ty::Str => self.text(depth),
            Ty::Bool => self.boolean(depth),
            Ty::Any => self.any(depth),
            Ty::Ints | Ty::Strs | Ty::Anys => self.list(ty, depth),
            Ty::Map => match self.dice.below(3) {
                0 => match self.var(Ty::Node) {
                    Some(name) => format!("properties({name})"),
                    None => self.literal(ty),
                },
                _ => format!("{{a: {}, b: {}}}", self.expr(Ty::Any, depth), self.expr(Ty::Int, depth)),
            },
            Ty::Node => match (self.dice.below(4), self.var(Ty::Rel), self.var(Ty::Path)) {
                (0, Some(rel), _) => format!("{}({rel})", self.dice.word(&["startNode", "endNode"])),
                (1, _, Some(path)) => format!("nodes({path})[{}]", self.expr(Ty::Int, 0)),
                (2, _, Some(path)) => format!("{}(nodes({path}))", self.dice.word(&["head", "last"])),
                _ => self.leaf(ty),
            },
            Ty::Rel => match self.var(Ty::Path) {
                Some(path) if self.dice.percent(30) => {
                    format!("relationships({path})[{}]", self.expr(Ty::Int, 0))
                }
                _ => self.leaf(ty),
            },
            Ty::Nodes | Ty::Rels => match self.var(Ty::Path) {
                Some(path) if ty == Ty::Nodes => format!("nodes({path})"),
                Some(path) => format!("relationships({path})"),
                None => format!("[{}]", self.expr(ty.element(), depth)),
            },
            Ty::Time | Ty::Path | Ty::Short => self.leaf(ty),
        }
    }

    fn chosen(&mut self, ty: Ty, depth: usize) -> String {
        let (a, b) = (self.expr(ty, depth), self.expr(ty, depth));
        match self.dice.below(3) {
            0 => format!("coalesce({a}, {b})"),
            1 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.expr(Ty::Bool, depth)),
            _ => {
                let of = self.either(&SCALARS);
                let (subject, when) = (self.expr(of, depth), self.expr(of, depth));
                format!("CASE {subject} WHEN {when} THEN {a} WHEN {} THEN {b} END", self.expr(of, depth))
            }
        }
    }

    fn int(&mut self, depth: usize) -> String {
        let int = |w: &mut Self| w.expr(Ty::Int, depth);
        match self.dice.below(15) {
            0 => format!("({} + {})", int(self), int(self)),
            1 => format!("({} - {} + {})", int(self), int(self), int(self)),
            2 => format!("({} * {})", int(self), int(self)),
            3 => format!(
                "({} {} {})",
                int(self),
                self.dice.word(&["/", "%"]),
                self.dice.word(&["2", "3", "-2", "2", "7"])
            ),
            4 => {
                let ty = self.either(&[Ty::Str, Ty::Ints, Ty::Anys, Ty::Rels, Ty::Strs]);
                format!("size({})", self.expr(ty, depth))
            }
            5 | 6 => {
                let ty = self.either(&[Ty::Path, Ty::Short]);
                match self.var(ty) {
                    Some(path) => format!("length({path})"),
                    None => self.leaf(Ty::Int),
                }
            }
            7 => format!("({})[{}]", self.expr(Ty::Ints, depth), int(self)),
            8 => format!("{}({})", self.dice.word(&["head", "last"]), self.expr(Ty::Ints, depth)),
            9 => format!("{}({})", self.dice.word(&["abs", "sign"]), int(self)),
            10 => {
                let ty = self.either(&[Ty::Float, Ty::Str, Ty::Int]);
                format!("toInteger({})", self.expr(ty, depth))
            }
            11 => self.subquery("COUNT"),
            12 => format!("size({})", self.gathered(Ty::Any)),
            // A sign before parentheses would read as a pattern after `(x) -`.
            13 => format!("(-({}))", int(self)),
            _ => self.leaf(Ty::Int),
        }
    }

    fn float(&mut self, depth: usize) -> String {
        let float = |w: &mut Self| w.expr(Ty::Float, depth);
        match self.dice.below(10) {
            0 => format!("({} + {})", float(self), self.expr(Ty::Int, depth)),
            1 => format!("({} - {})", float(self), float(self)),
            2 => format!("({} * {})", float(self), float(self)),
            3 => format!("toFloat({})", self.expr(Ty::Int, depth)),
            4 => format!("({} / 2.0)", self.expr(Ty::Int, depth)),
            5 => {
                format!("{}({})", self.dice.word(&["round", "ceil", "floor", "abs"]), float(self))
            }
            6 => format!("toFloat({})", self.expr(Ty::Str, depth)),
            7 => format!("{} ^ 2", self.leaf(Ty::Int)),
            8 => format!("sqrt({})", float(self)),
            _ => self.leaf(Ty::Float),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let text = |w: &mut Self| w.expr(Ty::Str, depth);
        let small = self.dice.below(3);
        match self.dice.below(14) {
            0 => format!("({} + {})", text(self), text(self)),
            1 => format!("({} + {})", text(self), self.expr(Ty::Int, depth)),
            2 | 3 => {
                let ty = self.either(&[Ty::Int, Ty::Bool, Ty::Float, Ty::Str]);
                format!("toString({})", self.expr(ty, depth))
            }
            4 | 5 => {
                let name = self.dice.word(&["toUpper", "toLower", "trim", "lTrim", "rTrim", "reverse"]);
                format!("{name}({})", text(self))
            }
            6 => format!("{}({}, {small})", self.dice.word(&["left", "right", "substring"]), text(self)),
            7 => format!("substring({}, {small}, 1)", text(self)),
            8 => format!("replace({}, {}, {})", text(self), text(self), text(self)),
            9 => format!("split({}, {})[{small}]", text(self), text(self)),
            10 => match self.var(Ty::Rel) {
                Some(rel) => format!("type({rel})"),
                None => self.leaf(Ty::Str),
            },
            11 => format!("head({})", self.expr(Ty::Strs, depth)),
            _ => self.leaf(Ty::Str),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        match self.dice.below(8) {
            0 => format!("({})[{}]", self.expr(Ty::Anys, depth), self.expr(Ty::Int, 0)),
            1 => format!("({}).{}", self.expr(Ty::Map, depth), self.dice.word(&["a", "b"])),
            2 => format!("({})['{}']", self.expr(Ty::Map, depth), self.dice.word(&["a", "b"])),
            3 => match self.var(Ty::Node) {
                Some(name) => format!("id({name})"),
                None => self.leaf(Ty::Any),
            },
            4 | 5 => {
                let ty = self.either(&[Ty::Int, Ty::Float, Ty::Str, Ty::Bool, Ty::Ints, Ty::Time]);
                self.expr(ty, depth)
            }
            _ => self.leaf(Ty::Any),
        }
    }

    fn list(&mut self, ty: Ty, depth: usize) -> String {
        let element = ty.element();
        match self.dice.below(12) {
            0 | 1 => {
                let (a, b) = (self.expr(element, depth), self.expr(element, depth));
                format!("[{a}, {b}]")
            }
            2 if ty == Ty::Ints => {
                let steps = self.dice.word(&["", "", ", 2", ", -1"]);
                format!("range({}, {}{steps})", self.dice.below(4), self.dice.below(5))
            }
            2 if ty == Ty::Strs => format!("split({}, {})", self.expr(Ty::Str, depth), self.literal(Ty::Str)),
            3 | 4 => {
                let from = self.either(&[Ty::Ints, Ty::Strs, Ty::Anys, Ty::Nodes, Ty::Rels]);
                let inner = self.over(from, depth, |w, _| {
                    let filter = if w.dice.percent(50) {
                        format!(" WHERE {}", w.expr(Ty::Bool, depth))
                    } else {
                        String::new()
                    };
                    format!("{filter} | {}", w.expr(element, depth))
                });
                format!("[{inner}]")
            }
            5 => {
                let inner = self.over(ty, depth, |w, _| format!(" WHERE {}", w.expr(Ty::Bool, depth)));
                format!("[{inner}]")
            }
            6 => format!("{}({})", self.dice.word(&["tail", "reverse"]), self.expr(ty, depth)),
            7 => {
                let bound = |w: &mut Self| w.dice.word(&["", "0", "1", "2", "-1", "-2", "5"]).to_string();
                format!("({})[{}..{}]", self.expr(ty, depth), bound(self), bound(self))
            }
            8 => format!("({} + {})", self.expr(ty, depth), self.expr(ty, depth)),
            9 => format!("({} + {})", self.expr(ty, depth), self.literal(element)),
            10 => self.gathered(element),
            _ => self.leaf(ty),
        }
    }

    fn boolean(&mut self, depth: usize) -> String {
        let boolean = |w: &mut Self| w.expr(Ty::Bool, depth);
        match self.dice.below(20) {
            0..=3 => {
                let ty = self.either(&[
                    Ty::Any,
                    Ty::Int,
                    Ty::Float,
                    Ty::Str,
                    Ty::Bool,
                    Ty::Ints,
                    Ty::Time,
                    Ty::Anys,
                ]);
                let other = if self.dice.percent(25) { self.either(&SCALARS) } else { ty };
                let (a, b) = (self.expr(ty, depth), self.expr(other, depth));
                format!("({a} {} {b})", self.dice.word(&["=", "<>", "<", "<=", ">", ">="]))
            }
            4 => {
                let ops = ["=", "<>", "<", "<=", ">", ">="];
                let (a, b, c) =
                    (self.expr(Ty::Int, depth), self.expr(Ty::Int, depth), self.expr(Ty::Int, depth));
                format!("({a} {} {b} {} {c})", self.dice.pick(&ops), self.dice.pick(&ops))
            }
            5 | 6 => {
                let word = self.dice.word(&["AND", "OR", "XOR"]);
                let (a, b, c) = (boolean(self), boolean(self), boolean(self));
                if self.dice.percent(50) {
                    format!("({a} {word} {b})")
                } else {
                    format!("({a} {word} {b} {word} {c})")
                }
            }
            7 => format!("(NOT {})", boolean(self)),
            8 | 9 => {
                let ty = self.either(&LISTS);
                let of = if self.dice.percent(60) { ty.element() } else { Ty::Any };
                format!("({} IN {})", self.expr(of, depth), self.expr(ty, depth))
            }
            10 => {
                let word = self.dice.word(&["STARTS WITH", "ENDS WITH", "CONTAINS"]);
                format!("({} {word} {})", self.expr(Ty::Str, depth), self.expr(Ty::Str, depth))
            }
            11 => {
                let pattern = self.dice.word(&["a.*", "[ab]+", ".*b", "(?i)A.?", "", "a|ab", "."]);
                format!("({} =~ '{pattern}')", self.expr(Ty::Str, depth))
            }
            12 | 13 => {
                let ty = self.either(&[Ty::Any, Ty::Int, Ty::Node, Ty::Anys, Ty::Rel]);
                format!("({} IS {}NULL)", self.expr(ty, depth), self.dice.word(&["", "NOT "]))
            }
            14 => match self.var(Ty::Node) {
                Some(name) => format!("{name}:{}", self.dice.pick(&self.words.labels)),
                None => self.leaf(Ty::Bool),
            },
            15 | 16 => {
                let word = self.dice.word(&["all", "any", "none", "single"]);
                let ty = self.either(&[Ty::Ints, Ty::Strs, Ty::Anys, Ty::Nodes, Ty::Rels]);
                let inner = self.over(ty, depth, |w, _| format!(" WHERE {}", w.expr(Ty::Bool, depth)));
                format!("{word}({inner})")
            }
            17 => self.subquery("EXISTS"),
            18 => {
                let ty = self.either(&[Ty::Node, Ty::Rel]);
                format!("({} = {})", self.expr(ty, depth), self.expr(ty, depth))
            }
            _ => self.leaf(Ty::Bool),
        }
    }
}
