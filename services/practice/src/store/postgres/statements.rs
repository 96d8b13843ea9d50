//! The texts of statements. Each depends on the table and the columns it is
//! about, never on how many rows.

use super::arrays::array;
use crate::store::backend::Shape;

/// Finds rows whose column has one of the values.
pub(super) fn select(shape: &Shape, column: usize) -> String {
    let column = &shape.columns[column];
    format!(
        "select {} from \"{}\" where \"{}\" = any($1::{})",
        shape.names,
        shape.table,
        column.name,
        array(column.holds)
    )
}

/// Finds the same rows in the order of that column and of the key, and locks
/// them until the transaction ends.
pub(super) fn lock(shape: &Shape, column: usize) -> String {
    let (order, key) = (&shape.columns[column].name, key(shape));
    let select = select(shape, column);
    format!("{select} order by \"{order}\", {key} for update")
}

/// Finds a row with these values.
pub(super) fn find(shape: &Shape, places: &[usize]) -> String {
    let tests = places.iter().enumerate().map(|(at, place)| {
        let column = &shape.columns[*place];
        let (name, at) = (&column.name, at + 1);
        format!("\"{name}\" = (${at}::{})[1]", array(column.holds))
    });
    let tests: Vec<String> = tests.collect();
    format!(
        "select {} from \"{}\" where {} limit 1",
        shape.names,
        shape.table,
        tests.join(" and ")
    )
}

/// Inserts rows.
pub(super) fn insert(shape: &Shape) -> String {
    let arrays = shape.columns.iter().map(|column| array(column.holds));
    format!(
        "insert into \"{}\" ({}) select * from unnest({})",
        shape.table,
        shape.names,
        arguments(arrays)
    )
}

/// Inserts rows or replaces those with the same primary key.
pub(super) fn put(shape: &Shape) -> String {
    let others = (0..shape.columns.len()).filter(|place| !shape.key.contains(place));
    let sets: Vec<String> = others
        .map(|place| format!("\"{0}\" = excluded.\"{0}\"", shape.columns[place].name))
        .collect();
    let action = match sets.is_empty() {
        true => "nothing".to_owned(),
        false => format!("update set {}", sets.join(", ")),
    };
    format!("{} on conflict ({}) do {action}", insert(shape), key(shape))
}

/// Deletes the rows with these primary keys.
pub(super) fn delete(shape: &Shape) -> String {
    let arrays = shape
        .key
        .iter()
        .map(|place| array(shape.columns[*place].holds));
    let tests: Vec<String> = shape
        .key
        .iter()
        .enumerate()
        .map(|(at, place)| format!("t.\"{}\" = k.k{at}", shape.columns[*place].name))
        .collect();
    let names: Vec<String> = (0..shape.key.len()).map(|at| format!("k{at}")).collect();
    format!(
        "delete from \"{}\" t using unnest({}) k({}) where {}",
        shape.table,
        arguments(arrays),
        names.join(", "),
        tests.join(" and ")
    )
}

/// Changes these columns of rows, each guarded by its revision.
pub(super) fn update(shape: &Shape, places: &[usize]) -> String {
    let arrays = ["uuid[]", "int8[]"].into_iter();
    let arrays = arrays.chain(
        places
            .iter()
            .map(|place| array(shape.columns[*place].holds)),
    );
    let sets: Vec<String> = places
        .iter()
        .enumerate()
        .map(|(at, place)| format!("\"{}\" = c.c{at}", shape.columns[*place].name))
        .collect();
    let names: Vec<String> = (0..places.len()).map(|at| format!(", c{at}")).collect();
    format!(
        "update \"{}\" t set {} from unnest({}) c(k, g{}) where t.\"id\" = c.k and t.\"revision\" = c.g",
        shape.table,
        sets.join(", "),
        arguments(arrays),
        names.concat()
    )
}

/// Deletes some rows whose column is below a value, but none that another
/// process deletes at the moment.
pub(super) fn purge(shape: &Shape, column: &str, most: u64) -> String {
    let holds = shape
        .place(column)
        .map_or("int8[]", |place| array(shape.columns[place].holds));
    let keys = key(shape);
    format!(
        "delete from \"{0}\" where ({keys}) in (select {keys} from \"{0}\" \
         where \"{column}\" < ($1::{holds})[1] limit {most} for update skip locked)",
        shape.table
    )
}

fn key(shape: &Shape) -> String {
    let names: Vec<String> = shape
        .key
        .iter()
        .map(|place| format!("\"{}\"", shape.columns[*place].name))
        .collect();
    names.join(", ")
}

/// `$1::int8[], $2::text[], …`
fn arguments(arrays: impl Iterator<Item = &'static str>) -> String {
    let each: Vec<String> = arrays
        .enumerate()
        .map(|(at, array)| format!("${}::{array}", at + 1))
        .collect();
    each.join(", ")
}
