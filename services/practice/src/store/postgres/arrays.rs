//! Columns of many rows as one array each, so that a statement has one text
//! however many rows it is about.

use sea_orm::sea_query::Value;
use serde_json::Value as Json;
use sqlx::Arguments;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use crate::store::backend::{Fault, Holds, Row, Shape};

/// What PostgreSQL calls an array of what a column holds.
pub(super) fn array(holds: Holds) -> &'static str {
    match holds {
        Holds::Bool => "bool[]",
        Holds::Int => "int4[]",
        Holds::BigInt => "int8[]",
        Holds::Double => "float8[]",
        Holds::Text => "text[]",
        Holds::Bytes => "bytea[]",
        Holds::Uuid => "uuid[]",
        Holds::Json => "jsonb[]",
    }
}

/// Binds one column of all rows.
pub(super) fn bind(
    arguments: &mut PgArguments,
    holds: Holds,
    values: impl Iterator<Item = Value>,
) -> Result<(), Fault> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a value of another kind than its column's is no value"
    )]
    let bound = match holds {
        Holds::Bool => arguments.add(all(values, |value| match value {
            Value::Bool(truth) => truth,
            _ => None,
        })),
        Holds::Int => arguments.add(all(values, |value| match value {
            Value::TinyInt(number) => number.map(i32::from),
            Value::SmallInt(number) => number.map(i32::from),
            Value::Int(number) => number,
            _ => None,
        })),
        Holds::BigInt => arguments.add(all(values, |value| match value {
            Value::Int(number) => number.map(i64::from),
            Value::BigInt(number) => number,
            _ => None,
        })),
        Holds::Double => arguments.add(all(values, |value| match value {
            Value::Float(number) => number.map(f64::from),
            Value::Double(number) => number,
            _ => None,
        })),
        Holds::Text => arguments.add(all(values, |value| match value {
            Value::String(text) => text,
            _ => None,
        })),
        Holds::Bytes => arguments.add(all(values, |value| match value {
            Value::Bytes(bytes) => bytes,
            _ => None,
        })),
        Holds::Uuid => arguments.add(all(values, |value| match value {
            Value::Uuid(id) => id,
            _ => None,
        })),
        Holds::Json => arguments.add(all(values, |value| match value {
            Value::Json(json) => json.map(|json| *json),
            _ => None,
        })),
    };
    bound.map_err(|error| Fault::Away(format!("a value cannot be sent: {error}")))
}

fn all<T>(values: impl Iterator<Item = Value>, one: impl Fn(Value) -> Option<T>) -> Vec<Option<T>> {
    values.map(one).collect()
}

/// The values of a row that has the shape's columns.
pub(super) fn row(row: &PgRow, shape: &Shape) -> Result<Row, Fault> {
    let columns = shape.columns.iter().enumerate();
    columns
        .map(|(place, column)| value(row, place, column.holds))
        .collect()
}

fn value(row: &PgRow, place: usize, holds: Holds) -> Result<Value, Fault> {
    Ok(match holds {
        Holds::Bool => Value::Bool(get(row, place)?),
        Holds::Int => Value::Int(get(row, place)?),
        Holds::BigInt => Value::BigInt(get(row, place)?),
        Holds::Double => Value::Double(get(row, place)?),
        Holds::Text => Value::String(get(row, place)?),
        Holds::Bytes => Value::Bytes(get(row, place)?),
        Holds::Uuid => Value::Uuid(get::<Uuid>(row, place)?),
        Holds::Json => Value::Json(get::<Json>(row, place)?.map(Box::new)),
    })
}

/// Unchecked, because an integer may be kept in a smaller one.
fn get<T>(row: &PgRow, place: usize) -> Result<Option<T>, Fault>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get_unchecked(place)
        .map_err(|error| Fault::Away(error.to_string()))
}
