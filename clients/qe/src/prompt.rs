//! Questions to the user.

use std::io::{IsTerminal, Read};

use dialoguer::{Confirm, Password};

use crate::failure::Failure;

/// Returns whether questions can be asked: standard input and standard error are a terminal.
pub fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question that is answered with yes or no. Without an answer it is no.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    Confirm::new().with_prompt(question).default(false).interact().map_err(|error| Failure::here(error.to_string()))
}

/// Asks before something happens that cannot be undone, unless `yes` is given. Fails without a terminal, and if the answer is no.
pub fn confirm_unless(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_possible() {
        return Err(Failure::usage("there is no terminal for a question; use --yes"));
    }
    if confirm(question)? { Ok(()) } else { Err(Failure::here("nothing was sent")) }
}

/// Reads a secret: without echo from a terminal, or else the whole standard input. Fails if it is empty.
pub fn secret(name: &str) -> Result<String, Failure> {
    let text = if is_possible() {
        Password::new().with_prompt(name).interact().map_err(|error| Failure::here(error.to_string()))?
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    };
    let text = text.trim().to_owned();
    if text.is_empty() { Err(Failure::usage(format!("standard input is empty; it takes: {name}"))) } else { Ok(text) }
}
