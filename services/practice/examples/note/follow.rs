//! What notes do on hearing of notes: a follower with effects on records.

use mainstay_chassis::Refusal;
use mainstay_practice::{Decision, Effects, Follower};
use mainstay_proto::mainstay::event::v1::Event;
use prost::Message;

use super::{Column, Happening, Model, NotePayload, NoteSnapshot, State};

/// Writes a sequel to every note that was archived, once, and archives those
/// that end with the word.
#[derive(Debug)]
pub struct Librarian;

impl Follower for Librarian {
    type Change = ();
    const NAME: &'static str = "librarian";
    const PERMISSIONS: &'static [&'static str] = &["note.write"];

    fn apply(&self, events: &[(i64, Event)], effects: &mut Effects) -> Result<(), Refusal> {
        for (_, event) in events {
            let note = note_of(event)?;
            let mut effects = effects.of(event, "note.write")?;
            match event.r#type.as_str() {
                "example.v1.NoteArchived" => {
                    let (organization, text) = (note.organization, format!("after {}", note.uid));
                    effects.create::<Model>(Column::Text, text.clone(), move |moment| {
                        let sequel = Model::write(&organization, &text, moment);
                        Ok((sequel, Happening::Written))
                    });
                }
                "example.v1.NoteEdited" if note.text.ends_with("finis") => {
                    let id = note.uid.parse().map_err(Refusal::internal)?;
                    effects.act::<Model>(id, |note, _| match note.state {
                        State::Open => note.archive(),
                        State::Archived => Ok(Decision::Unchanged),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The note after an event.
pub fn note_of(event: &Event) -> Result<NoteSnapshot, Refusal> {
    let bytes = event.data.as_ref().map(|data| data.value.as_slice());
    let payload = NotePayload::decode(bytes.unwrap_or_default());
    let note = payload.map_err(Refusal::internal)?.note;
    note.ok_or_else(|| Refusal::internal("an event without its note"))
}

#[cfg(test)]
#[path = "follow/tests.rs"]
mod tests;
