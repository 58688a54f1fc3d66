//! One line of CSV (RFC 4180): cells between commas, quoted only where they have to be.

/// The cells as a line, without its end.
pub(super) fn join<S: AsRef<[u8]>>(cells: &[S]) -> String {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    // Writing to memory fails on nothing; were it otherwise, the line would be found broken.
    let _ = writer.write_record(cells);
    let bytes = writer.into_inner().unwrap_or_default();
    let mut line = String::from_utf8(bytes).unwrap_or_default();
    line.truncate(line.trim_end_matches('\n').len());
    line
}

/// The cells of a line. None if it is not what [`join`] makes of them: every reader has to find
/// the same cells in it.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    if !reader.read_record(&mut record).ok()? {
        return None;
    }
    let cells: Vec<String> = record.iter().map(str::to_owned).collect();
    (join(&cells) == line).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_only_in_the_one_form_that_is_written() {
        for (cells, line) in [
            (vec!["a", "", "c d"], "a,,c d"),
            (vec!["a,b", "say \"x\""], "\"a,b\",\"say \"\"x\"\"\""),
        ] {
            assert_eq!(join(&cells), line);
            assert_eq!(split(line).unwrap(), cells);
        }
        for line in ["", "a,\"b\"", "a,b\"c", "a,\"b", "a\nb", "\"a\"b,c", "a\r"] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }
}
