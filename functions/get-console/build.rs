//! Puts the built files of the console into the function: each with its media type and its entity tag. Without them the function still
//! compiles, and serves a page that says how to build them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

/// Where `make console-build` leaves the files. The folder is in the repository, so that a change of it is noticed.
const BUILT: &str = "../../console/dist";
const POLICY: &str = "../../console/policy.txt";
/// The page if the console is not built.
const PLACEHOLDER: &str = "src/not-built.html";

fn main() -> Result<(), Box<dyn Error>> {
    for file in [BUILT, POLICY, PLACEHOLDER] {
        println!("cargo::rerun-if-changed={file}");
    }
    let built = fs::canonicalize(BUILT)?;
    let mut files = Vec::new();
    collect(&built, &mut files)?;
    files.sort();
    let index = built.join("index.html");
    let index = if files.contains(&index) { index } else { fs::canonicalize(PLACEHOLDER)? };

    let mut table = String::from("&[\n");
    for file in files.iter().filter(|file| **file != index) {
        let Some(media_type) = media_type(file) else { return Err(format!("{}: which media type does it have?", file.display()).into()) };
        let name = file.strip_prefix(&built)?.to_str().ok_or("a name is not UTF-8")?.replace('\\', "/");
        let etag = etag(&fs::read(file)?);
        writeln!(
            table,
            "    api::SiteFile {{ path: {name:?}, media_type: {media_type:?}, text: include_str!({:?}), etag: {etag:?} }},",
            file.to_str().ok_or("a path is not UTF-8")?
        )?;
    }
    table.push(']');
    let folder = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(folder.join("files.rs"), table)?;
    fs::write(folder.join("index.html"), fs::read(index)?)?;
    fs::write(folder.join("policy.txt"), fs::read_to_string(POLICY)?.trim())?;
    Ok(())
}

/// Collects the files of a folder and of those in it, but for hidden ones.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            collect(&path, files)?;
        } else if !is_hidden {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the media type of a file. All are text: API Gateway compresses them, and passes bytes on only by a setting that would change every other
/// endpoint.
fn media_type(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()? {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex::encode(Sha256::digest(bytes))[..32])
}
