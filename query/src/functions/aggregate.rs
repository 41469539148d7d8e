//! Functions of many rows at once.

use hashbrown::HashSet;

use crate::ast::Span;
use crate::bind::Type;
use crate::error::{Fault, Outcome};
use crate::limits::{Held, Meter};
use crate::value::{Value, order};

/// An aggregate function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aggregate {
    CountStar,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Collect,
    PercentileCont,
    PercentileDisc,
    StDev,
    StDevP,
}

impl Aggregate {
    /// Those that are called by name.
    pub(crate) const ALL: [Self; 10] = [
        Self::Count,
        Self::Sum,
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Collect,
        Self::PercentileCont,
        Self::PercentileDisc,
        Self::StDev,
        Self::StDevP,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CountStar | Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Collect => "collect",
            Self::PercentileCont => "percentileCont",
            Self::PercentileDisc => "percentileDisc",
            Self::StDev => "stDev",
            Self::StDevP => "stDevP",
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregate| aggregate.name().eq_ignore_ascii_case(name))
    }

    pub(crate) fn arguments(self) -> usize {
        match self {
            Self::CountStar => 0,
            Self::PercentileCont | Self::PercentileDisc => 2,
            _ => 1,
        }
    }

    /// Whether what it comes to for some rows and for others can be joined.
    pub(crate) fn joins(self) -> bool {
        !matches!(self, Self::StDev | Self::StDevP)
    }

    /// Whether it takes numbers only.
    pub(crate) fn numeric(self) -> bool {
        !matches!(self, Self::CountStar | Self::Count | Self::Min | Self::Max | Self::Collect)
    }

    pub(crate) fn gives(self, argument: Type) -> Type {
        match self {
            Self::CountStar | Self::Count => Type::Int,
            Self::Sum | Self::Min | Self::Max | Self::PercentileDisc => argument,
            Self::Avg | Self::PercentileCont | Self::StDev | Self::StDevP => Type::Float,
            Self::Collect => Type::list(argument),
        }
    }
}

/// What an aggregate has seen of one group so far.
pub(crate) struct Accumulator {
    function: Aggregate,
    span: Span,
    /// The values seen, where DISTINCT asks for it.
    seen: Option<HashSet<Value>>,
    count: u64,
    /// The exact sum of the integers, and the sum of the floats.
    ints: i128,
    floats: f64,
    any_float: bool,
    /// Welford's running mean and sum of squared differences.
    mean: f64,
    squares: f64,
    extreme: Option<Value>,
    values: Vec<Value>,
    percentile: Option<f64>,
}

impl Accumulator {
    pub(crate) fn new(function: Aggregate, distinct: bool, span: Span) -> Self {
        Self {
            function,
            span,
            seen: distinct.then(HashSet::new),
            count: 0,
            ints: 0,
            floats: 0.0,
            any_float: false,
            mean: 0.0,
            squares: 0.0,
            extreme: None,
            values: Vec::new(),
            percentile: None,
        }
    }

    /// Takes one row's arguments; nulls count only for `count(*)`.
    pub(crate) fn add(&mut self, args: &[Value], meter: &Meter, held: &mut Held) -> Outcome<()> {
        if self.function == Aggregate::CountStar {
            self.count += 1;
            return Ok(());
        }
        if let Some(second) = args.get(1) {
            self.percentile(second)?;
        }
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        if let Some(seen) = &mut self.seen {
            if seen.contains(value) {
                return Ok(());
            }
            held.take(meter, value.bytes() + 16, self.span)?;
            seen.insert(value.clone());
        }
        self.count += 1;
        match self.function {
            Aggregate::CountStar | Aggregate::Count => {}
            Aggregate::Min | Aggregate::Max => {
                let wanted = if self.function == Aggregate::Min {
                    std::cmp::Ordering::Less
                } else {
                    std::cmp::Ordering::Greater
                };
                if self.extreme.as_ref().is_none_or(|kept| order(value, kept) == wanted) {
                    // The one it replaces is let go of.
                    held.give(self.extreme.as_ref().map_or(0, Value::bytes));
                    held.take(meter, value.bytes(), self.span)?;
                    self.extreme = Some(value.clone());
                }
            }
            Aggregate::Collect => {
                held.take(meter, value.bytes(), self.span)?;
                self.values.push(value.clone());
            }
            Aggregate::Sum | Aggregate::Avg => match value {
                Value::Int(value) => self.ints += i128::from(*value),
                other => {
                    self.floats += self.number(other)?;
                    self.any_float = true;
                }
            },
            Aggregate::StDev | Aggregate::StDevP => {
                let x = self.number(value)?;
                let delta = x - self.mean;
                self.mean += delta / self.count as f64;
                self.squares += delta * (x - self.mean);
            }
            Aggregate::PercentileCont | Aggregate::PercentileDisc => {
                self.number(value)?;
                held.take(meter, value.bytes(), self.span)?;
                self.values.push(value.clone());
            }
        }
        Ok(())
    }

    /// Whether it may be joined with what later rows come to, and is the same as
    /// if it had seen them: fractions add up otherwise in another order.
    pub(crate) fn joins_exactly(&self) -> bool {
        !self.any_float
    }

    /// Takes the room of what it keeps.
    pub(crate) fn hold(&self, meter: &Meter, held: &mut Held) -> Outcome<()> {
        let seen = self.seen.iter().flatten().map(|value| value.bytes() + 16);
        let kept = self.values.iter().chain(&self.extreme).map(Value::bytes);
        held.take(meter, seen.chain(kept).fold(0, usize::saturating_add), self.span)
    }

    /// Adds what later rows have come to; see [`Aggregate::joins`].
    pub(crate) fn join(&mut self, later: Self, meter: &Meter, held: &mut Held) -> Outcome<()> {
        self.percentile = later.percentile.or(self.percentile);
        if let Some(seen) = later.seen {
            // Each of them once, and collected ones in their order.
            let values: Vec<Value> =
                if later.values.is_empty() { seen.into_iter().collect() } else { later.values };
            return values.into_iter().try_for_each(|value| self.add(&[value], meter, held));
        }
        let count = self.count + later.count;
        if let Some(extreme) = later.extreme {
            self.add(&[extreme], meter, held)?;
        }
        for value in later.values {
            held.take(meter, value.bytes(), self.span)?;
            self.values.push(value);
        }
        self.count = count;
        self.ints += later.ints;
        Ok(())
    }

    fn number(&self, value: &Value) -> Outcome<f64> {
        match value {
            Value::Int(value) => Ok(*value as f64),
            Value::Float(value) => Ok(*value),
            other => {
                let message = format!("{}() takes numbers, not {}", self.function.name(), other.type_name());
                Err(Fault::typed("wrong-argument", self.span, message))
            }
        }
    }

    fn percentile(&mut self, value: &Value) -> Outcome<()> {
        let share = self.number(value)?;
        if !(0.0..=1.0).contains(&share) {
            let message =
                format!("{}(): the percentile must be from 0.0 to 1.0, not {value}", self.function.name());
            return Err(Fault::runtime("out-of-range", self.span, message));
        }
        self.percentile = Some(share);
        Ok(())
    }

    /// What it comes to.
    pub(crate) fn finish(mut self) -> Outcome<Value> {
        let n = self.count as f64;
        Ok(match self.function {
            Aggregate::CountStar | Aggregate::Count => Value::Int(self.count as i64),
            Aggregate::Sum if self.any_float => Value::Float(self.floats + self.ints as f64),
            Aggregate::Sum => match i64::try_from(self.ints) {
                Ok(sum) => Value::Int(sum),
                Err(_) => {
                    let message = "sum(): the sum does not fit in 64 bits";
                    return Err(Fault::runtime("integer-overflow", self.span, message));
                }
            },
            Aggregate::Avg if self.count == 0 => Value::Null,
            Aggregate::Avg => Value::Float((self.floats + self.ints as f64) / n),
            Aggregate::Min | Aggregate::Max => self.extreme.unwrap_or_default(),
            Aggregate::Collect => self.values.into(),
            Aggregate::StDev if self.count > 1 => Value::Float((self.squares / (n - 1.0)).sqrt()),
            Aggregate::StDevP if self.count > 0 => Value::Float((self.squares / n).sqrt()),
            Aggregate::StDev | Aggregate::StDevP => Value::Float(0.0),
            Aggregate::PercentileCont | Aggregate::PercentileDisc => {
                self.values.sort_by(order);
                let share = self.percentile.unwrap_or_default();
                self.at_percentile(share)
            }
        })
    }

    fn at_percentile(&self, share: f64) -> Value {
        let count = self.values.len();
        let Some(last) = count.checked_sub(1) else { return Value::Null };
        let at = |place: usize| self.values.get(place.min(last)).cloned().unwrap_or_default();
        if self.function == Aggregate::PercentileDisc {
            // The least value that at least this share of all values do not exceed.
            return at(((share * count as f64).ceil() as usize).saturating_sub(1));
        }
        let place = share * last as f64;
        let float = |value: &Value| self.number(value).unwrap_or_default();
        let (low, high) = (float(&at(place.floor() as usize)), float(&at(place.ceil() as usize)));
        Value::Float(low + (high - low) * place.fract())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn run(function: Aggregate, distinct: bool, values: &[Value], second: Option<f64>) -> Outcome<Value> {
        let (meter, mut held) = (Meter::new(Limits::default(), None), Held::default());
        let mut accumulator = Accumulator::new(function, distinct, Span::default());
        for value in values {
            let args: Vec<Value> = [value.clone()].into_iter().chain(second.map(Value::Float)).collect();
            accumulator.add(&args, &meter, &mut held)?;
        }
        accumulator.finish()
    }

    #[test]
    fn sums_are_exact_and_checked() {
        let ints = [Value::Int(i64::MAX), Value::Int(1), Value::Int(-1)];
        assert_eq!(run(Aggregate::Sum, false, &ints, None), Ok(Value::Int(i64::MAX)));
        assert!(run(Aggregate::Sum, false, &ints[..2], None).is_err());
        assert_eq!(run(Aggregate::Sum, false, &[], None), Ok(Value::Int(0)));
        assert!(run(Aggregate::Sum, false, &["a".into()], None).is_err());
        let same = [Value::Int(2), Value::Float(2.0), Value::Int(3), Value::Null];
        assert_eq!(run(Aggregate::Sum, true, &same, None), Ok(Value::Int(5)));
        assert_eq!(run(Aggregate::Avg, false, &same[2..], None), Ok(Value::Float(3.0)));
    }

    #[test]
    fn percentiles_and_deviations() {
        let values = [10.0, 20.0, 30.0].map(Value::Float);
        for (share, disc, cont) in
            [(0.0, 10.0, 10.0), (0.5, 20.0, 20.0), (1.0, 30.0, 30.0), (0.4, 20.0, 18.0)]
        {
            assert_eq!(run(Aggregate::PercentileDisc, false, &values, Some(share)), Ok(Value::Float(disc)));
            assert_eq!(run(Aggregate::PercentileCont, false, &values, Some(share)), Ok(Value::Float(cont)));
        }
        assert!(run(Aggregate::PercentileCont, false, &values, Some(1.1)).is_err());
        assert_eq!(run(Aggregate::StDev, false, &values, None), Ok(Value::Float(10.0)));
        assert_eq!(run(Aggregate::StDevP, false, &values[..1], None), Ok(Value::Float(0.0)));
    }
}
