//! The records that a batch touches, by kind: loaded once, decided on in
//! memory one after the other, saved once.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sea_orm::sea_query::Value;
use sea_orm::{EntityTrait, IdenStatic};
use uuid::Uuid;

use super::backend::{Change, Row, Shape, model, row_of};
use crate::Record;
use crate::tables::record_label;

/// What a shelf asks the database to write.
#[derive(Debug, Default)]
pub(crate) struct Saves {
    /// Records that are new.
    pub inserts: Vec<Row>,
    /// Records that have changed.
    pub changes: Vec<Change>,
    /// Labels that are new.
    pub labels_put: Vec<Row>,
    /// Labels that are gone.
    pub labels_delete: Vec<Row>,
    /// Timers that are armed or moved.
    pub timers_put: Vec<Row>,
    /// Timers that are disarmed.
    pub timers_delete: Vec<Row>,
    /// When the first of those armed is due.
    pub nearest_us: Option<i64>,
}

/// The records of one kind.
pub(crate) trait Shelf: Any + Send {
    /// The shelf as what it is.
    fn any(&mut self) -> &mut dyn Any;
    /// The table of the kind.
    fn shape(&self) -> Arc<Shape>;
    /// Ids of the records to load and to lock, in order.
    fn wanted(&self) -> Vec<Value>;
    /// Columns, by place, and values of the records to look at.
    fn looks(&self) -> Vec<(usize, Vec<Value>)>;
    /// Takes the rows found.
    fn stock(&mut self, rows: Vec<Row>) -> Result<(), sea_orm::DbErr>;
    /// What has changed since the rows were loaded.
    fn saves(&self) -> Saves;
    /// Forgets everything, for the next batch.
    fn clear(&mut self);
}

/// The shelves of a batch, and rows of plain tables that it looks at. They are
/// loaded, and on PostgreSQL locked, in this order in every process.
#[derive(Default)]
pub(crate) struct Shelves {
    kinds: BTreeMap<&'static str, Box<dyn Shelf>>,
    rows: Vec<Looked>,
}

/// Rows of a plain table.
pub(crate) struct Looked {
    /// The table.
    pub shape: Arc<Shape>,
    /// Place of the column.
    pub column: usize,
    /// The value that it must have.
    pub value: Value,
    /// The rows that have it.
    pub found: Vec<Row>,
}

impl Shelves {
    /// The shelf of a kind.
    pub(crate) fn of<R: Record>(&mut self) -> &mut KindShelf<R> {
        let shelf = self
            .kinds
            .entry(R::KIND)
            .or_insert_with(|| Box::new(KindShelf::<R>::new()));
        #[expect(clippy::expect_used, reason = "a kind has one type in its service")]
        shelf.any().downcast_mut().expect("a shelf of this kind")
    }

    /// All shelves, by kind.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut Box<dyn Shelf>> {
        self.kinds.values_mut()
    }

    /// Asks for the rows of a plain table that have a value in a column.
    pub(crate) fn look(&mut self, shape: &Arc<Shape>, column: usize, value: Value) {
        if self.row(shape, column, &value).is_none() {
            self.rows.push(Looked {
                shape: shape.clone(),
                column,
                value,
                found: Vec::new(),
            });
        }
    }

    /// The rows asked for, as they were when the batch began.
    pub(crate) fn row(&self, shape: &Shape, column: usize, value: &Value) -> Option<&[Row]> {
        let same = |looked: &&Looked| {
            looked.column == column && looked.value == *value && looked.shape.table == shape.table
        };
        self.rows.iter().find(same).map(|looked| &looked.found[..])
    }

    /// What is to be looked at, by table and column.
    pub(crate) fn looked(&mut self) -> &mut [Looked] {
        self.rows
            .sort_by(|a, b| (&a.shape.table, a.column).cmp(&(&b.shape.table, b.column)));
        &mut self.rows
    }

    /// Forgets everything, for the next batch.
    pub(crate) fn clear(&mut self) {
        self.kinds.values_mut().for_each(|shelf| shelf.clear());
        self.rows.clear();
    }
}

/// The records of one kind that a batch touches.
pub(crate) struct KindShelf<R: Record> {
    shape: Arc<Shape>,
    wanted: Vec<Uuid>,
    looks: BTreeMap<usize, Vec<Value>>,
    slots: HashMap<Uuid, Slot<R>>,
}

struct Slot<R> {
    stored: Option<R>,
    now: R,
}

impl<R: Record> KindShelf<R> {
    fn new() -> Self {
        Self {
            shape: Arc::new(Shape::of::<R::Table>()),
            wanted: Vec::new(),
            looks: BTreeMap::new(),
            slots: HashMap::new(),
        }
    }

    /// Asks for a record to be loaded, and locked.
    pub(crate) fn want(&mut self, id: Uuid) {
        if !self.wanted.contains(&id) {
            self.wanted.push(id);
        }
    }

    /// Asks for the records with a value in a column.
    pub(crate) fn look(&mut self, column: <R::Table as EntityTrait>::Column, value: Value) {
        if let Some(place) = self.shape.place(column.as_str()) {
            let values = self.looks.entry(place).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }

    /// The record as the batch has made it so far.
    pub(crate) fn get(&self, id: Uuid) -> Option<&R> {
        self.slots.get(&id).map(|slot| &slot.now)
    }

    /// All records as the batch has made them so far.
    pub(crate) fn all(&self) -> impl Iterator<Item = &R> {
        self.slots.values().map(|slot| &slot.now)
    }

    /// Takes a record that was made or changed.
    pub(crate) fn set(&mut self, record: R) {
        match self.slots.get_mut(&record.id()) {
            Some(slot) => slot.now = record,
            None => {
                let (id, stored, now) = (record.id(), None, record);
                self.slots.insert(id, Slot { stored, now });
            }
        }
    }

    fn change(&self, before: &R, now: &R) -> Change {
        let rows = (
            row_of(before.clone().into_active_model()),
            row_of(now.clone().into_active_model()),
        );
        let set = rows
            .0
            .iter()
            .zip(rows.1)
            .enumerate()
            .filter(|(_, (old, new))| *old != new);
        Change {
            id: Value::Uuid(Some(now.id())),
            revision: before.revision(),
            set: set.map(|(place, (_, new))| (place, new)).collect(),
        }
    }
}

impl<R: Record> Shelf for KindShelf<R> {
    fn any(&mut self) -> &mut dyn Any {
        self
    }

    fn shape(&self) -> Arc<Shape> {
        self.shape.clone()
    }

    fn wanted(&self) -> Vec<Value> {
        let mut ids = self.wanted.clone();
        ids.sort_unstable();
        ids.into_iter().map(|id| Value::Uuid(Some(id))).collect()
    }

    fn looks(&self) -> Vec<(usize, Vec<Value>)> {
        let looks = self.looks.iter();
        looks
            .map(|(place, values)| (*place, values.clone()))
            .collect()
    }

    fn stock(&mut self, rows: Vec<Row>) -> Result<(), sea_orm::DbErr> {
        for row in rows {
            let record: R = model::<R::Active, R>(row)?;
            self.slots.entry(record.id()).or_insert_with(|| Slot {
                stored: Some(record.clone()),
                now: record,
            });
        }
        Ok(())
    }

    fn saves(&self) -> Saves {
        let mut saves = Saves::default();
        let mut slots: Vec<&Slot<R>> = self.slots.values().collect();
        slots.sort_unstable_by_key(|slot| slot.now.id());
        for slot in slots {
            match &slot.stored {
                None => saves
                    .inserts
                    .push(row_of(slot.now.clone().into_active_model())),
                Some(before) if *before != slot.now => {
                    saves.changes.push(self.change(before, &slot.now))
                }
                Some(_) => continue,
            }
            label_saves(slot.stored.as_ref(), &slot.now, &mut saves);
            crate::timer::saves(slot.stored.as_ref(), &slot.now, &mut saves);
        }
        saves
    }

    fn clear(&mut self) {
        self.wanted.clear();
        self.looks.clear();
        self.slots.clear();
    }
}

fn label_saves<R: Record>(before: Option<&R>, now: &R, saves: &mut Saves) {
    let (old, new) = (before.and_then(Record::labels), now.labels());
    if old == new {
        return;
    }
    let row = |(key, value): (&String, &String)| {
        row_of(
            sea_orm::IntoActiveModel::<record_label::ActiveModel>::into_active_model(
                record_label::Model {
                    organization: now.organization().to_owned(),
                    kind: R::KIND.to_owned(),
                    key: key.clone(),
                    value: value.clone(),
                    record_id: now.id(),
                },
            ),
        )
    };
    let missing =
        |from: Option<&std::collections::BTreeMap<String, String>>,
         key: &String,
         value: &String| { from.and_then(|labels| labels.get(key)) != Some(value) };
    saves.labels_put.extend(
        new.into_iter()
            .flatten()
            .filter(|(key, value)| missing(old, key, value))
            .map(row),
    );
    saves.labels_delete.extend(
        old.into_iter()
            .flatten()
            .filter(|(key, value)| missing(new, key, value))
            .map(row),
    );
}

/// The shape of the label table.
pub(crate) fn label_shape() -> Shape {
    Shape::of::<record_label::Entity>()
}
