//! Edits an action in the user's editor.

use std::io::Write;
use std::path::PathBuf;

use dialoguer::Editor;
use serde_json::Value;

use crate::failure::Failure;
use crate::{out, prompt, text};

/// An action that is being edited. Its text survives a refusal.
#[derive(Debug)]
pub struct Draft {
    name: String,
    text: String,
}

impl Draft {
    /// Returns a draft of an action. `name` is part of the name of the file in which the draft is kept.
    pub fn of(action: &Value, name: String) -> Self {
        Self { name, text: text::pretty(action) }
    }

    /// Opens the editor and returns the action that was saved. Opens it again while the text is not JSON. Fails if nothing was saved.
    pub fn edit(&mut self) -> Result<Value, Failure> {
        loop {
            let edited = Editor::new().extension(".json").require_save(true).edit(&self.text);
            let edited = edited.map_err(|error| Failure::here(error.to_string()))?;
            self.text = edited.ok_or_else(|| Failure::here("the editor saved nothing, and nothing was sent"))?;
            match exact_json::read(self.text.as_bytes()) {
                Ok(action) => return Ok(action),
                Err(problem) if prompt::confirm(&format!("That {problem}. Edit it again?"))? => {}
                Err(_) => {
                    self.keep()?;
                    return Err(Failure::here("nothing was sent"));
                }
            }
        }
    }

    /// Writes the draft to a file that only its owner can read, and says where it is.
    pub fn keep(&self) -> Result<PathBuf, Failure> {
        let path = std::env::temp_dir().join(format!("qe-{}-{}.json", self.name, std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // An earlier draft of this process is replaced.
        _ = std::fs::remove_file(&path);
        options.open(&path)?.write_all(self.text.as_bytes())?;
        out::remark(format!("your edit is kept in {0}; `--override @{0}` sends it", path.display()))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_draft_is_kept_as_it_was_edited() {
        let draft = Draft { text: "{\"amount\": 9,}".to_owned(), ..Draft::of(&json!({"amount": 1}), "run_1-review".to_owned()) };
        draft.keep().unwrap();
        let path = draft.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"amount\": 9,}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(path).unwrap();
    }
}
