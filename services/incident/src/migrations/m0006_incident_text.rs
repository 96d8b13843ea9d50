//! The words of titles and comments, for full-text search. Triggers keep them
//! in the transaction that writes the record, so that no write forgets them.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

/// Makes `incident_text`, and on SQLite the index of its words.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let statements = match manager.get_database_backend() == DbBackend::Sqlite {
            true => SQLITE,
            false => POSTGRES,
        };
        for statement in statements {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// The words lie in a table of FTS5 that keeps no text: titles and comments
/// stand in their records.
const SQLITE: &[&str] = &[
    "create table incident_text (
        doc integer primary key autoincrement,
        organization text not null,
        incident blob not null,
        record blob not null unique,
        internal integer not null
    )",
    "create virtual table incident_words using fts5(
        words, content='', contentless_delete=1, detail=full,
        tokenize='unicode61 remove_diacritics 0'
    )",
    "create trigger incident_text_title after insert on incident begin
        insert into incident_text (organization, incident, record, internal)
            values (new.organization, new.id, new.id, 0);
        insert into incident_words (rowid, words)
            select doc, new.title from incident_text where record = new.id;
    end",
    "create trigger incident_text_retitle after update of title on incident
        when new.title <> old.title begin
        update incident_words set words = new.title
            where rowid = (select doc from incident_text where record = new.id);
    end",
    "create trigger incident_text_comment after insert on incident_comment begin
        insert into incident_text (organization, incident, record, internal)
            values (new.organization, new.incident, new.id, new.audience <> 'PUBLIC');
        insert into incident_words (rowid, words)
            select doc, new.body from incident_text where record = new.id;
    end",
    "create trigger incident_text_recomment after update of body on incident_comment
        when new.body <> old.body begin
        update incident_words set words = new.body
            where rowid = (select doc from incident_text where record = new.id);
    end",
    "insert into incident_text (organization, incident, record, internal)
        select organization, id, id, 0 from incident order by create_us, id",
    "insert into incident_text (organization, incident, record, internal)
        select organization, incident, id, audience <> 'PUBLIC' from incident_comment
        order by create_us, id",
    "insert into incident_words (rowid, words)
        select t.doc, i.title from incident_text t join incident i on i.id = t.record",
    "insert into incident_words (rowid, words)
        select t.doc, c.body from incident_text t join incident_comment c on c.id = t.record",
];

/// The words of a text are what lies between its signs, as SQLite has them.
const POSTGRES: &[&str] = &[
    "create table incident_text (
        doc bigint generated always as identity primary key,
        organization varchar(63) not null,
        incident uuid not null,
        record uuid not null unique,
        internal integer not null,
        words tsvector not null
    )",
    "create index ix_incident_text_words on incident_text using gin (words)",
    "create function incident_words(said text) returns tsvector language sql immutable as
        $$ select to_tsvector('simple', regexp_replace(said, '[^[:alnum:]]+', ' ', 'g')) $$",
    "create function incident_text_title() returns trigger language plpgsql as $$ begin
        insert into incident_text (organization, incident, record, internal, words)
            values (new.organization, new.id, new.id, 0, incident_words(new.title));
        return null;
    end $$",
    "create function incident_text_retitle() returns trigger language plpgsql as $$ begin
        update incident_text set words = incident_words(new.title) where record = new.id;
        return null;
    end $$",
    "create function incident_text_comment() returns trigger language plpgsql as $$ begin
        insert into incident_text (organization, incident, record, internal, words)
            values (new.organization, new.incident, new.id,
                case when new.audience = 'PUBLIC' then 0 else 1 end, incident_words(new.body));
        return null;
    end $$",
    "create function incident_text_recomment() returns trigger language plpgsql as $$ begin
        update incident_text set words = incident_words(new.body) where record = new.id;
        return null;
    end $$",
    "create trigger incident_text_title after insert on incident
        for each row execute function incident_text_title()",
    "create trigger incident_text_retitle after update of title on incident
        for each row when (new.title is distinct from old.title)
        execute function incident_text_retitle()",
    "create trigger incident_text_comment after insert on incident_comment
        for each row execute function incident_text_comment()",
    "create trigger incident_text_recomment after update of body on incident_comment
        for each row when (new.body is distinct from old.body)
        execute function incident_text_recomment()",
    "insert into incident_text (organization, incident, record, internal, words)
        select organization, id, id, 0, incident_words(title) from incident order by create_us, id",
    "insert into incident_text (organization, incident, record, internal, words)
        select organization, incident, id,
            case when audience = 'PUBLIC' then 0 else 1 end, incident_words(body)
        from incident_comment order by create_us, id",
];
