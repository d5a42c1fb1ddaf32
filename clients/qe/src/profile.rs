//! Stored addresses, keys and logins.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::args::ProfilesCommand;
use crate::failure::Failure;
use crate::login::Login;
use crate::secret::Secret;
use crate::{out, prompt};

/// An address of the API, and either a key or a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The address.
    pub base_url: String,
    /// The key, `qe_sk_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// The login, which goes before a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

impl Profile {
    /// Returns what the profile is used with, in words.
    fn credential(&self) -> &'static str {
        match &self.login {
            Some(Login { tokens: Some(_), .. }) => "login",
            Some(_) => "signed out",
            None => "key",
        }
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

    /// Waits until no other process changes the file. Whoever reads it to write it again holds the lock in between.
    pub fn lock(path: &Path) -> Result<File, Failure> {
        create_folder(path)?;
        let file = for_its_owner().create(true).truncate(false).open(path.with_extension("json.lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// Changes the file. It stays as it is if the change fails.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let _lock = Self::lock(path)?;
        let mut all = Self::load(path)?;
        let result = change(&mut all)?;
        all.save(path)?;
        Ok(result)
    }

    /// Writes the file so that only its owner can read it.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        create_folder(path)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| Failure::here(error.to_string()))?;
        let new = path.with_extension("json.new");
        // One that an interrupted command has left may be readable by others.
        _ = std::fs::remove_file(&new);
        let mut file = for_its_owner().create_new(true).open(&new)?;
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

fn create_folder(path: &Path) -> Result<(), Failure> {
    path.parent().map_or(Ok(()), |folder| Ok(std::fs::create_dir_all(folder)?))
}

/// Returns the options to write a file that nobody else can read.
fn for_its_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Returns a variable of the environment, unless it is empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
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
    match command {
        ProfilesCommand::List => return list(&Profiles::load(&path)?, json),
        ProfilesCommand::Set { name, base_url } => {
            let api_key = Some(prompt::secret("The key, qe_sk_…")?.into());
            Profiles::change(&path, |all| {
                all.profiles.insert(name.clone(), Profile { base_url, api_key, login: None });
                all.current.get_or_insert(name);
                Ok(())
            })?;
        }
        ProfilesCommand::Use { name } => Profiles::change(&path, |all| {
            all.named(&name)?;
            all.current = Some(name);
            Ok(())
        })?,
        ProfilesCommand::Remove { name } => Profiles::change(&path, |all| {
            all.named(&name)?;
            all.profiles.remove(&name);
            all.current = all.current.take().filter(|current| *current != name);
            Ok(())
        })?,
    }
    out::remark(format!("saved {}", path.display()))
}

fn list(all: &Profiles, json: bool) -> Result<(), Failure> {
    if json {
        let row = |(name, profile): (&String, &Profile)| {
            let current = all.current.as_ref() == Some(name);
            serde_json::json!({"name": name, "baseUrl": profile.base_url, "credential": profile.credential(), "current": current})
        };
        return out::json(&all.profiles.iter().map(row).collect::<Vec<_>>());
    }
    let row = |(name, profile): (&String, &Profile)| {
        let mark = if all.current.as_ref() == Some(name) { "*" } else { "" };
        vec![mark.to_owned(), name.clone(), profile.base_url.clone(), profile.credential().to_owned()]
    };
    out::table(&["", "profile", "address", "credential"], all.profiles.iter().map(row))
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
        let profile = Profile { base_url: "https://api.example.com".to_owned(), api_key: Some("qe_sk_sandbox_x".into()), login: None };
        let all = Profiles { current: Some("live".to_owned()), profiles: [("live".to_owned(), profile.clone())].into() };
        all.save(&path).unwrap();
        assert_eq!(Profiles::load(&path).unwrap(), all);
        assert_eq!((all.named("live").unwrap(), all.named("other").unwrap_err().code), (profile, crate::failure::USAGE));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read_and_written_unchanged() {
        let path = file("earlier");
        let old = r#"{"current": "live", "profiles": {"live": {"baseUrl": "https://api.example.com", "apiKey": "qe_sk_live_x"}}}"#;
        Profiles::default().save(&path).unwrap();
        std::fs::write(&path, old).unwrap();
        let all = Profiles::load(&path).unwrap();
        let live = all.named("live").unwrap();
        assert_eq!(
            (live.base_url.as_str(), live.api_key.clone(), live.login.clone()),
            ("https://api.example.com", Some("qe_sk_live_x".into()), None)
        );
        assert_eq!(live.credential(), "key");
        all.save(&path).unwrap();
        let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(old).unwrap());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_left_is_not_written_into() {
        use std::os::unix::fs::PermissionsExt;
        let path = file("left");
        Profiles::default().save(&path).unwrap();
        std::fs::write(path.with_extension("json.new"), "half").unwrap();
        std::fs::set_permissions(path.with_extension("json.new"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let lock = Profiles::lock(&path).unwrap();
        Profiles::default().save(&path).unwrap();
        for file in [path.clone(), path.with_extension("json.lock")] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(lock);
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
        let profile = Profile { base_url: "https://a".to_owned(), api_key: Some("qe_sk_live_secret".into()), login: None };
        assert!(!format!("{profile:?}").contains("secret"));
    }
}
