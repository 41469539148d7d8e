//! Parameters of queries from the command line: `NAME=VALUE`.

use kinfold_query::{Params, Value};

use super::failure::Failure;

/// Reads every `NAME=VALUE`; a name that comes twice is refused.
pub(crate) fn parse_all(given: &[String]) -> Result<Params, Failure> {
    let mut params = Params::new();
    for text in given {
        let (name, value) = parse(text)?;
        if params.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("the parameter `${name}` is given twice; give it once")));
        }
    }
    Ok(params)
}

/// Reads `NAME=VALUE`: the value is what it is as JSON if it is JSON, else it is a text.
///
/// A whole number beyond 64 bits is refused, since it would come out as another
/// number; in quotes it is a text.
pub(crate) fn parse(given: &str) -> Result<(String, Value), Failure> {
    let Some((name, text)) = given.split_once('=') else {
        return Err(Failure::usage(format!(
            "`{given}` is no parameter: expected NAME=VALUE, as in `id=email:ann@example.com`"
        )));
    };
    let name = name.trim();
    let name = name.strip_prefix('$').unwrap_or(name);
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if name.is_empty() || !plain {
        return Err(Failure::usage(format!(
            "`{name}` is no name of a parameter: expected letters, digits and `_`, as in `id=email:ann@example.com`"
        )));
    }
    let value = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => {
            let digits = text.trim().trim_start_matches('-');
            let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let value = if whole { text.trim().parse().ok().map(Value::Int) } else { value(json) };
            value.ok_or_else(|| {
                Failure::usage(format!(
                    "the parameter `${name}` holds a whole number beyond 64 bits; \
                     put it in double quotes to give it as a text"
                ))
            })?
        }
        Err(_) => Value::from(text),
    };
    Ok((name.to_owned(), value))
}

/// A value of the language for one of JSON; `None` for a whole number beyond 64 bits. serde_json bounds the depth.
fn value(json: serde_json::Value) -> Option<Value> {
    Some(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(it) => Value::Bool(it),
        serde_json::Value::Number(it) => match it.as_i64() {
            Some(it) => Value::Int(it),
            None if it.is_u64() => return None,
            None => Value::Float(it.as_f64()?),
        },
        serde_json::Value::String(it) => Value::from(it),
        serde_json::Value::Array(items) => {
            Value::from(items.into_iter().map(value).collect::<Option<Vec<_>>>()?)
        }
        serde_json::Value::Object(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(name, it)| Some((name, value(it)?)))
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .collect(),
        ),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        let (name, value) = parse(text).unwrap();
        format!("{name}: {value}")
    }

    #[test]
    fn json_where_it_is_json_else_a_text() {
        assert_eq!(one("id=email:ann@example.com"), "id: 'email:ann@example.com'");
        assert_eq!(one("$id=a=b"), "id: 'a=b'");
        assert_eq!(one("n=5"), "n: 5");
        assert_eq!(one("n=-9223372036854775808"), "n: -9223372036854775808");
        assert_eq!(one("n=0.5"), "n: 0.5");
        assert_eq!(one("n=007"), "n: '007'");
        assert_eq!(one(r#"n="5""#), "n: '5'");
        assert_eq!(one("b=true"), "b: true");
        assert_eq!(one("none="), "none: ''");
        assert_eq!(one("none=null"), "none: null");
        assert_eq!(one(r#"ids=["a", {"b": [1.5]}]"#), "ids: ['a', {b: [1.5]}]");
        assert_eq!(one("broken=[1,"), "broken: '[1,'");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (given, part) in [
            ("id", "expected NAME=VALUE"),
            ("=5", "is no name"),
            ("a b=5", "`a b` is no name"),
            ("n=12345678901234567890", "beyond 64 bits"),
            ("n=123456789012345678901234567890", "beyond 64 bits"),
            ("n=[12345678901234567890]", "beyond 64 bits"),
        ] {
            let error = parse(given).unwrap_err().to_string();
            assert!(error.contains(part), "{given}: {error}");
        }
        let twice = parse_all(&["a=1".into(), "$a=2".into()]).unwrap_err().to_string();
        assert!(twice.contains("`$a` is given twice"), "{twice}");
    }
}
