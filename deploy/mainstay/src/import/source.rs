//! Reads a log row by row: plain or gzip, comma separated, UTF-8. Nothing in a
//! file makes it hold more than one bounded row; what is wrong with a file is
//! told with the line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv_core::ReadRecordResult;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

/// As long as a row may be, its line ends inside quotes included.
const ROW_LIMIT: usize = 1024 * 1024;
const GZIP: &[u8] = &[0x1f, 0x8b];
/// How files begin that are often given by mistake.
const OTHERS: [(&[u8], &str); 5] = [
    (b"PK\x03\x04", "a ZIP archive or a workbook"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
];

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    #[error("it is a directory")]
    Directory,
    #[error("it is empty")]
    Empty,
    #[error("it is {0}; it must be UTF-8 text, plain or compressed by gzip")]
    Foreign(&'static str),
    #[error("line {line}: it cannot be read")]
    Read { line: u64, source: io::Error },
    #[error("line {line}: the gzip data end here, too early: the file is truncated")]
    Truncated { line: u64 },
    #[error("line {line}: the gzip data are damaged from here on")]
    Damaged { line: u64, source: io::Error },
    #[error(
        "line {line}: the row is longer than {ROW_LIMIT} bytes (perhaps a quote is never closed)"
    )]
    TooLong { line: u64 },
    #[error(
        "line {line}: it is not UTF-8 text; convert the file first, for example with `iconv -t UTF-8`"
    )]
    Encoding { line: u64 },
    #[error("line {line}: {found} fields, but the header names {expected}")]
    Fields {
        line: u64,
        found: usize,
        expected: usize,
    },
    #[error("line 1: {columns}; the header has: {header}")]
    Columns { columns: String, header: String },
}

/// A log that is open, with its header read.
pub(super) struct Source {
    records: Records,
    header: Vec<String>,
}

/// The cells of a row, and the line it begins on.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) line: u64,
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// The cell in a column; empty when there is no such column.
    pub(super) fn cell(&self, column: usize) -> &'a str {
        let from = column
            .checked_sub(1)
            .map_or(Some(0), |before| self.ends.get(before).copied());
        let cell = from
            .zip(self.ends.get(column))
            .and_then(|(from, to)| self.text.get(from..*to));
        cell.unwrap_or_default()
    }
}

impl Source {
    /// Opens a file; the bar is told how much of it is read.
    pub(super) fn open(
        path: &Path,
        delimiter: char,
        bar: &ProgressBar,
    ) -> Result<Self, Unreadable> {
        let file = File::open(path).map_err(Unreadable::Open)?;
        let about = file.metadata().map_err(Unreadable::Open)?;
        if about.is_dir() {
            return Err(Unreadable::Directory);
        }
        bar.set_length(about.len());
        Self::read(Box::new(bar.wrap_read(file)), delimiter)
    }

    /// Reads from any bytes.
    pub(super) fn read(mut bytes: Box<dyn Read>, delimiter: char) -> Result<Self, Unreadable> {
        let mut head = Vec::new();
        bytes
            .by_ref()
            .take(8)
            .read_to_end(&mut head)
            .map_err(Unreadable::Open)?;
        if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Err(Unreadable::Foreign(what));
        }
        let gzip = head.starts_with(GZIP);
        let whole = io::Cursor::new(head).chain(bytes);
        let plain: Box<dyn Read> = if gzip {
            Box::new(MultiGzDecoder::new(whole))
        } else {
            Box::new(whole)
        };
        let mut records = Records::new(plain, delimiter, gzip);
        let line = records.advance()?.ok_or(Unreadable::Empty)?;
        let row = records.row(line)?;
        let header = (0..row.ends.len())
            .map(|column| row.cell(column).to_owned())
            .collect();
        Ok(Self { records, header })
    }

    /// The place of each column, in their order.
    pub(super) fn columns<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<usize>, Unreadable> {
        let mut places = Vec::new();
        let mut wrong = Vec::new();
        for name in names {
            let mut found = self
                .header
                .iter()
                .enumerate()
                .filter(|(_, column)| *column == name);
            match (found.next(), found.next()) {
                (Some((place, _)), None) => places.push(place),
                (Some(_), Some(_)) => wrong.push(format!("column `{name}` stands twice")),
                (None, _) => wrong.push(format!("column `{name}` is missing")),
            }
        }
        if wrong.is_empty() {
            return Ok(places);
        }
        wrong.dedup();
        Err(Unreadable::Columns {
            columns: wrong.join(", "),
            header: self.header.join(", "),
        })
    }

    /// The next row; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, Unreadable> {
        let Some(line) = self.records.advance()? else {
            return Ok(None);
        };
        let row = self.records.row(line)?;
        let (found, expected) = (row.ends.len(), self.header.len());
        if found != expected {
            return Err(Unreadable::Fields {
                line,
                found,
                expected,
            });
        }
        Ok(Some(row))
    }
}

/// Splits bytes into records; holds one at a time.
struct Records {
    input: BufReader<Box<dyn Read>>,
    core: csv_core::Reader,
    gzip: bool,
    /// The line of the next byte.
    line: u64,
    text: Vec<u8>,
    ends: Vec<usize>,
    filled: (usize, usize),
}

impl Records {
    fn new(input: Box<dyn Read>, delimiter: char, gzip: bool) -> Self {
        Self {
            input: BufReader::with_capacity(64 * 1024, input),
            core: csv_core::ReaderBuilder::new()
                .delimiter(u8::try_from(delimiter).unwrap_or(b','))
                .build(),
            gzip,
            line: 1,
            text: vec![0; 4096],
            ends: vec![0; 64],
            filled: (0, 0),
        }
    }

    /// Reads the next record, and tells the line it begins on.
    fn advance(&mut self) -> Result<Option<u64>, Unreadable> {
        if !self.skip_line_ends()? {
            return Ok(None);
        }
        let line = self.line;
        let mut taken = 0;
        self.filled = (0, 0);
        loop {
            let input = self
                .input
                .fill_buf()
                .map_err(|source| unreadable(self.gzip, self.line, source))?;
            let (text, ends) = self.filled;
            let (result, read, written, ended) =
                self.core
                    .read_record(input, &mut self.text[text..], &mut self.ends[ends..]);
            self.line += line_ends(&input[..read]);
            self.input.consume(read);
            self.filled = (text + written, ends + ended);
            taken += read;
            if taken > ROW_LIMIT {
                return Err(Unreadable::TooLong { line });
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(Some(line)),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// Skips empty lines and the rest of a line end; says whether more follows.
    fn skip_line_ends(&mut self) -> Result<bool, Unreadable> {
        loop {
            let input = self
                .input
                .fill_buf()
                .map_err(|source| unreadable(self.gzip, self.line, source))?;
            let ends = input
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            let (skipped, more) = (&input[..ends], ends < input.len());
            self.line += line_ends(skipped);
            self.input.consume(ends);
            if more || ends == 0 {
                return Ok(more);
            }
        }
    }

    fn row(&self, line: u64) -> Result<Row<'_>, Unreadable> {
        let (text, ends) = self.filled;
        let (text, ends) = (&self.text[..text], &self.ends[..ends]);
        let text = str::from_utf8(text).map_err(|_| Unreadable::Encoding { line })?;
        // Bytes of two cells may only together be a character.
        let whole = ends.iter().all(|end| text.is_char_boundary(*end));
        whole
            .then_some(Row { line, text, ends })
            .ok_or(Unreadable::Encoding { line })
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn unreadable(gzip: bool, line: u64, source: io::Error) -> Unreadable {
    let early = source.kind() == io::ErrorKind::UnexpectedEof;
    match gzip {
        true if early => Unreadable::Truncated { line },
        true => Unreadable::Damaged { line, source },
        false => Unreadable::Read { line, source },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// What a file gives: its rows with their lines, or what is wrong with it.
    fn rows(bytes: impl Into<Vec<u8>>) -> Result<Vec<(u64, Vec<String>)>, String> {
        let mut source = Source::read(Box::new(io::Cursor::new(bytes.into())), ',')
            .map_err(|error| error.to_string())?;
        let columns = source.header.len();
        let mut rows = Vec::new();
        while let Some(row) = source.next().map_err(|error| error.to_string())? {
            rows.push((
                row.line,
                (0..columns)
                    .map(|column| row.cell(column).to_owned())
                    .collect(),
            ));
        }
        Ok(rows)
    }

    fn zipped(text: &str) -> Vec<u8> {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(text.as_bytes()).unwrap();
        zip.finish().unwrap()
    }

    fn told(bytes: impl Into<Vec<u8>>, expected: &str) {
        let error = rows(bytes).unwrap_err();
        assert!(error.contains(expected), "{expected:?} in {error:?}");
    }

    #[test]
    fn plain_and_gzip_give_the_same_rows() {
        let text = "a,b\n1,2\n3,4\n";
        let expected = vec![
            (2, vec!["1".to_owned(), "2".to_owned()]),
            (3, vec!["3".to_owned(), "4".to_owned()]),
        ];
        assert_eq!(rows(text), Ok(expected.clone()));
        assert_eq!(rows(zipped(text)), Ok(expected.clone()));
        let members = [zipped("a,b\n1,2\n"), zipped("3,4\n")].concat();
        assert_eq!(rows(members), Ok(expected));
    }

    #[test]
    fn lines_are_counted_over_empty_lines_windows_ends_and_quoted_breaks() {
        let lines = |text: &str| {
            rows(text).map(|rows| rows.into_iter().map(|(line, _)| line).collect::<Vec<_>>())
        };
        assert_eq!(lines("a,b\n\n\n1,2\n3,4"), Ok(vec![4, 5]));
        assert_eq!(lines("a,b\r\n1,2\r\n\r\n3,4\r\n"), Ok(vec![2, 4]));
        assert_eq!(lines("a,b\n\"1\n\n\",2\n3,4\n"), Ok(vec![2, 5]));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_column() {
        let source = Source::read(
            Box::new(io::Cursor::new(b"\xef\xbb\xbfa,b\n1,2\n".to_vec())),
            ',',
        )
        .unwrap();
        assert_eq!(source.columns(["a", "b"].into_iter()).unwrap(), [0, 1]);
    }

    #[test]
    fn a_cell_beyond_the_row_is_empty() {
        let mut source = Source::read(Box::new(io::Cursor::new("a\n1\n")), ',').unwrap();
        let row = source.next().unwrap().unwrap();
        assert_eq!(
            (row.cell(0), row.cell(1), row.cell(usize::MAX)),
            ("1", "", "")
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_with_the_line() {
        told(b"a,b\n1,2\n\xe9,2\n".to_vec(), "line 3: it is not UTF-8");
        told(b"a,b\n1,\xc3,\xa9\n".to_vec(), "line 2: it is not UTF-8");
        told(b"\xff\xfea\0,\0".to_vec(), "UTF-16");
        told(b"PK\x03\x04rest".to_vec(), "a workbook");
    }

    #[test]
    fn a_wrong_number_of_fields_is_told_with_the_line() {
        told("a,b\n1,2\n1\n", "line 3: 1 fields, but the header names 2");
        told("a,b\n1,2,3\n", "line 2: 3 fields, but the header names 2");
    }

    #[test]
    fn truncated_and_damaged_gzip_are_told_with_the_line() {
        let text: String = (0..20_000)
            .map(|n: u32| format!("{n},{}\n", n.wrapping_mul(2_654_435_761)))
            .collect();
        let zip = zipped(&format!("a,b\n{text}"));
        told(&zip[..zip.len() / 2], "the file is truncated");
        told(
            &zip[..zip.len() - 4],
            "line 20002: the gzip data end here, too early",
        );
        let mut flipped = zip.clone();
        let sum = flipped.len() - 8;
        flipped[sum] ^= 1;
        told(flipped, "line 20002: the gzip data are damaged");
    }

    #[test]
    fn an_empty_file_is_told() {
        told("", "it is empty");
        told("\n\n", "it is empty");
        told(zipped(""), "it is empty");
    }

    #[test]
    fn a_line_without_end_is_given_up_before_it_fills_the_memory() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += super::super::history::count(buffer.len());
                assert!(self.0 < 4 * 1024 * 1024, "it reads on and on");
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        let endless = io::Cursor::new("a,b\n1,2\n").chain(Endless(0));
        let mut source = Source::read(Box::new(endless), ',').unwrap();
        assert!(source.next().is_ok());
        assert!(matches!(
            source.next(),
            Err(Unreadable::TooLong { line: 3 })
        ));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_with_the_line_it_opens_on() {
        let text = format!("a,b\n1,2\n\"3,4\n{}", "5,6\n".repeat(400_000));
        told(text, "line 3: the row is longer than");
    }

    #[test]
    fn missing_and_doubled_columns_are_told_with_those_there_are() {
        let source = Source::read(Box::new(io::Cursor::new("a,b,b\n")), ',').unwrap();
        let error = source
            .columns(["a", "b", "c"].into_iter())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "line 1: column `b` stands twice, column `c` is missing; the header has: a, b, b"
        );
    }

    #[test]
    fn a_directory_and_a_missing_file_are_told() {
        let bar = ProgressBar::hidden();
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Source::open(folder.path(), ',', &bar),
            Err(Unreadable::Directory)
        ));
        assert!(matches!(
            Source::open(&folder.path().join("no"), ',', &bar),
            Err(Unreadable::Open(_))
        ));
    }
}
