//! The output: tables for people, JSON for scripts.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use console::{Style, style};
use serde::Serialize;

use crate::failure::Failure;

/// Writes a line to standard output. A closed pipe ends the program without an error, as `head` expects.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// Writes a remark to standard error, which scripts do not read.
pub fn remark(text: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

/// Writes the JSON of the API to standard output.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(|error| Failure::here(error.to_string()))?)
}

/// Writes a table to standard output.
pub fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<(), Failure> {
    line(render(heading, rows))
}

/// Returns a table as text. Columns are as wide as their content.
pub fn render(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(heading.iter().map(|name| Cell::new(style(name).dim()).set_alignment(CellAlignment::Left)));
    table.add_rows(rows);
    table.trim_fmt()
}

/// Returns a status in its colour.
pub fn status(name: &str) -> String {
    let colour = match name {
        "succeeded" | "approved" | "active" => Style::new().green(),
        "failed" | "rejected" | "cancelled" | "expired" => Style::new().red(),
        "awaiting_approval" => Style::new().yellow(),
        "running" => Style::new().cyan(),
        _ => Style::new().dim(),
    };
    colour.apply_to(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        console::set_colors_enabled(false);
        let text = render(&["id", "name"], [vec!["a".to_owned(), "Ada".to_owned()], vec!["bb".to_owned(), "B".to_owned()]]);
        assert_eq!(text.lines().map(str::trim_end).collect::<Vec<_>>(), [" id  name", " a   Ada", " bb  B"]);
    }
}
