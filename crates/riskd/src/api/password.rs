//! The admin's password: its hash in a file of its owner's alone, and random tokens.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use argon2::Argon2;
use argon2::password_hash::rand_core::{OsRng, RngCore};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use secrecy::{ExposeSecret, SecretString};

/// The shortest password, in characters.
pub const SHORTEST_PASSWORD: usize = 12;
/// The longest, in bytes: hashing a longer one would only cost time.
pub const LONGEST_PASSWORD: usize = 1_024;

/// Why a password could not be set or looked at.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// None was set.
    #[error("no admin password is set")]
    NotSet,
    /// It is too short or too long.
    #[error("a password must have at least {SHORTEST_PASSWORD} characters, and at most {LONGEST_PASSWORD} bytes")]
    Length,
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others can read or change the file.
    #[error("{} can be read or changed by others (mode {mode:04o}): run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds no hash.
    #[error("{} holds no Argon2id hash: set the password again", path.display())]
    NoHash {
        /// The file.
        path: PathBuf,
    },
}

/// Hashes a password (Argon2id, with the library's parameters: 19 MiB, two passes) and keeps the hash in `path`, mode 0600.
/// The old hash stays until the new one is whole.
///
/// # Errors
///
/// When the password is too short or too long, or the file cannot be written.
pub fn set_password(path: &Path, password: &SecretString) -> Result<(), PasswordError> {
    let text = password.expose_secret();
    if text.chars().count() < SHORTEST_PASSWORD || text.len() > LONGEST_PASSWORD {
        return Err(PasswordError::Length);
    }
    let salt = SaltString::generate(&mut OsRng);
    // The parameters are the library's own and the length was checked: nothing is left to refuse.
    let hash = Argon2::default().hash_password(text.as_bytes(), &salt).map_err(|_| PasswordError::Length)?;
    let failed = |source| PasswordError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || {
        // A leftover of an attempt that was cut short may have another mode.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(format!("{hash}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(failed)
}

/// Whether this is the password. Takes a few hundredths of a second and 19 MiB, on purpose.
///
/// # Errors
///
/// When none is set, or the file cannot be used.
pub(super) fn is_password(path: &Path, password: &SecretString) -> Result<bool, PasswordError> {
    let failed = |source| PasswordError::File { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(PasswordError::NotSet),
        Err(error) => return Err(failed(error)),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PasswordError::Exposed { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let hash = PasswordHash::new(text.trim())
        .ok()
        .filter(|hash| hash.algorithm == argon2::ARGON2ID_IDENT)
        .ok_or_else(|| PasswordError::NoHash { path: path.to_owned() })?;
    if password.expose_secret().len() > LONGEST_PASSWORD {
        return Ok(false);
    }
    Ok(Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
}

/// A token of 256 random bits.
pub(super) fn random_token() -> SecretString {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn the_right_password_is_known_and_the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/admin.password");
        assert!(matches!(is_password(&path, &secret("x")), Err(PasswordError::NotSet)));
        set_password(&path, &secret("correct horse battery")).unwrap();
        set_password(&path, &secret("another horse battery")).unwrap();
        for (password, expected) in [
            ("another horse battery", true),
            ("correct horse battery", false),
            ("", false),
            ("another horse batterY", false),
        ] {
            assert_eq!(is_password(&path, &secret(password)).unwrap(), expected, "{password}");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !text.contains("horse"), "{text}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_unsafe_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.password");
        for length in [0, SHORTEST_PASSWORD - 1, LONGEST_PASSWORD + 1] {
            assert!(
                matches!(set_password(&path, &secret(&"x".repeat(length))), Err(PasswordError::Length)),
                "{length}"
            );
        }
        set_password(&path, &secret("correct horse battery")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = is_password(&path, &secret("correct horse battery"));
        assert!(matches!(exposed, Err(PasswordError::Exposed { mode: 0o640, .. })), "{exposed:?}");
        for text in ["", "secret", "$argon2i$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$aGFzaA"] {
            std::fs::remove_file(&path).unwrap();
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            assert!(matches!(is_password(&path, &secret("x")), Err(PasswordError::NoHash { .. })), "{text:?}");
        }
    }
}
