//! The verbs: the everyday questions of identity work, each also a procedure.

mod compare;
mod counted;
mod history;
mod lookup;
mod network;
mod why;

use kinfold_engine::consent::Refusal;
use kinfold_engine::model::{HouseholdId, Identifier, IdentifierId, NamespaceId, PersonId, PersonRow};
use kinfold_engine::read::{Found, Read, ReadError, ReadResult, Whom};

use crate::ast::{Span, Verb, VerbKind, Who};
use crate::error::{Fault, Outcome};
use crate::exec::procedure_fault;
use crate::graph::{Account, ProcedureError, ProcedureRows, Signature};
use crate::prepare::{Params, param};
use crate::value::Value;
use crate::view;

use counted::{counted, no_person};

/// The answer to a verb.
pub(crate) struct Answer<'r> {
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: ProcedureRows<'r>,
}

/// The columns of the answer about somebody who refused the purpose that is
/// asked for: whoever was asked about, the purpose, and the word. It is all that is told.
const REFUSED: [&str; 3] = ["who", "purpose", "consent"];

/// The columns of a verb.
pub(crate) fn columns(kind: VerbKind) -> &'static [&'static str] {
    match kind {
        VerbKind::Person => &["person", "redirected_from", "size", "household", "identifiers", "created_at"],
        VerbKind::Profile => &["section", "name", "value", "first_seen", "last_seen", "sources"],
        VerbKind::Household => &["household", "kind", "member", "size", "identifiers"],
        VerbKind::Neighbours => &[
            "id",
            "namespace",
            "value",
            "weight",
            "count",
            "sources",
            "first_seen",
            "last_seen",
            "conducts",
            "held_back_by",
            "same_person",
        ],
        VerbKind::Why | VerbKind::WhyNot => &why::COLUMNS,
        VerbKind::How | VerbKind::History => &history::COLUMNS,
        VerbKind::Network => &network::COLUMNS,
        VerbKind::Diff => &compare::DIFF,
        VerbKind::NearMerges => &compare::NEAR_MERGES,
    }
}

/// What a verb takes and gives as a procedure.
pub(crate) fn signature(kind: VerbKind) -> Signature {
    let who: &[&str] = match kind.asks_about() {
        0 => &[],
        1 => &["who"],
        _ => &["a", "b"],
    };
    let named = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let number = kind.number().map(|word| named(&word.to_lowercase(), "INTEGER"));
    Signature {
        name: kind.procedure().to_owned(),
        parameters: who.iter().map(|name| named(name, "STRING")).chain(number).collect(),
        columns: columns(kind).iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// The verb that a procedure is.
pub(crate) fn of_procedure(name: &str) -> Option<VerbKind> {
    VerbKind::ALL.into_iter().find(|kind| kind.procedure() == name)
}

/// Answers a verb.
pub(crate) fn run<'r, R: Read>(
    verb: &Verb,
    read: &'r R,
    params: &Params,
    account: Account<'_>,
) -> Outcome<Answer<'r>> {
    let who = verb.who.iter().map(|who| target(who, params)).collect::<Outcome<Vec<Target>>>()?;
    let number = match &verb.number {
        Some(literal) => {
            let given = view::value(literal, params)?;
            number(verb.kind, &given).map_err(|error| procedure_fault(error, literal.span))?
        }
        None => None,
    };
    let refused = refused(read, &who).map_err(|error| procedure_fault(error, verb.span))?;
    if !refused.is_empty() {
        return Ok(Answer { columns: &REFUSED, rows: located(ready(refused), verb.span)? });
    }
    let rows = rows(verb.kind, read, &who, number, account).map_err(|wrong| {
        let span = wrong.argument.and_then(|at| verb.who.get(at)).map_or(verb.span, Who::span);
        procedure_fault(wrong.error, span)
    })?;
    Ok(Answer { columns: columns(verb.kind), rows })
}

/// A row for each of them who refused the purpose that is asked for.
fn refused(read: &impl Read, who: &[Target]) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let mut rows = Vec::new();
    for target in who {
        let (refusal, name) = match target {
            Target::Name(name) => (read.refusal(Whom::Identifier(name))?, name.to_string()),
            Target::Person(id) => (read.refusal(Whom::Person(*id))?, id.to_string()),
            // Nobody refuses for a household: it is told without those who did.
            Target::Household(_) => continue,
        };
        if let Some(Refusal { purpose, word }) = refusal {
            rows.push(vec![name.into(), purpose.into(), word.as_str().into()]);
        }
    }
    Ok(rows)
}

/// Whom `who` names.
pub(crate) fn target(who: &Who, params: &Params) -> Outcome<Target> {
    match who {
        Who::Named { namespace, value, .. } => {
            Ok(Target::Name(Identifier::new(namespace.text.clone(), value.clone())))
        }
        Who::Text { text, span } => located(named(text), *span),
        Who::Param(name) => match param(&name.text, name.span, params)? {
            Value::String(text) => located(named(text), name.span),
            other => {
                let message = format!(
                    "`${}` must be a string that names somebody, not {}",
                    name.text,
                    other.type_name()
                );
                Err(Fault::typed("wrong-type", name.span, message)
                    .hint("as in 'email:ann@example.com' or 'p42'"))
            }
        },
    }
}

fn located<T>(result: Result<T, ProcedureError>, span: Span) -> Outcome<T> {
    result.map_err(|error| procedure_fault(error, span))
}

/// Answers a verb that is called as a procedure, with as many arguments as its
/// signature has. Null asks about nobody; as a number it is as if it were left out.
pub(crate) fn answer<'r, R: Read>(
    kind: VerbKind,
    read: &'r R,
    args: &[Value],
    account: Account<'_>,
) -> Result<ProcedureRows<'r>, ProcedureError> {
    let (who, rest) = args.split_at(kind.asks_about().min(args.len()));
    let mut targets = Vec::new();
    for value in who {
        match value {
            Value::Null => return ready(Vec::new()),
            Value::String(text) => targets.push(named(text)?),
            other => {
                let message = format!("somebody is named by a string, not {}", other.type_name());
                return Err(error("wrong-type", message));
            }
        }
    }
    let number = match rest.first() {
        Some(value) => number(kind, value)?,
        None => None,
    };
    // Among rows of a graph query, who refused is not there.
    if !refused(read, &targets)?.is_empty() {
        return ready(Vec::new());
    }
    rows(kind, read, &targets, number, account).map_err(|wrong| wrong.error)
}

/// The number that a verb was given, if it was given one.
fn number(kind: VerbKind, given: &Value) -> Result<Option<u64>, ProcedureError> {
    let word = kind.number().unwrap_or("this verb");
    match given {
        Value::Null => Ok(None),
        Value::Int(number) => match u64::try_from(*number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(error("out-of-range", format!("{word} is 0 or more, not {number}"))),
        },
        other => Err(error("wrong-type", format!("{word} takes a whole number, not {}", other.type_name()))),
    }
}

fn error(code: &'static str, message: String) -> ProcedureError {
    ProcedureError { code, message, hint: None, outer: None }
}

fn hinted(code: &'static str, message: String, hint: impl Into<String>) -> ProcedureError {
    ProcedureError { hint: Some(hint.into()), ..error(code, message) }
}

fn corrupt(table: &'static str, detail: String) -> ReadError {
    ReadError::Corrupt { table, detail }
}

/// Why a verb has no answer, and which of those that it asks about is to blame.
struct Wrong {
    argument: Option<usize>,
    error: ProcedureError,
}

impl From<ProcedureError> for Wrong {
    fn from(error: ProcedureError) -> Self {
        Self { argument: None, error }
    }
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        ProcedureError::from(error).into()
    }
}

/// Blames the argument `at`.
fn blame<T>(at: usize, result: Result<T, ProcedureError>) -> Result<T, Wrong> {
    result.map_err(|error| Wrong { argument: Some(at), error })
}

/// Whom a text names.
pub(crate) enum Target {
    Name(Identifier),
    Person(PersonId),
    Household(HouseholdId),
}

fn named(text: &str) -> Result<Target, ProcedureError> {
    if let Ok(id) = text.parse() {
        return Ok(Target::Person(id));
    }
    if let Ok(id) = text.parse() {
        return Ok(Target::Household(id));
    }
    match text.parse() {
        Ok(name) => Ok(Target::Name(name)),
        Err(_) => Err(hinted(
            "invalid-identifier",
            format!("`{text}` names nobody"),
            "expected `namespace:value`, as in `email:ann@example.com`, or a person's id, as in `p42`",
        )),
    }
}

/// The identifier of this name, or why there is none.
pub(crate) fn find(read: &impl Read, name: &Identifier) -> Result<IdentifierId, ProcedureError> {
    match read.find(name)? {
        Found::Known(id) => Ok(id),
        Found::Unknown(normal) if normal == *name => {
            Err(error("not-found", format!("`{normal}` was never seen")))
        }
        Found::Unknown(normal) => {
            Err(error("not-found", format!("`{normal}` (the normal form of `{name}`) was never seen")))
        }
        Found::NoNamespace { suggestion } => {
            let message = format!("no namespace `{}` in this store", name.namespace);
            Err(match suggestion {
                Some(near) => hinted("unknown-namespace", message, format!("did you mean `{near}`?")),
                None => error("unknown-namespace", message),
            })
        }
        Found::Denied { rule } => {
            Err(error("denied-value", format!("`{name}` identifies nobody: it is denied by {rule}")))
        }
        Found::Invalid { reason } => Err(error(
            "invalid-value",
            format!("`{}` is no value of `{}`: {reason}", name.value, name.namespace),
        )),
    }
}

/// The person asked about, and the id that it was asked by if that is not its own.
fn person(read: &impl Read, target: &Target) -> Result<(PersonRow, Option<PersonId>), ProcedureError> {
    match target {
        Target::Person(id) => match read.person_by_id(*id)? {
            Some(row) => {
                let redirected = (row.id != *id).then_some(*id);
                Ok((row, redirected))
            }
            None if read.is_erased(*id)? => Err(error("not-found", format!("person `{id}` was erased"))),
            None => Err(error("not-found", format!("there is no person `{id}`"))),
        },
        Target::Household(id) => Err(hinted(
            "not-found",
            format!("`{id}` is a household, not a person"),
            format!("ask HOUSEHOLD '{id}'"),
        )),
        Target::Name(name) => {
            let id = find(read, name)?;
            let Some(key) = read.person_of(id)? else {
                return Err(no_person(name));
            };
            match read.person(key)? {
                Some(row) => Ok((row, None)),
                None => Err(corrupt("persons", format!("the person of `{name}` does not exist")).into()),
            }
        }
    }
}

/// The identifier asked about, for a verb that asks of nothing else.
fn identifier(read: &impl Read, kind: VerbKind, target: &Target) -> Result<IdentifierId, ProcedureError> {
    let id = match target {
        Target::Name(name) => return find(read, name),
        Target::Person(id) => id.to_string(),
        Target::Household(id) => id.to_string(),
    };
    let message = format!("{} asks about identifiers, and `{id}` is none", kind.words());
    let example = if kind.asks_about() > 1 { ", device:'d1'" } else { "" };
    let hint = format!("name one, as in {} email:'ann@example.com'{example}", kind.words());
    Err(hinted("not-an-identifier", message, hint))
}

/// The same, if it is of person scope.
fn member(read: &impl Read, kind: VerbKind, target: &Target) -> Result<IdentifierId, ProcedureError> {
    let id = identifier(read, kind, target)?;
    match (read.person_of(id)?, target) {
        (None, Target::Name(name)) => Err(no_person(name)),
        _ => Ok(id),
    }
}

/// The person asked about, by the id that it was asked by: what became of one
/// that was merged is told of itself.
fn asked(read: &impl Read, target: &Target) -> Result<PersonId, ProcedureError> {
    let (row, redirected_from) = person(read, target)?;
    Ok(redirected_from.unwrap_or(row.id))
}

fn rows<'r, R: Read>(
    kind: VerbKind,
    read: &'r R,
    who: &[Target],
    number: Option<u64>,
    account: Account<'_>,
) -> Result<ProcedureRows<'r>, Wrong> {
    let identifier = |at: usize, target: &Target| blame(at, identifier(read, kind, target));
    let member = |at: usize, target: &Target| blame(at, member(read, kind, target));
    let counted = &counted(read, account);
    let rows = match (kind, who) {
        (VerbKind::Household, [who]) => return blame(0, lookup::household(read, who)),
        (VerbKind::Neighbours, [who]) => return Ok(lookup::neighbours(read, identifier(0, who)?)),
        (VerbKind::Person, [who]) => {
            let (row, from) = blame(0, person(read, who))?;
            vec![lookup::person_row(read, &row, from)?]
        }
        (VerbKind::Profile, [who]) => lookup::profile_rows(read, &blame(0, person(read, who))?.0)?,
        (VerbKind::Why, [a, b]) => why::why(counted, member(0, a)?, member(1, b)?)?,
        (VerbKind::WhyNot, [a, b]) => why::why_not(counted, member(0, a)?, member(1, b)?)?,
        (VerbKind::How, [who]) => history::how(counted, blame(0, asked(read, who))?)?,
        (VerbKind::History, [who]) => history::history(counted, blame(0, asked(read, who))?)?,
        (VerbKind::Network, [who]) => network::network(counted, identifier(0, who)?, number)?,
        (VerbKind::Diff, [who]) => {
            // It may be in one of the two views alone.
            let id = self::member(read.now(), kind, who).or_else(|_| self::member(read, kind, who));
            compare::diff(counted, blame(0, id)?)?
        }
        (VerbKind::NearMerges, []) => compare::near_merges(counted, number)?,
        _ => {
            let message = format!("{} asks about {}, not {}", kind.words(), kind.asks_about(), who.len());
            return Err(error("argument-count", message).into());
        }
    };
    Ok(ready(rows)?)
}

/// `1 identifier`, `2 identifiers`.
fn number_of(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn ready<'r>(rows: Vec<Vec<Value>>) -> Result<ProcedureRows<'r>, ProcedureError> {
    Ok(Box::new(rows.into_iter().map(Ok)))
}

fn name(read: &impl Read, id: IdentifierId) -> ReadResult<(NamespaceId, String, String)> {
    let record = read.identifier(id)?;
    let record =
        record.ok_or_else(|| corrupt("identifiers", format!("identifier {} does not exist", id.get())))?;
    let text = format!("{}:{}", read.names().namespace_name(record.namespace), record.value);
    Ok((record.namespace, record.value, text))
}
