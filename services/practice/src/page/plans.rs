//! How SQLite would look up a list: for the tests of practices, which have to
//! bring an index for every order and every field that they declare.

use sea_orm::{ConnectionTrait, DatabaseConnection, EntityName, IdenStatic, Select, Statement};
use uuid::Uuid;

use super::keyset::{Order, Place, example};
use super::walk::Walk;
use super::{Collection, Column};
use crate::Record;
use crate::filter::{Field, FieldKind, Filter, Ground};

/// The lists that no index answers: each order alone, from its beginning and
/// from a place in it, and each field alone in the usual order. Each with its
/// plan.
pub async fn unindexed<R: Record>(
    collection: &Collection<R>,
    select: &Select<R::Table>,
    connection: &DatabaseConnection,
) -> Vec<String> {
    let mut faults = Vec::new();
    for order in collection.orders {
        let columns = order
            .keys
            .iter()
            .map(|key| key.column.as_str())
            .collect::<Vec<_>>();
        for lines in plans(collection, select, connection, order, "").await {
            let sorted = lines.contains("TEMP B-TREE");
            if sorted || !searched::<R>(&lines, &["organization"]) {
                faults.push(format!("order {} over {columns:?}: {lines}", order.name));
            }
        }
    }
    let usual = collection.orders.first();
    for (field, order) in collection.fields.iter().zip(usual.into_iter().cycle()) {
        for filter in samples(field) {
            for lines in plans(collection, select, connection, order, &filter).await {
                if !searched::<R>(&lines, &[field.column.as_str()]) {
                    faults.push(format!("filter {filter}: {lines}"));
                }
            }
        }
    }
    faults
}

/// Filters by a field alone.
fn samples<C>(field: &Field<C>) -> Vec<String> {
    let name = field.name;
    match field.kind {
        FieldKind::Enum(words) => {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).take(3).collect();
            let each = all.first().map(|word| format!("{name} == {word}"));
            each.into_iter()
                .chain([format!("{name} in [{}]", all.join(", "))])
                .collect()
        }
        FieldKind::Slug(_) | FieldKind::Text => vec![format!("{name} == \"a\"")],
        FieldKind::Name(_) => vec![format!("{name} == \"{}\"", Uuid::nil())],
        FieldKind::Instant => vec![format!("{name} > now - duration(\"1h\")")],
        FieldKind::Labels => vec![format!("{name}.a == \"b\""), format!("has({name}.a)")],
    }
}

/// Whether the table is searched by these columns, and never read through.
fn searched<R: Record>(plan: &str, columns: &[&str]) -> bool {
    let table = R::Table::default();
    let (search, scan) = (
        format!("SEARCH {} USING", table.table_name()),
        format!("SCAN {}", table.table_name()),
    );
    let window = format!("CO-ROUTINE {}", table.table_name());
    let by = |line: &str| {
        let mut columns = columns.iter();
        columns.all(|column| {
            ["=?", ">?", "<?"]
                .iter()
                .any(|sign| line.contains(&format!("{column}{sign}")))
        })
    };
    plan.lines().any(|line| line.contains(&search) && by(line))
        && plan.matches(&scan).count() == plan.matches(&window).count()
}

/// The plans of a list's statements, from its beginning and from a place.
async fn plans<R: Record>(
    collection: &Collection<R>,
    select: &Select<R::Table>,
    connection: &DatabaseConnection,
    order: &Order<Column<R>>,
    filter: &str,
) -> Vec<String> {
    let ground = Ground {
        organization: "default",
        kind: R::KIND,
        now_us: 0,
    };
    let filter_by_label = collection.fields.iter().any(|field| {
        matches!(field.kind, FieldKind::Labels) && filter.contains(&format!("{}.", field.name))
    });
    let filter = match Filter::read(filter, collection.fields, ground).await {
        Ok(filter) => filter,
        Err(refusal) => return vec![refusal.to_string()],
    };
    let mut walk = Walk::<R>::new(collection.fields, filter, order, select.clone());
    if filter_by_label {
        walk.lead_by(vec![Uuid::nil()]);
    }
    let place: Place = example::<R>(order);
    let mut plans = Vec::new();
    for start in [None, Some(&place)] {
        for statement in walk.statements(start, 50) {
            let mut built: Statement = connection.get_database_backend().build(&statement);
            built.sql = format!("EXPLAIN QUERY PLAN {}", built.sql);
            let lines = connection.query_all_raw(built).await.unwrap_or_default();
            let lines = lines
                .iter()
                .filter_map(|row| row.try_get_by_index::<String>(3).ok());
            plans.push(lines.collect::<Vec<_>>().join("\n"));
        }
    }
    plans
}
