//! Stored addresses and keys.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::args::ProfilesCommand;
use crate::failure::Failure;
use crate::{out, prompt};

/// An address of the API and a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The address.
    pub base_url: String,
    /// The key, `qe_sk_…`.
    pub api_key: String,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// The file of profiles.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// The name of the profile that is used if nothing else names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The profiles by their names.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file. A missing file has no profiles. Fails if other users of the machine can read the file, and if it is not valid.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::usage(format!("{}: {error}", path.display()))),
        };
        check_mode(path)?;
        serde_json::from_str(&text).map_err(|problem| Failure::usage(format!("{} is not a file of profiles: {problem}", path.display())))
    }

    /// Writes the file so that only its owner can read it.
    fn save(&self, path: &Path) -> Result<(), Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::here(error.to_string()))?;
        let new = path.with_extension("json.new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        Ok(std::fs::rename(&new, path)?)
    }

    /// Returns the profile of a name.
    pub fn named(&self, name: &str) -> Result<Profile, Failure> {
        self.profiles
            .get(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("there is no profile `{name}`; `qe profiles list` shows them")))
    }
}

/// Returns the path of the file of profiles: `QE_CONFIG`, or `qe/profiles.json` in the user's configuration folder.
pub fn path() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = || variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let path = variable("QE_CONFIG").or_else(|| folder().map(|folder| folder.join("qe").join("profiles.json")));
    path.ok_or_else(|| Failure::usage("neither QE_CONFIG nor HOME is set, so there is no place for profiles"))
}

/// Runs a command.
pub fn run(command: ProfilesCommand, json: bool) -> Result<(), Failure> {
    let path = path()?;
    let mut all = Profiles::load(&path)?;
    match command {
        ProfilesCommand::List => return list(&all, json),
        ProfilesCommand::Set { name, base_url } => {
            let api_key = prompt::secret("The key, qe_sk_…")?;
            all.profiles.insert(name.clone(), Profile { base_url, api_key });
            all.current.get_or_insert(name);
        }
        ProfilesCommand::Use { name } => {
            all.named(&name)?;
            all.current = Some(name);
        }
        ProfilesCommand::Remove { name } => {
            all.named(&name)?;
            all.profiles.remove(&name);
            all.current = all.current.filter(|current| *current != name);
        }
    }
    all.save(&path)?;
    out::remark(format!("saved {}", path.display()))
}

fn list(all: &Profiles, json: bool) -> Result<(), Failure> {
    if json {
        let row = |(name, profile): (&String, &Profile)| serde_json::json!({"name": name, "baseUrl": profile.base_url, "current": all.current.as_ref() == Some(name)});
        return out::json(&all.profiles.iter().map(row).collect::<Vec<_>>());
    }
    let row = |(name, profile): (&String, &Profile)| {
        let mark = if all.current.as_ref() == Some(name) { "*" } else { "" };
        vec![mark.to_owned(), name.clone(), profile.base_url.clone()]
    };
    out::table(&["", "profile", "address"], all.profiles.iter().map(row))
}

/// Fails if other users of the machine can read the file: it contains keys.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    // The lowest six bits are the rights of the group and of others.
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(Failure::usage(format!("{0} contains keys and other users can read it; run `chmod 600 {0}`", path.display())))
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), Failure> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("qe-{name}-{}", std::process::id())).join("profiles.json")
    }

    #[test]
    fn profiles_are_stored_for_their_owner_only() {
        let path = file("stored");
        assert_eq!(Profiles::load(&path).unwrap(), Profiles::default());
        let profile = Profile { base_url: "https://api.example.com".to_owned(), api_key: "qe_sk_sandbox_x".to_owned() };
        let all = Profiles { current: Some("live".to_owned()), profiles: [("live".to_owned(), profile.clone())].into() };
        all.save(&path).unwrap();
        assert_eq!(Profiles::load(&path).unwrap(), all);
        assert_eq!((all.named("live").unwrap(), all.named("other").unwrap_err().code), (profile, crate::failure::USAGE));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let path = file("open");
        Profiles::default().save(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Profiles::load(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_key_is_not_in_the_debug_text() {
        let profile = Profile { base_url: "https://a".to_owned(), api_key: "qe_sk_live_secret".to_owned() };
        assert!(!format!("{profile:?}").contains("secret"));
    }
}
