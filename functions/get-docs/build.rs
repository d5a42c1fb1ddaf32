//! Puts the page together: one file with the viewer in it, and a policy that lets a browser run these two scripts and no other.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// redoc 2.5.4; `viewer/README.md` says where it comes from.
const VIEWER: &str = "viewer/redoc.standalone.js";
const VIEWER_SHA256: &str = "dcaf76612bc4a3fbcc923a8966dee2f6146a5f32e5ce1b6f02dd60cbbf89500b";
/// What is changed in it, each found exactly once. A logo below the menu is the only thing that it would fetch from elsewhere; and
/// inside an HTML page, a `<script` after a `<!--` would keep the script from ending.
const CHANGES: [(&str, &str); 2] =
    [("https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,"), ("\"<script><\\/script>\"", "\"\\x3cscript><\\/script>\"")];

fn main() -> Result<(), Box<dyn Error>> {
    for file in [VIEWER, "src/page.html", "src/start.js"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let mut viewer = fs::read_to_string(VIEWER)?;
    if hex::encode(Sha256::digest(&viewer)) != VIEWER_SHA256 {
        return Err(format!("{VIEWER} is not the file that was taken over; viewer/README.md says how to get it").into());
    }
    for (before, after) in CHANGES {
        if viewer.matches(before).count() != 1 {
            return Err(format!("{VIEWER} has not exactly one `{before}`; look at what it has now").into());
        }
        viewer = viewer.replace(before, after);
    }
    let start = fs::read_to_string("src/start.js")?;
    if [&viewer, &start].iter().any(|script| script.contains("<script") || script.contains("</script")) {
        return Err("a script would end before its end, or after it: HTML sees `<script` or `</script` in it".into());
    }
    let page = fs::read_to_string("src/page.html")?.replace("{start}", &start).replace("{viewer}", &viewer);
    let hash = |script: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script)));
    // Styles are made by the viewer as it goes; its search runs in a worker that it makes of a blob.
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; worker-src blob:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&viewer),
        hash(&start)
    );
    let folder = env::var("OUT_DIR")?;
    let folder = Path::new(&folder);
    fs::write(folder.join("etag.txt"), format!("\"{}\"", &hex::encode(Sha256::digest(&page))[..32]))?;
    fs::write(folder.join("policy.txt"), policy)?;
    fs::write(folder.join("page.html"), page)?;
    Ok(())
}
